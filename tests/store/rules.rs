//! Each rule: the actions that it refuses, and those that it allows.

use std::collections::BTreeMap;

use pentimento::store::Error;
use pentimento::store::queue::Next;
use pentimento::store::references::{NewReference, Opinion};
use pentimento::store::runs::NewRun;
use pentimento::studio::prompt::Block;
use pentimento::studio::reference::{Decision, Gate, GateReport, ReferenceState};
use pentimento::studio::review::{Judgement, Rubric, Score, Verdict};
use pentimento::studio::state::RunState;
use pentimento::studio::variable::Variable;
use pentimento::studio::words::Word;

use crate::project::*;

#[test]
fn only_an_approved_reference_can_be_used() {
    let project = Project::new();
    let reference = project.candidate("face");
    let run = |draft| {
        let new = NewRun { draft, ..NewRun::new(project.ada, with_reference(reference), seeds("1")) };
        project.store.add_run(&new, at(5))
    };
    let decide = |decision| project.store.decide(reference, decision, &opinion(), at(4)).unwrap();
    refused(run(false), "unapproved-reference");
    refused(run(true), "unapproved-reference");
    decide(Decision::Reject);
    refused(run(false), "unapproved-reference");
    decide(Decision::Approve);
    run(false).unwrap();
    decide(Decision::Retire);
    refused(run(false), "unapproved-reference");
    assert_eq!(project.reader().newest_runs(9).unwrap().len(), 1);
}

#[test]
fn decisions_follow_the_allowed_transitions() {
    let project = Project::new();
    let reference = project.candidate("face");
    refused(project.store.decide(reference, Decision::Retire, &opinion(), at(2)), "reference-state");
    assert_eq!(
        project.store.decide(reference, Decision::Approve, &opinion(), at(2)).unwrap(),
        ReferenceState::Approved
    );
    refused(project.store.decide(reference, Decision::Approve, &opinion(), at(3)), "reference-state");
    let found = project.reader().reference(&"ada-r1".parse().unwrap()).unwrap();
    assert_eq!(
        (found.state, found.reviewer.as_deref(), found.note.as_str()),
        (ReferenceState::Approved, Some("kim"), "even light")
    );
    assert_eq!(found.reviewed, Some(at(2)));
}

#[test]
fn a_reference_needs_a_valid_consent() {
    let project = Project::new();
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Bo", "", at(0)).unwrap();
    refused(project.store.add_reference(bo, &picture("bo"), at(1)), "no-right-recorded");
    let others = NewReference { consent: Some(project.consent), ..picture("bo") };
    refused(project.store.add_reference(bo, &others, at(1)), "no-right-recorded");
    let short = project.store.add_consent(bo, &grant(Some(10))).unwrap();
    let under = NewReference { consent: Some(short), ..picture("bo") };
    refused(project.store.add_reference(bo, &under, at(10)), "no-right-in-force");
    refused(project.store.add_reference(bo, &under, at(-200)), "no-right-in-force");
    // A refusal leaves no files.
    assert_eq!(files(project.store.blobs().folder()), [] as [std::path::PathBuf; 0]);
    project.store.add_reference(bo, &under, at(9)).unwrap();
}

#[test]
fn an_expired_consent_stops_approvals_and_runs() {
    let project = Project::new();
    let short = project.store.add_consent(project.ada, &grant(Some(10))).unwrap();
    let new = NewReference { consent: Some(short), ..picture("face") };
    let reference = project.store.add_reference(project.ada, &new, at(1)).unwrap();
    refused(project.store.decide(reference, Decision::Approve, &opinion(), at(10)), "no-right-in-force");
    project.store.decide(reference, Decision::Approve, &opinion(), at(9)).unwrap();
    let draft = NewRun { draft: true, ..NewRun::new(project.ada, with_reference(reference), seeds("1")) };
    let draft = project.store.add_run(&draft, at(9)).unwrap();
    let waiting = project.queued(with_reference(reference), "2");
    let free = project.queued(recipe(), "3");
    refused(
        project.store.add_run(&NewRun::new(project.ada, with_reference(reference), seeds("1")), at(10)),
        "no-right-in-force",
    );
    refused(project.store.enqueue(draft, at(10)), "no-right-in-force");
    // The queued run fails with the name of the rule, and the next run is claimed.
    assert_eq!(project.claim("w", 10).unwrap().claim.run, free);
    let run = project.reader().run_by_id(waiting).unwrap();
    assert_eq!(run.state, RunState::Failed);
    assert!(run.error.unwrap().starts_with("no-right-in-force: "));
}

#[test]
fn refusals_name_a_withdrawn_consent() {
    let project = Project::new();
    let reference = project.approved("face");
    project.store.withdraw_consent(project.consent, at(5)).unwrap();
    let new = NewRun::new(project.ada, with_reference(reference), seeds("1"));
    refused(project.store.add_run(&new, at(6)), "withdrawn-consent");
    let under = NewReference { consent: Some(project.consent), ..picture("again") };
    refused(project.store.add_reference(project.ada, &under, at(6)), "withdrawn-consent");
    refused(project.store.add_reference(project.ada, &picture("again"), at(6)), "no-right-recorded");
}

