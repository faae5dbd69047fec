//! Bundles: an import restores what was exported, and changes nothing that exists.

use std::path::{Path, PathBuf};

use pentimento::store::bundle::archive::{Archive, Writer};
use pentimento::store::bundle::rows::Digest;
use pentimento::store::bundle::{Bundle, Parcel, Remark, Report, Selection};
use pentimento::store::references::NewReference;
use pentimento::store::runs::NewRun;
use pentimento::store::{Error, Store};
use pentimento::studio::output::Measures;
use pentimento::studio::prompt::Block;
use pentimento::studio::reference::{Decision, Gate, ReferenceState};
use pentimento::studio::review::{Judgement, Rubric, Score, Verdict};
use pentimento::studio::state::RunState;

use crate::project::*;

/// Writes a bundle as `export` does.
pub fn export(store: &Store, selection: &Selection, to: &Path) -> Bundle {
    let reader = store.reader().unwrap();
    let bundle = reader.bundle(selection).unwrap();
    let mut writer = Writer::create(to).unwrap();
    for blob in &bundle.blobs {
        writer.add_blob(&reader.blobs().read(&blob.hash.0).unwrap()).unwrap();
    }
    writer.finish(&bundle, false).unwrap();
    bundle
}

/// A bundle of everything in the project.
pub fn exported(project: &Project) -> (PathBuf, Bundle) {
    let path = (0..).map(|n| project.folder.path().join(format!("{n}.zip"))).find(|path| !path.exists()).unwrap();
    let bundle = export(&project.store, &Selection::Everything, &path);
    (path, bundle)
}

pub fn import(store: &Store, path: &Path) -> Result<Report, Error> {
    let parcel = Parcel::of_archive(path.to_owned(), Archive::open(path)?)?;
    Ok(store.import(&[parcel], at(100))?.remove(0))
}

/// Edited rows, with the blobs of a project.
fn forged(project: &Project, bundle: Bundle) -> Parcel {
    let reader = project.reader();
    Parcel { path: PathBuf::from("forged.zip"), bundle, blobs: Box::new(move |hash| reader.blobs().read(hash)) }
}

/// An empty project beside another.
pub fn empty(beside: &Project) -> Store {
    let path = (0..).map(|n| beside.folder.path().join(format!("empty-{n}"))).find(|path| !path.exists()).unwrap();
    Store::create(&path).unwrap()
}

fn rows(store: &Store) -> Bundle {
    store.reader().unwrap().bundle(&Selection::Everything).unwrap()
}

fn assert_verified(store: &Store) {
    let report = store.verify().unwrap();
    assert_eq!((report.problems, report.orphans), (vec![], vec![]));
}

fn accept(project: &Project, output: pentimento::studio::ids::OutputId) {
    let judgement = Judgement {
        reviewer: "kim".to_owned(),
        note: "as it should be".to_owned(),
        failures: ["waxy".parse().unwrap()].into(),
        scores: [("skin".parse().unwrap(), Score::new(3).unwrap())].into(),
        verdict: Verdict::Accepted,
    };
    project.store.add_review(output, &judgement, at(8)).unwrap();
}

