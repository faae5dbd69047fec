//! Deletion removes rows, files, and the bytes in the database.

use std::fs;
use std::path::Path;

use pentimento::store::queue::{Heartbeat, ResumePoint};
use pentimento::store::runs::NewRun;
use pentimento::store::{Error, Store};
use pentimento::studio::ids::{OutputId, RunId, SubjectId};
use pentimento::studio::prompt::Block;
use pentimento::studio::recipe::Recipe;
use pentimento::studio::reference::ReferenceState;
use pentimento::studio::review::Judgement;
use pentimento::studio::state::RunState;

use crate::project::*;

/// Words that occur only in data that will be deleted.
const SECRETS: [&str; 9] = [
    "zaphodine",
    "quuxberg",
    "xylotint",
    "brummagem",
    "fnordlight",
    "glimmerwax",
    "vexillary",
    "paperstatement",
    "snarkstroke",
];

fn found(folder: &Path) -> Vec<(String, &'static str)> {
    let mut hits = Vec::new();
    for file in files(folder) {
        let bytes = fs::read(&file).unwrap().to_ascii_lowercase();
        for secret in SECRETS {
            if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                hits.push((file.file_name().unwrap().to_string_lossy().into_owned(), secret));
            }
        }
    }
    hits
}

/// A subject whose texts all contain secrets, with a finished and a running run.
fn secretive(project: &Project) -> (SubjectId, RunId, OutputId) {
    let store = &project.store;
    let subject = store.add_subject(&"zaphodine".parse().unwrap(), "Zaphodine Quuxberg", "xylotint", at(0)).unwrap();
    let grant = pentimento::studio::consent::Grant::new(
        pentimento::studio::consent::ConsentKind::Consent,
        "paperstatement",
        at(0),
        None,
    );
    store.add_consent(subject, &grant.unwrap()).unwrap();
    let mut picture = picture("brummagem");
    picture.label = "vexillary".to_owned();
    let reference = store.add_reference(subject, &picture, at(1)).unwrap();
    store.decide(reference, pentimento::studio::reference::Decision::Approve, &opinion(), at(2)).unwrap();
    let mut secret = Recipe { reference: Some(reference), ..recipe() };
    secret.prompt.set(Block::Lighting, "fnordlight over zaphodine");
    let run = store.add_run(&NewRun::new(subject, secret.clone(), seeds("1,2")), at(3)).unwrap();
    let claimed = project.claim("w", 4).unwrap();
    let outputs = project.work(&claimed);
    store.set_diagnosis(run, "glimmerwax").unwrap();
    let judgement = Judgement { note: "snarkstroke".to_owned(), ..Judgement::default() };
    store.add_review(outputs[0], &judgement, at(8)).unwrap();
    secret.prompt.set(Block::Lighting, "fnordlight from below");
    let child = NewRun { parent: Some(run), ..NewRun::new(subject, secret, seeds("1")) };
    store.add_run(&child, at(9)).unwrap();
    let claimed = project.claim("w", 10).unwrap();
    let preview = Some(b"fnordlight".to_vec());
    store.heartbeat(&claimed.claim, &Heartbeat { step: 1, steps: 9, preview }, at(11)).unwrap();
    store.save_resume_point(&claimed.claim, &ResumePoint { step: 1, data: b"fnordlight".repeat(900) }, at(11)).unwrap();
    store.rename_subject(subject, "Zaphodine of Quuxberg").unwrap();
    (subject, run, outputs[0])
}

#[test]
fn a_forgotten_subject_leaves_no_bytes() {
    let project = Project::new();
    let (kept, _) = project.done(recipe(), "1");
    // Many rows, so that database pages split and merge.
    let (subject, ..) = secretive(&project);
    for seed in 0..120 {
        let mut secret = recipe();
        secret.prompt.set(Block::Camera, &format!("brummagem {seed} xylotint quuxberg"));
        project.store.add_run(&NewRun::new(subject, secret, seeds(&seed.to_string())), at(12)).unwrap();
    }
    fs::create_dir(project.path.join("backups")).unwrap();
    project.store.backup_database(&project.path.join("backups/before-0002_x-2026.db")).unwrap();
    let places = found(&project.path);
    for secret in SECRETS {
        assert!(places.iter().any(|(_, found)| *found == secret), "{secret} was never stored");
    }

    let report = project.store.forget_subject(subject).unwrap();
    assert_eq!((report.references, report.runs, report.outputs, report.reviews, report.blobs.len()), (1, 122, 2, 1, 6));
    assert_eq!(found(&project.path), [], "secrets while the project is open");
    for hash in report.blobs {
        assert!(!project.store.blobs().path(&hash).exists());
    }
    assert_eq!(project.store.verify().unwrap().orphans, [] as [std::path::PathBuf; 0]);
    project.assert_verified();
    assert_eq!(project.reader().run_by_id(kept).unwrap().state, RunState::Done);
    assert_eq!(project.reader().search("zaphodine", 9).unwrap(), []);
    drop(project.store);
    assert_eq!(found(&project.path), [], "secrets after the project was closed");
}

