//! Reading the history: lists, lineage, search.

use pentimento::store::runs::NewRun;
use pentimento::store::search::{END, FOUND, Place};
use pentimento::studio::prompt::Block;
use pentimento::studio::review::{Judgement, Verdict};
use pentimento::studio::settings::{AdapterScale, LongPrompt, Sampler, Settings};
use pentimento::studio::state::Priority;

use crate::project::*;

#[test]
fn a_run_reads_back_as_it_was_added() {
    let project = Project::new();
    let reference = project.approved("face");
    let mut full = with_reference(reference);
    for (n, block) in Block::ALL.into_iter().enumerate() {
        full.prompt.set(block, &format!("block {n}, ümläut \"quoted\""));
    }
    full.prompt.set_negative("blurry");
    full.settings = Settings {
        steps: 31,
        guidance_scale: 0.1 + 0.2,
        adapter_scale: AdapterScale::PerBlock([("mid_block".to_owned(), 0.7), ("up_blocks.1".to_owned(), 1.0)].into()),
        adapter_start: 0.1,
        adapter_end: 0.9,
        sampler: Some(Sampler::DpmSolverPp2M),
        karras_sigmas: Some(true),
        width: Some(512),
        height: Some(768),
        long_prompt: LongPrompt::Chunk,
    };
    full.model.adapter = Some("plus.safetensors".to_owned());
    full.model.image_encoder = Some("encoder".to_owned());
    let new = NewRun {
        profile: Some("identity-first".to_owned()),
        priority: Priority::High,
        ..NewRun::new(project.ada, full.clone(), seeds("3,18446744073709551615,1"))
    };
    let id = project.store.add_run(&new, at(9)).unwrap();
    let run = project.reader().run(&"ada-0001".parse().unwrap()).unwrap();
    assert_eq!((run.id, run.recipe, run.seeds), (id, full, new.seeds));
    assert_eq!((run.profile.as_deref(), run.progress.priority), (Some("identity-first"), Priority::High));
    assert_eq!((run.created, run.uuid.get_version_num()), (at(9), 7));
}

#[test]
fn lists_are_newest_first_and_paged() {
    let project = Project::new();
    for seed in 0..7 {
        project.queued(recipe(), &seed.to_string());
    }
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Bo", "", at(0)).unwrap();
    project.store.add_run(&NewRun::new(bo, recipe(), seeds("1")), at(5)).unwrap();
    let reader = project.reader();
    let numbers = |before| {
        let lines = reader.runs(project.ada, before, 3).unwrap();
        lines.iter().map(|line| line.run.task.number).collect::<Vec<_>>()
    };
    assert_eq!((numbers(None), numbers(Some(5)), numbers(Some(1))), (vec![7, 6, 5], vec![4, 3, 2], vec![]));
    assert_eq!(reader.newest_runs(2).unwrap()[0].run.task.to_string(), "bo-0001");
}

#[test]
fn run_lines_count_outputs() {
    let project = Project::new();
    let (_, outputs) = project.done(recipe(), "1,2,3");
    let judgement = Judgement { verdict: Verdict::Accepted, ..Judgement::default() };
    project.store.add_review(outputs[1], &judgement, at(8)).unwrap();
    for (output, note) in [(2, "first"), (0, "newest"), (0, "")] {
        let judgement = Judgement { note: note.to_owned(), verdict: Verdict::Rejected, ..Judgement::default() };
        project.store.add_review(outputs[output], &judgement, at(9)).unwrap();
    }
    let line = project.reader().runs(project.ada, None, 9).unwrap().remove(0);
    assert_eq!((line.outputs, line.accepted, line.rejected, line.note.as_str()), (3, 1, 2, "newest"));
}

#[test]
fn lineage_runs_from_the_first_ancestor_to_the_run() {
    let project = Project::new();
    let mut line = vec![project.queued(recipe(), "1")];
    for steps in 30..34 {
        let mut child = recipe();
        child.settings.steps = steps;
        line.push(project.child(*line.last().unwrap(), child, "1").unwrap());
    }
    let aside = project.child(line[1], recipe(), "1").unwrap();
    let reader = project.reader();
    let ids = |runs: Vec<pentimento::studio::run::Run>| runs.iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(ids(reader.lineage(line[4]).unwrap()), line);
    assert_eq!(ids(reader.children(line[1]).unwrap()), [line[2], aside]);
}