/// A project with every kind of row that a bundle can hold, without unfinished runs.
fn full() -> Project {
    let project = Project::new();
    project.store.set_subject_note(project.ada, "of all people").unwrap();
    let reference = project.approved("face");
    let rejected = project.candidate("other face");
    project.store.decide(rejected, Decision::Reject, &opinion(), at(2)).unwrap();
    let gone = project.approved("third face");
    project.done(with_reference(gone), "5");
    project.store.withdraw_reference(gone, at(3)).unwrap();

    let (first, outputs) = project.done(with_reference(reference), "1,18446744073709551615,3");
    outputs.iter().for_each(|&output| accept(&project, output));
    project.store.set_diagnosis(first, "too smooth").unwrap();
    let mut other = with_reference(reference);
    other.prompt.set(Block::Style, "cold cinematic");
    let child = project.child(first, other, "1").unwrap();
    let claimed = project.claim("w", 5).unwrap();
    assert_eq!(claimed.claim.run, child);
    let made = project.work(&claimed);
    accept(&project, made[0]);
    let rubric = Rubric::parse("[[criterion]]\nkey = \"skin\"\nname = \"\"\nquestion = \"\"\nleast = 2\n").unwrap();
    project.store.set_baseline(outputs[0], &rubric, "kim", "the first", at(9)).unwrap();
    project.store.set_baseline(made[0], &rubric, "kim", "", at(10)).unwrap();
    project.store.add_preset("soft", first, "for faces", at(9)).unwrap();
    project.store.promote_preset("soft", at(11)).unwrap();
    let failed = project.queued(recipe(), "9");
    let claimed = project.claim("w", 12).unwrap();
    assert_eq!(claimed.claim.run, failed);
    project.store.fail(&claimed.claim, "out of memory; use a smaller size", at(13)).unwrap();
    project
}

#[test]
fn an_import_restores_everything_exported() {
    let project = full();
    let (path, bundle) = exported(&project);
    let store = empty(&project);
    let report = import(&store, &path).unwrap();
    assert_eq!(rows(&store), bundle);
    for blob in &bundle.blobs {
        let read = |store: &Store| store.blobs().read(&blob.hash.0).unwrap();
        assert!(read(&store) == read(&project.store));
    }
    let [ada] = report.subjects.as_slice() else { panic!("{report:?}") };
    let added = ada.counts().map(|(_, count)| count.added);
    assert_eq!((added, report.presets.count.added), ([1, 1, 3, 4, 4, 4, 2], 1));
    assert!(ada.remarks.is_empty() && ada.runs_renamed.is_empty() && report.presets.renamed.is_empty(), "{report:?}");
    // Search and the next numbers work as before.
    let reader = store.reader().unwrap();
    assert_eq!(reader.search("smooth", 9).unwrap().len(), 1);
    let subject = reader.subjects().unwrap().remove(0).id;
    let next = store.add_run(&NewRun::new(subject, recipe(), seeds("1")), at(101)).unwrap();
    assert_eq!(reader.run_by_id(next).unwrap().task.to_string(), "ada-0005");
    let child = reader.run(&"ada-0003".parse().unwrap()).unwrap();
    assert_eq!(reader.run_by_id(child.parent.unwrap()).unwrap().task.to_string(), "ada-0002");
    assert_verified(&store);
}

#[test]
fn importing_again_changes_nothing() {
    let project = full();
    let (path, bundle) = exported(&project);
    let store = empty(&project);
    import(&store, &path).unwrap();
    for store in [&store, &project.store] {
        let before = rows(store);
        let report = import(store, &path).unwrap();
        assert!(report.is_unchanged(), "{report:?}");
        assert_eq!(report.subjects[0].runs.existing, 4);
        assert_eq!((rows(store), &before), (before.clone(), &bundle));
        assert_verified(store);
    }
}

#[test]
fn single_runs_can_be_exported() {
    let project = full();
    let path = project.folder.path().join("runs.zip");
    let reader = project.reader();
    let child = reader.run(&"ada-0003".parse().unwrap()).unwrap().id;
    let bundle = export(&project.store, &Selection::Runs(vec![child]), &path);
    let row = &bundle.subjects[0];
    assert_eq!((row.runs.len(), row.references.len(), row.consents.len(), row.baselines.len()), (1, 1, 1, 1));
    assert_eq!((bundle.presets.len(), bundle.blobs.len()), (0, 4));
    let store = empty(&project);
    import(&store, &path).unwrap();
    let here = store.reader().unwrap().run(&"ada-0003".parse().unwrap()).unwrap();
    assert_eq!((here.parent, here.delta.is_some()), (None, true));
    // A parent that exists already is found.
    let (whole, _) = exported(&project);
    let with_parent = empty(&project);
    let mut parent_only = rows(&project.store);
    parent_only.subjects[0].runs.retain(|run| run.number == 2);
    parent_only.subjects[0].baselines.clear();
    parent_only.presets.clear();
    with_parent.import(&[forged(&project, parent_only)], at(100)).unwrap();
    import(&with_parent, &whole).unwrap();
    let here = with_parent.reader().unwrap();
    let runs = here.runs(here.subjects().unwrap()[0].id, None, 9).unwrap();
    assert_eq!(runs.iter().filter(|line| line.run.parent.is_some()).count(), 1);
    assert_verified(&with_parent);
}