#[test]
fn overruling_the_quality_gate_needs_a_reason() {
    let project = Project::new();
    let bad = NewReference { gate: Gate::Reject, ..picture("blurry") };
    let reference = project.store.add_reference(project.ada, &bad, at(1)).unwrap();
    let approve = |overrule: Option<&str>| {
        let opinion = Opinion { overrule: overrule.map(str::to_owned), ..opinion() };
        project.store.decide(reference, Decision::Approve, &opinion, at(2))
    };
    refused(approve(None), "quality-gate");
    refused(approve(Some(" \u{200b}")), "quality-gate");
    approve(Some("the only picture of her")).unwrap();
    let found = project.reader().reference_by_id(reference).unwrap();
    assert_eq!(found.overruled.as_deref(), Some("the only picture of her"));
}

#[test]
fn a_failed_report_makes_a_reference_a_candidate_again() {
    let project = Project::new();
    let reference = project.approved("face");
    project.store.set_report(reference, Gate::Reject, &GateReport(serde_json::json!({"sharp": 0.1}))).unwrap();
    let found = project.reader().reference_by_id(reference).unwrap();
    assert_eq!((found.state, found.gate), (ReferenceState::Candidate, Gate::Reject));
}

#[test]
fn a_child_differs_in_one_variable() {
    let project = Project::new();
    let parent = project.queued(recipe(), "1,2");
    let mut child = recipe();
    child.prompt.set(Block::Style, "cold cinematic");
    let id = project.child(parent, child.clone(), "1,2").unwrap();
    let stored = project.reader().run_by_id(id).unwrap();
    let delta = stored.delta.unwrap();
    assert_eq!(delta.variables(), [Variable::Block(Block::Style)]);
    assert_eq!(
        delta.changes[0].words,
        [Word::Removed("warm".into()), Word::Added("cold".into()), Word::Same("cinematic".into())]
    );
    child.settings.steps = 30;
    refused(project.child(parent, child.clone(), "1,2"), "two-variables");
    refused(project.child(parent, recipe(), "2"), "nothing-changed");
    project.child(parent, recipe(), "2,3").unwrap();

    let reason = |reason: &str| {
        let run = NewRun {
            parent: Some(parent),
            debug_reason: Some(reason.to_owned()),
            ..NewRun::new(project.ada, child.clone(), seeds("1"))
        };
        project.store.add_run(&run, at(5))
    };
    refused(reason("\u{200b} "), "two-variables");
    let debug = project.reader().run_by_id(reason("is it both?").unwrap()).unwrap();
    assert_eq!(debug.delta.unwrap().variables(), ["style", "steps"].map(|name| name.parse::<Variable>().unwrap()));
    assert_eq!(debug.debug_reason.as_deref(), Some("is it both?"));
}

#[test]
fn a_changed_reference_is_named_in_the_delta() {
    let project = Project::new();
    let (first, second) = (project.approved("one"), project.approved("two"));
    let parent = project.queued(with_reference(first), "1");
    let child = project.child(parent, with_reference(second), "1").unwrap();
    let delta = project.reader().diff(parent, child).unwrap();
    assert_eq!((delta.changes[0].before.as_str(), delta.changes[0].after.as_str()), ("ada-r1", "ada-r2"));
    let prompt_only = project.child(parent, recipe(), "1").unwrap();
    assert_eq!(project.reader().run_by_id(prompt_only).unwrap().delta.unwrap().changes[0].after, "none");
}

#[test]
fn parents_and_references_belong_to_the_same_subject() {
    let project = Project::new();
    let reference = project.approved("face");
    let parent = project.queued(recipe(), "1");
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Bo", "", at(0)).unwrap();
    let new = NewRun::new(bo, with_reference(reference), seeds("1"));
    refused(project.store.add_run(&new, at(4)), "other-subjects-reference");
    let new = NewRun { parent: Some(parent), ..NewRun::new(bo, recipe(), seeds("9")) };
    refused(project.store.add_run(&new, at(4)), "other-subjects-run");
}

#[test]
fn a_refused_run_uses_no_number() {
    let project = Project::new();
    let parent = project.queued(recipe(), "1");
    refused(project.child(parent, recipe(), "1"), "nothing-changed");
    let next = project.queued(recipe(), "2");
    assert_eq!(project.reader().run_by_id(next).unwrap().task.to_string(), "ada-0002");
}

