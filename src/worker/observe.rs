//! Observes the pipeline while it generates one seed: reports progress, saves resume points, and interrupts it.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, trace};

use super::heartbeat::{LeaseKeeper, LeaseStatus};
use super::interruption::Interruption;
use super::output::marked_png;
use super::shared::{Shared, Stop};
use super::state::WorkerEvent;
use crate::diffusion::observer::{Event, Observer, Step};
use crate::store::queue::{Claim, ResumePoint};
use crate::store::{Error, Store};

/// The shortest time between two previews.
const PREVIEW_INTERVAL: Duration = Duration::from_millis(250);
/// The time between two resume points, which limits the work that a crash can lose. Saving takes less than 1 ms.
const SAVE_INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct SeedObserver<'a> {
    store: &'a Store,
    pub shared: &'a Shared,
    leases: &'a LeaseKeeper<'a>,
    pub claim: &'a Claim,
    /// The key of the current seed's output; resume points are bound to it.
    pub key: blake3::Hash,
    /// How many seeds are done.
    pub done: usize,
    /// How many seeds the run has.
    seed_count: usize,
    /// Why the observer stopped the pipeline.
    pub interruption: Option<Interruption>,
    last_preview: Option<Instant>,
    last_save: Option<Instant>,
    /// Steps since the last save.
    steps_since_save: usize,
    truncation_reported: bool,
}

impl<'a> SeedObserver<'a> {
    pub fn new(
        store: &'a Store,
        shared: &'a Shared,
        leases: &'a LeaseKeeper<'a>,
        claim: &'a Claim,
        seed_count: usize,
    ) -> Self {
        Self {
            store,
            shared,
            leases,
            claim,
            key: blake3::Hash::from_bytes([0; 32]),
            done: 0,
            seed_count,
            interruption: None,
            last_preview: None,
            last_save: None,
            steps_since_save: 0,
            truncation_reported: false,
        }
    }

    /// Why the pipeline must stop now; `None` to continue.
    pub fn requested_interruption(&self) -> Option<Interruption> {
        match self.leases.status() {
            LeaseStatus::Cancelled => Some(Interruption::Cancelled),
            LeaseStatus::RunLost => Some(Interruption::Lost),
            LeaseStatus::DeviceLost => Some(Interruption::Stopped),
            LeaseStatus::Valid if self.shared.requested_stop() == Some(Stop::AfterStep) => Some(Interruption::Stopped),
            LeaseStatus::Valid => None,
        }
    }

    fn step(&mut self, step: &Step<'_>) -> Option<Interruption> {
        trace!(step = step.index, steps = step.of, "step done");
        self.steps_since_save += 1;
        let total = |seeds: usize, steps: usize| u32::try_from(seeds * step.of + steps).unwrap_or(u32::MAX);
        let preview = self.last_preview.is_none_or(|at| at.elapsed() >= PREVIEW_INTERVAL).then(|| {
            self.last_preview = Some(Instant::now());
            // Continue without a preview if it cannot be made.
            let picture = (step.preview)().into_iter().next()?;
            Some(marked_png(&picture).ok()?.bytes)
        });
        let steps_done = total(self.done, step.index);
        self.leases.progress(steps_done, total(self.seed_count, 0), preview.flatten());
        let interruption = self.requested_interruption();
        let is_stopping = matches!(interruption, Some(Interruption::Stopped));
        if (is_stopping || (interruption.is_none() && self.is_save_due()))
            && let Err(interruption) = self.save(step, steps_done)
        {
            return Some(interruption);
        }
        interruption
    }

    /// The first step is saved at once, so that a worker that dies soon after loading has made progress.
    fn is_save_due(&self) -> bool {
        self.last_save.is_none_or(|at| at.elapsed() >= SAVE_INTERVAL)
    }

    fn save(&mut self, step: &Step<'_>, steps_done: u32) -> Result<(), Interruption> {
        let snapshot = (step.snapshot)().and_then(|snapshot| snapshot.to_bytes(&self.key));
        // Without a resume point the seed starts again after an interruption.
        let Ok(data) = snapshot else { return Ok(()) };
        let bytes = data.len();
        let saved = self.store.save_resume_point(self.claim, &ResumePoint { step: steps_done, data }, Timestamp::now());
        self.last_save = Some(Instant::now());
        debug!(step = step.index, steps = step.of, new_steps = self.steps_since_save, bytes, "resume point saved");
        self.steps_since_save = 0;
        match saved {
            Err(Error::Busy { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the user once that a part of the prompt is ignored.
    fn report_truncation(&mut self, dropped: &str) {
        if !self.truncation_reported {
            let text = format!("the prompt is too long for the text encoder; ignored: {dropped}");
            self.shared.send(WorkerEvent::Note { task: self.claim.task.clone(), text });
        }
        self.truncation_reported = true;
    }
}

impl Observer for SeedObserver<'_> {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self.interruption = match event {
            Event::Loading { component, index, total } => {
                debug!(component, index, total, "loading");
                self.requested_interruption()
            }
            Event::Encoding => {
                debug!("encoding the prompt and the reference");
                self.requested_interruption()
            }
            Event::Step(step) => self.step(&step),
            Event::Note { text } => {
                self.shared.send(WorkerEvent::Note { task: self.claim.task.clone(), text: text.to_owned() });
                None
            }
            Event::PromptTruncated { dropped } => {
                self.report_truncation(dropped);
                None
            }
            // After the last step, finishing the picture is faster than resuming it later.
            Event::Decoding { .. } => {
                debug!("decoding");
                None
            }
            Event::Output { .. } => None,
        };
        if self.interruption.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