#[test]
fn taken_names_and_numbers_are_replaced() {
    let (project, other) = (full(), Project::new());
    other.done(recipe(), "1");
    other.store.add_preset("soft", other.queued(recipe(), "7"), "", at(8)).unwrap();
    let own = other.reader().run(&"ada-0001".parse().unwrap()).unwrap();
    let (path, _) = exported(&project);
    let report = import(&other.store, &path).unwrap();
    assert_eq!(report.subjects[0].handle.as_str(), "ada-2");
    assert_eq!(report.presets.renamed, [("soft".to_owned(), "soft 2".to_owned())]);
    assert_eq!(other.reader().run(&"ada-0001".parse().unwrap()).unwrap(), own);
    assert_eq!(
        other.reader().outputs(other.reader().run(&"ada-2-0002".parse().unwrap()).unwrap().id).unwrap().len(),
        3
    );

    // Both projects continue with the same subject, and use the same number for different runs.
    let copy = empty(&project);
    import(&copy, &path).unwrap();
    let there = copy.reader().unwrap().subjects().unwrap()[0].id;
    copy.add_run(&NewRun::new(there, recipe(), seeds("44")), at(20)).unwrap();
    copy.add_reference(there, &picture("a picture of the copy's own"), at(20)).unwrap();
    project.queued(recipe(), "55");
    let claimed = project.claim("w", 21).unwrap();
    project.work(&claimed);
    project.candidate("a picture of the first one's own");
    let (path, _) = exported(&project);
    let report = import(&copy, &path).unwrap().subjects.remove(0);
    let renamed: Vec<String> = report.runs_renamed.iter().map(|(was, is)| format!("{was} {is}")).collect();
    assert_eq!(renamed, ["ada-0005 ada-0006"]);
    let renamed: Vec<String> = report.references_renamed.iter().map(|(was, is)| format!("{was} {is}")).collect();
    assert_eq!(renamed, ["ada-r4 ada-r5"]);
    assert_eq!(copy.reader().unwrap().run(&"ada-0006".parse().unwrap()).unwrap().seeds, seeds("55"));
    assert_verified(&copy);
    assert_verified(&other.store);
}

#[test]
fn an_import_starts_no_run() {
    let project = Project::new();
    project.queued(recipe(), "1");
    let running = project.claim("w", 5).unwrap();
    project.store.add_output(&running.claim, &output(&running.claim, 1), at(6)).unwrap();
    project.queued(recipe(), "2");
    let (path, _) = exported(&project);
    let store = empty(&project);
    let report = import(&store, &path).unwrap();
    assert!(
        matches!(report.subjects[0].remarks.as_slice(), [Remark::Draft { .. }, Remark::Draft { .. }]),
        "{report:?}"
    );
    let states: Vec<_> = store.reader().unwrap().newest_runs(9).unwrap().iter().map(|line| line.run.state).collect();
    assert_eq!(states, [RunState::Draft, RunState::Draft]);
    assert!(claim(&store, "w", 200).is_none());
    // A run that has not ended here gets no outputs from a bundle.
    let (mut done, here) = (rows(&project.store), Project::new());
    done.subjects[0].runs[0].state = "done".to_owned();
    let mut bare = done.clone();
    bare.subjects[0].runs[0].outputs.clear();
    bare.subjects[0].runs[0].state = "draft".to_owned();
    here.store.import(&[forged(&project, bare)], at(100)).unwrap();
    let report = here.store.import(&[forged(&project, done)], at(101)).unwrap().remove(0);
    assert!(matches!(report.subjects[0].remarks.as_slice(), [Remark::RunNotOver { .. }]), "{report:?}");
    assert_eq!(files(here.store.blobs().folder()), [] as [PathBuf; 0]);
}