#[test]
fn a_shared_blob_stays() {
    let project = Project::new();
    let bo = project.store.add_subject(&"bo".parse().unwrap(), "Bo", "", at(0)).unwrap();
    project.store.add_consent(bo, &grant(None)).unwrap();
    let kept = project.approved("the same face");
    project.store.add_reference(bo, &picture("the same face"), at(1)).unwrap();
    assert!(project.store.forget_subject(bo).unwrap().blobs.is_empty());
    let picture = project.reader().reference_by_id(kept).unwrap().picture.unwrap();
    assert_eq!(project.store.blobs().read(&picture.blob).unwrap(), b"the same face");
    project.assert_verified();
}

#[test]
fn withdrawing_consent_deletes_references_and_outputs() {
    let project = Project::new();
    let reference = project.approved("face");
    let free = project.queued(recipe(), "9");
    let free = {
        let claimed = project.claim("w", 4).unwrap();
        project.work(&claimed);
        free
    };
    let (done, outputs) = project.done(with_reference(reference), "1");
    project.store.add_review(outputs[0], &Judgement::default(), at(8)).unwrap();
    let running = project.queued(with_reference(reference), "2");
    let claimed = project.claim("w", 9).unwrap();
    let waiting = project.queued(with_reference(reference), "3");
    let child = project.child(waiting, recipe(), "4").unwrap();

    let report = project.store.withdraw_consent(project.consent, at(10)).unwrap();
    assert_eq!((report.references, report.runs, report.outputs, report.reviews, report.blobs.len()), (1, 1, 1, 1, 4));
    let reader = project.reader();
    let left = reader.reference_by_id(reference).unwrap();
    assert_eq!(
        (left.state, left.picture, left.note.as_str(), left.report),
        (ReferenceState::Withdrawn, None, "", None)
    );
    assert_eq!(reader.consent(project.consent).unwrap().withdrawn, Some(at(10)));
    assert!(matches!(reader.run_by_id(waiting), Err(Error::NotFound { .. })));
    assert_eq!(reader.run_by_id(child).unwrap().parent, None);
    assert_eq!((reader.run_by_id(done).unwrap().state, reader.outputs(done).unwrap()), (RunState::Done, vec![]));
    assert_eq!(reader.outputs(free).unwrap().len(), 1);
    // Its worker has lost the lease, so a late output is not stored.
    assert_eq!(reader.run_by_id(running).unwrap().state, RunState::Cancelled);
    let late = project.store.add_output(&claimed.claim, &output(&claimed.claim, 2), at(11));
    assert!(matches!(late, Err(Error::LostLease { .. })));
    refused(project.store.requeue(running, at(12)), "withdrawn-consent");
    assert_eq!(project.store.verify().unwrap().orphans, [] as [std::path::PathBuf; 0]);
    project.assert_verified();
    assert_eq!(project.store.withdraw_consent(project.consent, at(12)).unwrap().references, 0);
}

#[test]
fn withdrawing_a_reference_leaves_the_others() {
    let project = Project::new();
    let (first, second) = (project.approved("one"), project.approved("two"));
    project.store.withdraw_reference(first, at(5)).unwrap();
    refused(project.store.withdraw_reference(first, at(5)), "reference-state");
    project.queued(with_reference(second), "1");
    let states: Vec<_> = project.reader().references(project.ada).unwrap().iter().map(|r| r.state).collect();
    assert_eq!(states, [ReferenceState::Withdrawn, ReferenceState::Approved]);
    project.assert_verified();
}

#[test]
fn opening_finishes_a_deletion_that_a_crash_interrupted() {
    let project = Project::new();
    let reference = project.approved("face");
    let picture = project.reader().reference_by_id(reference).unwrap().picture.unwrap();
    let file = project.store.blobs().path(&picture.blob);
    project.store.withdraw_reference(reference, at(5)).unwrap();
    // The state right after the commit of the deletion.
    fs::write(&file, "face").unwrap();
    let connection = rusqlite::Connection::open(project.path.join("project.db")).unwrap();
    connection.execute("INSERT INTO blob_removals (hash) VALUES (?1)", [picture.blob.as_bytes()]).unwrap();
    connection.execute("INSERT INTO project (key, value) VALUES ('wipe', 'due')", []).unwrap();
    drop(connection);
    drop(Store::open(&project.path).unwrap());
    assert!(!file.exists());
    let connection = rusqlite::Connection::open(project.path.join("project.db")).unwrap();
    let due: i64 = connection
        .query_row(
            "SELECT (SELECT count(*) FROM project WHERE key = 'wipe') + (SELECT count(*) FROM blob_removals)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(due, 0);
}