#[test]
fn reviews_read_back() {
    let project = Project::new();
    let (_, outputs) = project.done(recipe(), "1");
    let judgement = Judgement {
        reviewer: "kim".to_owned(),
        note: "skin like wax".to_owned(),
        failures: ["synthetic-waxy".parse().unwrap()].into(),
        scores: [("skin".parse().unwrap(), pentimento::studio::review::Score::new(1).unwrap())].into(),
        verdict: Verdict::Rejected,
    };
    project.store.add_review(outputs[0], &judgement, at(9)).unwrap();
    let reader = project.reader();
    let [review] = reader.reviews(outputs[0]).unwrap().try_into().unwrap();
    assert_eq!((review.judgement, review.at), (judgement.clone(), at(9)));
    assert_eq!(reader.scores(outputs[0]).unwrap(), judgement.scores);
    assert_eq!(reader.output(outputs[0]).unwrap().verdict, Verdict::Rejected);
}

#[test]
fn search_is_fast_where_a_word_is_frequent() {
    let project = Project::new();
    let words = "word ".repeat(25_000);
    let mut long = recipe();
    Block::ALL.into_iter().for_each(|block| long.prompt.set(block, &words));
    long.prompt.set_negative(&words);
    project.store.add_run(&NewRun::new(project.ada, long, seeds("1")), at(9)).unwrap();
    let began = std::time::Instant::now();
    let hits = project.reader().search("word", 9).unwrap();
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert!(hits[0].snippet.starts_with(&format!("{FOUND}word{END} ")) && hits[0].snippet.len() < 200);
}

#[test]
fn search_finds_prompts_diagnoses_and_notes() {
    let project = Project::new();
    let reference = project.approved("face");
    let (run, outputs) = project.done(recipe(), "1");
    project.store.set_diagnosis(run, "cheeks too smooth, müde Augen").unwrap();
    let judgement = Judgement { note: "waxy cheeks".to_owned(), ..Judgement::default() };
    project.store.add_review(outputs[0], &judgement, at(8)).unwrap();
    let reader = project.reader();
    let places = |query: &str| reader.search(query, 9).unwrap().into_iter().map(|hit| hit.place).collect::<Vec<_>>();
    let task = || "ada-0001".parse().unwrap();
    assert_eq!(places("cinema"), [Place::Run(run, task())], "a prefix of the last word");
    assert_eq!(places("cinema warm"), [], "but not of an earlier word");
    assert_eq!(places("RED woman"), [Place::Run(run, task())], "all words, in any order");
    assert_eq!(places("mude"), [Place::Run(run, task())], "without diacritics");
    assert_eq!(places("cheeks"), [Place::Run(run, task()), Place::Review(outputs[0], task())]);
    assert_eq!(places("even light"), [Place::Reference(reference, "ada-r1".parse().unwrap())]);
    assert_eq!(places("red beard"), []);
    for odd in ["", "\"", "a AND OR NOT (", "*", "style:", "x\u{1b}"] {
        let _ = places(odd);
    }
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Bo", "", at(0)).unwrap();
    project.store.add_run(&NewRun::new(bo, recipe(), seeds("1")), at(9)).unwrap();
    let of = |subject, query: &str| reader.search_subject(subject, query, 9).unwrap().len();
    assert_eq!((of(project.ada, "cheeks"), of(bo, "cheeks"), of(bo, "red woman")), (2, 0, 1));
    assert_eq!((of(project.ada, "even light"), of(bo, "even light")), (1, 0));
    let hit = &reader.search("smooth", 9).unwrap()[0];
    assert!(hit.snippet.contains(&format!("{FOUND}smooth{END}")), "{:?}", hit.snippet);
    project.store.set_diagnosis(run, "fine").unwrap();
    assert_eq!(places("smooth"), []);
    project.assert_verified();
}