#[test]
fn data_under_a_consent_withdrawn_in_the_bundle_is_left_out() {
    let project = Project::new();
    let reference = project.approved("face");
    project.done(with_reference(reference), "1");
    project.queued(with_reference(reference), "2");
    let mut bundle = rows(&project.store);
    // No export looks like this: a withdrawn consent whose data still exists.
    bundle.subjects[0].consents[0].withdrawn = Some(at(50).as_millisecond());
    let store = empty(&project);
    let report = store.import(&[forged(&project, bundle.clone())], at(100)).unwrap().remove(0).subjects.remove(0);
    let reader = store.reader().unwrap();
    let here = reader.references(reader.subjects().unwrap()[0].id).unwrap().remove(0);
    assert_eq!((here.state, here.picture, here.label.as_str()), (ReferenceState::Withdrawn, None, ""));
    assert_eq!(files(store.blobs().folder()), [] as [PathBuf; 0]);
    let lines = reader.newest_runs(9).unwrap();
    assert_eq!((lines.len(), lines[0].run.state, lines[0].outputs), (1, RunState::Done, 0));
    assert_eq!(report.remarks.len(), 3, "{report:?}");
    let new = NewRun::new(lines[0].run.subject, with_reference(here.id), seeds("1"));
    refused(store.add_run(&new, at(101)), "withdrawn-consent");
    assert_verified(&store);

    // If the consent is valid here, the report says so; new data under it is still left out.
    let copy = empty(&project);
    copy.import(&[forged(&project, rows(&project.store))], at(40)).unwrap();
    project.approved("second face");
    let mut bundle = rows(&project.store);
    bundle.subjects[0].consents[0].withdrawn = Some(at(50).as_millisecond());
    let report = copy.import(&[forged(&project, bundle)], at(100)).unwrap().remove(0).subjects.remove(0);
    assert!(matches!(report.remarks[0], Remark::ConsentWithdrawnElsewhere { .. }), "{report:?}");
    let reader = copy.reader().unwrap();
    let references = reader.references(reader.subjects().unwrap()[0].id).unwrap();
    let states: Vec<_> = references.iter().map(|reference| reference.state).collect();
    assert_eq!(states, [ReferenceState::Approved, ReferenceState::Withdrawn]);
}

