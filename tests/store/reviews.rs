//! Reviews of one output by two reviewers: neither changes what the other has said.

use pentimento::studio::ids::OutputId;
use pentimento::studio::review::{Judgement, Key, Score, Verdict};

use crate::project::*;

/// Each review of an output, oldest first: the reviewer, the failures, the verdict.
fn reviews(project: &Project, output: OutputId) -> Vec<(String, Vec<String>, Verdict)> {
    let reviews = project.reader().reviews(output).unwrap().into_iter().map(|review| review.judgement);
    reviews.map(|own| (own.reviewer, own.failures.iter().map(Key::to_string).collect(), own.verdict)).collect()
}

/// One review without a verdict, as `reviews` lists it.
fn marked(reviewer: &str, failure: &str) -> (String, Vec<String>, Verdict) {
    (reviewer.to_owned(), vec![failure.to_owned()], Verdict::Open)
}

fn mark(project: &Project, output: OutputId, reviewer: &str, failure: &str, marked: bool) {
    project.store.mark_failure(output, reviewer, &failure.parse().unwrap(), marked, at(8)).unwrap();
}

fn judge(project: &Project, output: OutputId, judgement: &Judgement) {
    project.store.add_review(output, judgement, at(8)).unwrap();
}

fn judgement(reviewer: &str) -> Judgement {
    Judgement { reviewer: reviewer.to_owned(), ..Judgement::default() }
}

#[test]
fn two_reviewers_mark_the_same_failure() {
    let project = Project::new();
    let output = project.done(recipe(), "1").1[0];
    mark(&project, output, "kim", "waxy", true);
    mark(&project, output, "lee", "waxy", true);
    mark(&project, output, "kim", "waxy", true);
    assert_eq!(reviews(&project, output), [marked("kim", "waxy"), marked("lee", "waxy")]);
    mark(&project, output, "kim", "waxy", false);
    assert_eq!(reviews(&project, output), [marked("lee", "waxy")]);
    // There is no mark of this reviewer to remove.
    mark(&project, output, "kim", "waxy", false);
    assert_eq!(reviews(&project, output), [marked("lee", "waxy")]);
}

#[test]
fn removing_a_mark_keeps_other_marks_and_other_outputs() {
    let project = Project::new();
    let outputs = project.done(recipe(), "1,2").1;
    mark(&project, outputs[0], "kim", "waxy", true);
    mark(&project, outputs[0], "kim", "identity-unstable", true);
    mark(&project, outputs[1], "kim", "waxy", true);
    mark(&project, outputs[0], "kim", "waxy", false);
    assert_eq!(reviews(&project, outputs[0]), [marked("kim", "identity-unstable")]);
    assert_eq!(reviews(&project, outputs[1]), [marked("kim", "waxy")]);
}

#[test]
fn removing_a_mark_keeps_the_rest_of_its_review() {
    let project = Project::new();
    let output = project.done(recipe(), "1").1[0];
    let waxy: Key = "waxy".parse().unwrap();
    let said = [
        Judgement { note: "the skin shines".to_owned(), ..judgement("kim") },
        Judgement { scores: [("skin".parse().unwrap(), Score::new(1).unwrap())].into(), ..judgement("kim") },
        Judgement { failures: ["wrong-expression".parse().unwrap()].into(), ..judgement("kim") },
        Judgement { verdict: Verdict::Rejected, ..judgement("kim") },
    ];
    for review in &said {
        let failures = review.failures.iter().cloned().chain([waxy.clone()]).collect();
        judge(&project, output, &Judgement { failures, ..review.clone() });
    }
    mark(&project, output, "kim", "waxy", false);
    let left: Vec<_> = project.reader().reviews(output).unwrap().into_iter().map(|review| review.judgement).collect();
    assert_eq!(left, said);
}

#[test]
fn clearing_a_verdict_keeps_the_other_reviewers_reviews() {
    let project = Project::new();
    let outputs = project.done(recipe(), "1,2").1;
    let accepts = |reviewer| Judgement { verdict: Verdict::Accepted, ..judgement(reviewer) };
    for output in &outputs {
        judge(&project, *output, &accepts("lee"));
        judge(&project, *output, &accepts("kim"));
    }
    mark(&project, outputs[0], "kim", "waxy", true);
    // It says nothing, but it is not this reviewer's.
    judge(&project, outputs[0], &judgement("lee"));
    project.store.clear_verdict(outputs[0], "kim").unwrap();
    let accepted = |reviewer: &str| (reviewer.to_owned(), vec![], Verdict::Accepted);
    let empty = ("lee".to_owned(), vec![], Verdict::Open);
    assert_eq!(reviews(&project, outputs[0]), [accepted("lee"), marked("kim", "waxy"), empty]);
    assert_eq!(reviews(&project, outputs[1]), [accepted("lee"), accepted("kim")]);
    let verdict = |output| project.reader().output(output).unwrap().verdict;
    assert_eq!([verdict(outputs[0]), verdict(outputs[1])], [Verdict::Open, Verdict::Accepted]);
}
