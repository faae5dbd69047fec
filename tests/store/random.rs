//! Random sequences of actions, checked against what must always be true.

use pentimento::store::queue::{Claimed, Finish, Next};
use pentimento::store::runs::NewRun;
use pentimento::studio::ids::ReferenceId;
use pentimento::studio::reference::Decision;

use crate::project::*;

/// Pseudo-random numbers, the same in each test run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.roll(from.len() as u64) as usize].clone()) }
    }
}

#[test]
fn random_actions_keep_the_project_verified() {
    for seed in 0..2 {
        let mut dice = Dice(seed);
        let project = Project::new();
        let store = &project.store;
        let mut references: Vec<ReferenceId> = Vec::new();
        let mut claims: Vec<Claimed> = Vec::new();
        for step in 0..60 {
            let now = at(10 + step * 5);
            // Actions may be refused; only the state of the store afterwards matters.
            match dice.roll(12) {
                0 => references.extend(store.add_reference(project.ada, &picture(&dice.roll(6).to_string()), now).ok()),
                1 | 2 => {
                    let decision = Decision::ALL[dice.roll(8).min(3) as usize];
                    if let Some(reference) = dice.pick(&references) {
                        let decision = if decision == Decision::Withdraw && dice.roll(3) > 0 {
                            Decision::Approve
                        } else {
                            decision
                        };
                        let _ = store.decide(reference, decision, &opinion(), now);
                    }
                }
                3..=5 => {
                    let recipe = pentimento::studio::recipe::Recipe { reference: dice.pick(&references), ..recipe() };
                    let parent = project.reader().newest_runs(3).unwrap();
                    let new = NewRun {
                        parent: dice.pick(&parent).map(|line| line.run.id),
                        ..NewRun::new(project.ada, recipe, seeds(&format!("{}x2", dice.roll(4))))
                    };
                    let _ = store.add_run(&new, now);
                }
                6 | 7 => {
                    if let Next::Run(claimed) = store.claim("w", LEASE, now).unwrap() {
                        claims.push(*claimed);
                    }
                }
                8 | 9 => {
                    if let Some(Claimed { claim, run, .. }) = dice.pick(&claims) {
                        for &seed in run.seeds.as_slice() {
                            let _ = store.add_output(&claim, &output(&claim, seed), now);
                        }
                        let _ = store.complete(&claim, &Finish::default(), now);
                    }
                }
                10 => {
                    let runs = project.reader().newest_runs(9).unwrap();
                    if let Some(line) = dice.pick(&runs) {
                        let _ = store.cancel(line.run.id, now);
                    }
                }
                _ => {
                    if dice.roll(10) == 0 {
                        let right = project.reader().consents(project.ada).unwrap().pop().unwrap();
                        store.withdraw_consent(right.id, now).unwrap();
                        store.add_consent(project.ada, &grant(None)).unwrap();
                    }
                }
            }
        }
        let report = store.verify().unwrap();
        assert_eq!((report.problems, report.orphans), (vec![], vec![]), "seed {seed}");
        assert!(report.blobs > 0, "seed {seed} did nothing");
        store.forget_subject(project.ada).unwrap();
        let report = store.verify().unwrap();
        assert_eq!((report.problems, report.orphans, report.blobs), (vec![], vec![], 0), "seed {seed}");
    }
}