#[test]
fn withdrawals_and_rejections_here_stay() {
    let project = Project::new();
    let (face, other) = (project.approved("face"), project.approved("other"));
    let (run, outputs) = project.done(with_reference(face), "1");
    let (kept, others) = project.done(with_reference(other), "1");
    accept(&project, outputs[0]);
    let (path, old) = exported(&project);
    let hash = project.reader().reference_by_id(face).unwrap().picture.unwrap().blob;
    project.store.withdraw_reference(face, at(20)).unwrap();
    let judgement = Judgement { verdict: Verdict::Rejected, ..Judgement::default() };
    project.store.add_review(others[0], &judgement, at(21)).unwrap();
    project.store.decide(other, Decision::Retire, &opinion(), at(21)).unwrap();

    let mut flattering = old.clone();
    flattering.subjects[0].runs[0].reference = None;
    for output in flattering.subjects[0].runs.iter_mut().flat_map(|run| &mut run.outputs) {
        output.verdict = "accepted".to_owned();
    }
    for parcel in
        [Parcel::of_archive(path.clone(), Archive::open(&path).unwrap()).unwrap(), forged(&project, flattering)]
    {
        let report = project.store.import(&[parcel], at(100)).unwrap().remove(0);
        assert!(report.is_unchanged(), "{report:?}");
        let reader = project.reader();
        let states = [face, other].map(|id| reader.reference_by_id(id).unwrap().state);
        assert_eq!(states, [ReferenceState::Withdrawn, ReferenceState::Retired]);
        assert_eq!(
            (reader.outputs(run).unwrap(), reader.outputs(kept).unwrap()[0].verdict),
            (vec![], Verdict::Rejected)
        );
        assert!(!project.store.blobs().path(&hash).exists());
        assert_verified(&project.store);
    }

    // Once the consent itself is withdrawn, new references under it are imported as withdrawn.
    project.store.withdraw_consent(project.consent, at(30)).unwrap();
    let mut newer = old;
    let mut more = newer.subjects[0].references[0].clone();
    (more.uuid, more.number) = (uuid(1), 3);
    newer.subjects[0].references.push(more);
    let keeper = empty(&project);
    import(&keeper, &path).unwrap();
    let reader = keeper.reader().unwrap();
    let parcel = Parcel { path, bundle: newer, blobs: Box::new(move |hash| reader.blobs().read(hash)) };
    project.store.import(&[parcel], at(100)).unwrap();
    let states: Vec<_> = project.reader().references(project.ada).unwrap().iter().map(|r| r.state).collect();
    assert_eq!(states, [ReferenceState::Withdrawn; 3]);
    assert_eq!(project.reader().consent(project.consent).unwrap().withdrawn, Some(at(30)));
    assert_verified(&project.store);
}

pub fn uuid(n: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([n; 16])
}

#[test]
fn an_import_approves_nothing_that_could_not_be_approved_here() {
    let project = Project::new();
    let short = project.store.add_consent(project.ada, &grant(Some(60))).unwrap();
    let new = NewReference { consent: Some(short), ..picture("face") };
    let reference = project.store.add_reference(project.ada, &new, at(1)).unwrap();
    project.store.decide(reference, Decision::Approve, &opinion(), at(2)).unwrap();
    let bad = NewReference { consent: Some(project.consent), gate: Gate::Reject, ..picture("blurry") };
    let bad = project.store.add_reference(project.ada, &bad, at(1)).unwrap();
    let overruling = pentimento::store::references::Opinion { overrule: Some("the only one".to_owned()), ..opinion() };
    project.store.decide(bad, Decision::Approve, &overruling, at(2)).unwrap();
    let mut bundle = rows(&project.store);
    let store = empty(&project);
    let states = |store: &Store| {
        let reader = store.reader().unwrap();
        reader.references(reader.subjects().unwrap()[0].id).unwrap().iter().map(|r| r.state).collect::<Vec<_>>()
    };
    store.import(&[forged(&project, bundle.clone())], at(59)).unwrap();
    assert_eq!(states(&store), [ReferenceState::Approved, ReferenceState::Approved]);
    let late = empty(&project);
    bundle.subjects[0].references[1].overruled = None;
    let report = late.import(&[forged(&project, bundle)], at(100)).unwrap().remove(0).subjects.remove(0);
    assert_eq!(states(&late), [ReferenceState::Candidate, ReferenceState::Candidate]);
    assert!(
        matches!(report.remarks.as_slice(), [Remark::NoValidConsent { .. }, Remark::GateNotOverruled { .. }]),
        "{report:?}"
    );
}

#[test]
fn a_forgotten_subject_is_imported_as_a_new_one() {
    let project = full();
    let (path, _) = exported(&project);
    project.store.forget_subject(project.ada).unwrap();
    let report = import(&project.store, &path).unwrap();
    assert_eq!((report.subjects[0].subjects.added, report.subjects[0].handle.as_str()), (1, "ada"));
}

#[test]
fn imported_outputs_are_never_reused() {
    let project = Project::new();
    let (_, outputs) = project.done(recipe(), "1");
    let key = project.reader().output(outputs[0]).unwrap().key;
    let (path, _) = exported(&project);
    let store = empty(&project);
    import(&store, &path).unwrap();
    assert_eq!(store.reader().unwrap().output_with_key(&key).unwrap(), None);
    assert!(project.reader().output_with_key(&key).unwrap().is_some());
}

