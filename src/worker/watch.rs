//! Seeing one seed through the pipeline: telling how far it is, saving where it could go on, and stopping it.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::handle::{News, Shared, Stop};
use super::make::Halt;
use super::output::marked_png;
use super::pulse::{Pulse, Told};
use crate::diffusion::observer::{Event, Observer, Step};
use crate::store::queue::{Claim, ResumePoint};
use crate::store::{Error, Store};

/// So often a preview is made at most.
const PREVIEW_EVERY: Duration = Duration::from_millis(250);
/// So much work a crash may cost; saving is measured in hundreds of microseconds.
const SAVED_EVERY: Duration = Duration::from_millis(500);

pub(super) struct Watch<'a> {
    pub store: &'a Store,
    pub shared: &'a Shared,
    pub pulse: &'a Pulse<'a>,
    pub claim: &'a Claim,
    /// What the picture under way is made from; its resume points belong to it.
    pub key: blake3::Hash,
    /// Seeds that have their pictures, and all of them.
    pub done: usize,
    pub of: usize,
    /// Why the observer broke off.
    pub halt: Option<Halt>,
    previewed: Option<Instant>,
    saved: Instant,
    noted: bool,
}

impl<'a> Watch<'a> {
    pub fn new(store: &'a Store, shared: &'a Shared, pulse: &'a Pulse<'a>, claim: &'a Claim, of: usize) -> Self {
        let key = blake3::Hash::from_bytes([0; 32]);
        Self {
            store,
            shared,
            pulse,
            claim,
            key,
            done: 0,
            of,
            halt: None,
            previewed: None,
            saved: Instant::now(),
            noted: false,
        }
    }

    /// Whether the work has to stop here.
    pub fn asked(&self) -> Option<Halt> {
        match self.pulse.told() {
            Told::Cancel => Some(Halt::Cancelled),
            Told::LostRun => Some(Halt::Lost),
            Told::LostDevice => Some(Halt::Stopped),
            Told::GoOn if self.shared.asked_to_stop() == Some(Stop::AfterStep) => Some(Halt::Stopped),
            Told::GoOn => None,
        }
    }

    fn step(&mut self, step: &Step<'_>) -> Option<Halt> {
        let number = |seeds: usize, steps: usize| u32::try_from(seeds * step.of + steps).unwrap_or(u32::MAX);
        let preview = self.previewed.is_none_or(|at| at.elapsed() >= PREVIEW_EVERY).then(|| {
            self.previewed = Some(Instant::now());
            // A preview that cannot be made is missed by nobody.
            let picture = (step.preview)().into_iter().next()?;
            Some(marked_png(&picture).ok()?.bytes)
        });
        let at = number(self.done, step.index);
        self.pulse.step(at, number(self.of, 0), preview.flatten());
        let asked = self.asked();
        let stopping = matches!(asked, Some(Halt::Stopped));
        if (stopping || (asked.is_none() && self.saved.elapsed() >= SAVED_EVERY))
            && let Err(halt) = self.save(step, at)
        {
            return Some(halt);
        }
        asked
    }

    fn save(&mut self, step: &Step<'_>, at: u32) -> Result<(), Halt> {
        let snapshot = (step.snapshot)().and_then(|snapshot| snapshot.to_bytes(&self.key));
        // Without it the seed begins again, which is no reason to give it up.
        let Ok(data) = snapshot else { return Ok(()) };
        let saved = self.store.save_resume_point(self.claim, &ResumePoint { step: at, data }, Timestamp::now());
        self.saved = Instant::now();
        match saved {
            Err(Error::Busy { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Observer for Watch<'_> {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self.halt = match event {
            Event::Loading { .. } | Event::Encoding => self.asked(),
            Event::Step(step) => self.step(&step),
            Event::PromptTruncated { dropped } => {
                if !self.noted {
                    let text = format!("the prompt is longer than the text encoder reads; this fell off: {dropped}");
                    self.shared.tell(News::Note { task: self.claim.task.clone(), text });
                }
                self.noted = true;
                None
            }
            // From the last step on it is quicker to finish the picture.
            Event::Decoding { .. } | Event::Output { .. } => None,
        };
        if self.halt.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