#[test]
fn a_baseline_must_be_accepted_and_scored() {
    let project = Project::new();
    let (_, outputs) = project.done(recipe(), "1,2");
    let key = |text: &str| text.parse().unwrap();
    let criterion = |name| format!("[[criterion]]\nkey = {name:?}\nname = \"\"\nquestion = \"\"\nleast = 2\n");
    let rubric = Rubric::parse(&(criterion("likeness") + &criterion("skin"))).unwrap();
    let review = |verdict, scores: &[(&str, u8)]| {
        let scores: BTreeMap<_, _> =
            scores.iter().map(|&(name, score)| (key(name), Score::new(score).unwrap())).collect();
        let judgement = Judgement { reviewer: "kim".into(), verdict, scores, ..Judgement::default() };
        project.store.add_review(outputs[0], &judgement, at(8)).unwrap();
    };
    let set = |output| project.store.set_baseline(output, &rubric, "kim", "", at(9));
    refused(set(outputs[0]), "rubric-incomplete");
    review(Verdict::Open, &[("likeness", 3), ("skin", 1)]);
    refused(set(outputs[0]), "not-accepted");
    review(Verdict::Accepted, &[]);
    refused(set(outputs[0]), "rubric-too-low");
    review(Verdict::Open, &[("skin", 2)]);
    set(outputs[0]).unwrap();
    set(outputs[0]).unwrap();
    let reader = project.reader();
    assert_eq!(reader.baseline(project.ada).unwrap().unwrap().output, outputs[0]);
    let all: Vec<_> = reader.baselines(project.ada).unwrap().iter().map(|baseline| baseline.until).collect();
    assert_eq!(all, [Some(at(9)), None]);
}

#[test]
fn a_preset_is_promoted_after_enough_accepted_outputs() {
    let project = Project::new();
    let accept = |output| {
        let judgement = Judgement { verdict: Verdict::Accepted, ..Judgement::default() };
        project.store.add_review(output, &judgement, at(8)).unwrap();
    };
    let (run, first) = project.done(recipe(), "1,2,3");
    project.store.add_preset("soft", run, "", at(8)).unwrap();
    assert!(matches!(project.store.add_preset("soft", run, "", at(8)), Err(Error::Taken { .. })));
    first.into_iter().for_each(accept);
    refused(project.store.promote_preset("soft", at(9)), "unproven-preset");
    let mut other = recipe();
    other.settings.steps += 1;
    project.done(other, "1").1.into_iter().for_each(accept);
    refused(project.store.promote_preset("soft", at(9)), "unproven-preset");
    let mut same = recipe();
    same.prompt.set(Block::Subject, "a man");
    project.done(same, "1").1.into_iter().for_each(accept);
    project.store.promote_preset("soft", at(9)).unwrap();
    let preset = project.reader().preset("soft").unwrap();
    assert_eq!((preset.promoted, preset.settings), (Some(at(9)), recipe().settings));
    project.store.remove_preset("soft").unwrap();
    assert_eq!(project.reader().presets().unwrap(), []);
}

#[test]
fn the_schema_enforces_the_strictest_rules() {
    let project = Project::new();
    let reference = project.candidate("face");
    let run = project.queued(recipe(), "1");
    let connection = rusqlite::Connection::open(project.path.join("project.db")).unwrap();
    for sql in [
        format!("UPDATE refs SET picture = NULL WHERE id = {}", reference.0),
        format!("UPDATE refs SET state = 'withdrawn' WHERE id = {}", reference.0),
        format!("UPDATE refs SET gate = 'reject', state = 'approved' WHERE id = {}", reference.0),
        format!("UPDATE runs SET state = 'running' WHERE id = {}", run.0),
        format!("UPDATE runs SET delta = '[1, 2]' WHERE id = {}", run.0),
        format!("UPDATE runs SET steps = 'many' WHERE id = {}", run.0),
        format!("UPDATE runs SET ref_id = 99 WHERE id = {}", run.0),
        "DELETE FROM blobs".to_owned(),
    ] {
        assert!(connection.execute_batch(&sql).is_err(), "{sql}");
    }
}

#[test]
fn names_are_unique_and_cleaned() {
    let project = Project::new();
    let add = |handle: &str, name: &str| project.store.add_subject(&handle.parse().unwrap(), name, "", at(0));
    assert!(matches!(add("ada", "Other"), Err(Error::Taken { .. })));
    assert!(matches!(add("bo", " \u{200b}"), Err(Error::Empty { .. })));
    let eve = add("eve", "Eve\u{1b}[31m\u{202e}").unwrap();
    assert_eq!(project.reader().subject_by_id(eve).unwrap().name, "Eve[31m");
    project.store.rename_subject(eve, "Eva").unwrap();
    assert_eq!(project.reader().subject(&"eve".parse().unwrap()).unwrap().name, "Eva");
    let missing = project.reader().run(&"ada-0099".parse().unwrap()).unwrap_err();
    assert_eq!(missing.to_string(), "no run named \"ada-0099\" in this project: check the name");
    assert!(matches!(project.store.claim("w", LEASE, at(1)).unwrap(), Next::Empty));
}