#[test]
fn baselines_and_presets_depend_on_accepted_outputs_here() {
    let project = full();
    let store = empty(&project);
    let mut bundle = rows(&project.store);
    for output in bundle.subjects[0].runs.iter_mut().flat_map(|run| &mut run.outputs) {
        output.verdict = "open".to_owned();
    }
    let report = store.import(&[forged(&project, bundle)], at(100)).unwrap().remove(0);
    assert_eq!(
        (report.subjects[0].remarks.as_slice(), report.presets.on_trial.len()),
        ([Remark::BaselineNotCurrent].as_slice(), 1)
    );
    let reader = store.reader().unwrap();
    assert_eq!(reader.baseline(reader.subjects().unwrap()[0].id).unwrap(), None);
    assert_eq!(reader.preset("soft").unwrap().promoted, None);
}

#[test]
fn stripped_rows_contain_no_user_text() {
    let project = Project::new();
    let mut bundle = {
        let words = |text: &str| format!("secret {text}");
        project.store.set_subject_note(project.ada, &words("note")).unwrap();
        let labelled = NewReference { label: words("label"), ..picture("face") };
        let reference = project.store.add_reference(project.ada, &labelled, at(1)).unwrap();
        let opinion = pentimento::store::references::Opinion { note: words("opinion"), ..opinion() };
        project.store.decide(reference, Decision::Approve, &opinion, at(2)).unwrap();
        let mut recipe = with_reference(reference);
        Block::ALL.iter().for_each(|&block| recipe.prompt.set(block, &words(block.name())));
        recipe.prompt.set_negative(&words("negative"));
        let (run, outputs) = project.done(recipe.clone(), "1");
        project.store.set_diagnosis(run, &words("diagnosis")).unwrap();
        project.store.set_measures(outputs[0], &Measures(serde_json::json!({"block": words("measure")}))).unwrap();
        let judgement = Judgement { note: words("review"), ..Judgement::default() };
        project.store.add_review(outputs[0], &judgement, at(8)).unwrap();
        project.store.add_preset("soft", run, &words("preset"), at(8)).unwrap();
        recipe.prompt.set(Block::Style, "other secret");
        recipe.settings.steps += 1;
        recipe.model.checkpoint = "/home/secret/model".to_owned();
        let child = NewRun {
            parent: Some(run),
            debug_reason: Some(words("reason")),
            ..NewRun::new(project.ada, recipe, seeds("1"))
        };
        project.store.add_run(&child, at(9)).unwrap();
        rows(&project.store)
    };
    let said = |bundle: &Bundle| serde_json::to_string(bundle).unwrap().matches("secret").count();
    assert!(said(&bundle) > 15);
    bundle.strip();
    assert_eq!(said(&bundle), 0, "{}", serde_json::to_string_pretty(&bundle).unwrap());
    let run = &bundle.subjects[0].runs[1];
    assert_eq!((run.delta.as_ref().unwrap().changes.len(), run.checkpoint.as_str()), (3, "model"));
    empty(&project).import(&[forged(&project, bundle)], at(100)).unwrap();
}

#[test]
fn an_existing_file_is_kept_unless_overwritten() {
    let project = full();
    let (path, bundle) = exported(&project);
    let before = std::fs::read(&path).unwrap();
    let write = |replace| {
        let mut writer = Writer::create(&path).unwrap();
        writer.add_blob(b"x").unwrap();
        writer.finish(&bundle, replace)
    };
    assert!(matches!(write(false), Err(Error::FileExists { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    write(true).unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), before);
    drop(Writer::create(&path).unwrap());
    let names: Vec<_> =
        std::fs::read_dir(project.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(Digest::try_from(blake3::hash(b"x").to_hex().to_string()).unwrap().0, blake3::hash(b"x"));
}
