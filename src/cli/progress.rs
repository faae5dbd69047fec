//! What is seen on stderr while a generation works; nothing where stderr is no terminal.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::interrupt;
use crate::diffusion::observer::{Event, Observer};
use crate::studio::text::clean;

/// One bar over several batches.
pub struct Progress {
    bar: ProgressBar,
    /// Batches in all, and the one that runs.
    batches: u64,
    batch: u64,
    label: String,
}

impl Progress {
    /// A bar over so many batches, each a full round of denoising steps.
    pub fn new(batches: usize) -> Self {
        // Draws on stderr, and only where that is a terminal.
        let bar = ProgressBar::new_spinner();
        bar.set_style(style("{spinner} {msg}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, batches: batches.max(1) as u64, batch: 0, label: "denoising".to_owned() }
    }

    /// What the following steps are for.
    pub fn label(&mut self, label: &str) {
        self.label = clean(label);
    }

    /// A line that stays, above the bar; on stderr in any case.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{}", clean(text));
        });
    }

    /// Runs something that writes to the terminal itself while the bar keeps out of the way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Loading { component, index, total } => {
                self.bar.set_message(format!("loading {} ({index} of {total})", component.replace('_', " ")));
            }
            Event::PromptTruncated { dropped } => self.note(&format!(
                "note: the prompt is longer than the text encoder reads; this fell off: {dropped} (--long-prompt chunk \
                 keeps it)"
            )),
            Event::Encoding => self.bar.set_message("reading prompt and reference"),
            Event::Step(step) => {
                let of = step.of as u64;
                if step.index == 1 {
                    if self.batch == 0 {
                        self.bar.set_style(style("{msg} {bar:30.cyan} step {pos} of {len}, {eta} left"));
                        // The time before this step went into loading; from here on it is an estimate.
                        self.bar.reset_eta();
                    }
                    self.batch += 1;
                }
                self.bar.set_length(of * self.batches.max(self.batch));
                self.bar.set_message(self.label.clone());
                self.bar.set_position(of * (self.batch - 1) + step.index as u64);
            }
            Event::Decoding { .. } => self.bar.set_message(format!("{}: decoding", self.label)),
            Event::Output { .. } => {}
        }
        if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are well-formed")
}
