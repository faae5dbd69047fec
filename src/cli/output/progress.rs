//! The progress bar of a generation, on stderr. Nothing is drawn if stderr is not a terminal.

use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::print;
use crate::cli::interrupt;
use crate::diffusion::observer::{Event, Observer};
use crate::studio::text::clean;

/// One bar over several batches.
pub struct Progress {
    bar: ProgressBar,
    batches: u64,
    /// The current batch, from 1; 0 before the first step.
    batch: u64,
    label: String,
    notes: Vec<String>,
}

impl Progress {
    /// A bar over this many batches, each a full round of denoising steps.
    pub fn new(batches: usize) -> Self {
        // indicatif draws on stderr, and only if that is a terminal.
        let bar = ProgressBar::new_spinner();
        bar.set_style(style("{spinner} {msg}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, batches: batches.max(1) as u64, batch: 0, label: "denoising".to_owned(), notes: Vec::new() }
    }

    /// Names what the next steps generate.
    pub fn label(&mut self, label: &str) {
        self.label = clean(label);
    }

    /// Prints a note above the bar, even without a terminal.
    pub fn note(&mut self, text: &str) {
        self.bar.suspend(|| print::note(text));
        self.notes.push(clean(text));
    }

    /// The notes so far.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Hides the bar while `print` writes to the terminal.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Loading { component, index, total } => {
                self.bar.set_message(format!("loading {} ({index}/{total})", component.replace('_', " ")));
            }
            Event::Note { text } => self.note(text),
            Event::PromptTruncated { dropped } => self.note(&format!(
                "the prompt is too long for the text encoder, which ignores: {dropped} (--long-prompt chunk keeps it)"
            )),
            Event::Encoding => self.bar.set_message("encoding prompt and reference"),
            Event::Step(step) => {
                let of = step.of as u64;
                if step.index == 1 {
                    if self.batch == 0 {
                        self.bar.set_style(style("{msg} {bar:30.cyan} step {pos}/{len}, {eta} left"));
                        // The time so far was spent on loading and would distort the estimate.
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
