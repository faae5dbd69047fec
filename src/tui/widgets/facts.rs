//! The facts about an output: what made it, what its run changed, and what reviewers said.

use std::collections::BTreeSet;

use ratatui::text::{Line, Span};
use serde_json::Value;

use super::super::context::Context;
use super::super::theme::{Role, Theme};
use super::change;
use super::lines::{counted, fit};
use crate::service::reviews::Details;
use crate::studio::output::Measures;
use crate::studio::run::Run;
use crate::studio::settings::{AdapterScale, Settings};

/// The facts about the selected output. Until they are loaded, those about its run, if they are known: for an output
/// without a review they are the same, so that a step within a run draws one frame.
pub fn selected(context: &Context) -> Vec<Line<'static>> {
    match (context.details(), context.run_details()) {
        (Some(details), _) => lines(details, &context.theme),
        (None, Some(details)) => {
            let mut lines = run_lines(details, &context.theme);
            lines.extend(fact("cost", &cost(&details.run), &context.theme));
            lines
        }
        (None, None) => Vec::new(),
    }
}

pub fn lines(details: &Details, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = run_lines(details, theme);
    lines.extend(output_lines(details, theme));
    lines.extend(fact("cost", &cost(&details.run), theme));
    lines
}

/// What holds for all outputs of the run.
fn run_lines(details: &Details, theme: &Theme) -> Vec<Line<'static>> {
    let run = &details.run;
    let compared = match (&details.parent_task, &run.delta) {
        (Some(parent), Some(delta)) if delta.is_empty() => format!("{parent}, only the seeds differ"),
        (Some(parent), _) => parent.to_string(),
        (None, _) => String::new(),
    };
    let reference = details.references.iter().find(|reference| Some(reference.id) == run.recipe.reference);
    let reference = reference.map_or("none".to_owned(), |reference| reference.name.to_string());
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(fact("prompt", &run.recipe.prompt.assembled(), theme));
    lines.extend(fact("negative", run.recipe.prompt.negative(), theme));
    lines.extend(fact("settings", &settings(&run.recipe.settings), theme));
    lines.extend(fact("reference", &reference, theme));
    lines.extend(fact("model", &model(run), theme));
    lines.extend(fact("preset", run.profile.as_deref().unwrap_or_default(), theme));
    lines.extend(fact("compared with", &compared, theme));
    lines.extend(run.delta.iter().flat_map(|delta| change::lines(delta, theme)));
    lines.extend(fact("diagnosis", &run.diagnosis, theme));
    lines
}

fn output_lines(details: &Details, theme: &Theme) -> Vec<Line<'static>> {
    let reviews = &details.reviews;
    let failures: BTreeSet<&str> =
        reviews.iter().flat_map(|review| &review.judgement.failures).map(|key| key.as_str()).collect();
    let scores = details.scores.iter().map(|(key, score)| format!("{} {}", key.as_str(), score.get()));
    let notes = reviews.iter().rev().map(|review| &review.judgement).filter(|judgement| !judgement.note.is_empty());
    let mut lines: Vec<Line> = Vec::new();
    lines.extend(fact("failures", &failures.into_iter().collect::<Vec<_>>().join(", "), theme));
    lines.extend(fact("scores", &scores.collect::<Vec<_>>().join(", "), theme));
    lines.extend(fact("measures", &measures(details.output.measures.as_ref()), theme));
    lines.extend(notes.take(2).filter_map(|note| fact(&fit(&note.reviewer, 20), &note.note, theme)));
    lines
}

/// A label and its text; None if there is no text.
fn fact(label: &str, text: &str, theme: &Theme) -> Option<Line<'static>> {
    (!text.is_empty()).then(|| {
        Line::from(vec![
            Span::styled(format!("{label} "), theme.style(Role::Accent)),
            Span::styled(fit(text, 600), theme.style(Role::Text)),
        ])
    })
}

/// The settings that the run names; the model's defaults are left out.
fn settings(settings: &Settings) -> String {
    let mut words = vec![format!("guidance {}", settings.guidance_scale), format!("{} steps", settings.steps)];
    words.push(match &settings.adapter_scale {
        AdapterScale::Uniform(weight) => format!("adapter {weight}"),
        AdapterScale::PerBlock(blocks) => format!("adapter set for {}", counted(blocks.len(), "block")),
    });
    if (settings.adapter_start, settings.adapter_end) != (0.0, 1.0) {
        words.push(format!("adapter active from {} to {}", settings.adapter_start, settings.adapter_end));
    }
    words.extend(settings.sampler.map(|sampler| sampler.to_string()));
    if let (Some(width), Some(height)) = (settings.width, settings.height) {
        words.push(format!("{width}×{height}"));
    }
    words.join(", ")
}

fn model(run: &Run) -> String {
    let model = &run.recipe.model;
    let parts = [Some(&model.checkpoint), model.adapter.as_ref(), model.image_encoder.as_ref()];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" + ")
}

fn measures(measures: Option<&Measures>) -> String {
    let Some(Measures(Value::Object(all))) = measures else { return String::new() };
    all.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

/// `2.6 s · 3 seeds · peak 147 MB`
fn cost(run: &Run) -> String {
    let seconds = run.timings.as_ref().map(|timings| {
        let all = timings.load_s + timings.encode_s + timings.denoise_s + timings.decode_s + timings.other_s;
        format!("{all:.1} s · {}", counted(run.seeds.as_slice().len(), "seed"))
    });
    let memory = run.peak_memory.map(|bytes| format!("peak {} MB", bytes >> 20));
    seconds.into_iter().chain(memory).collect::<Vec<_>>().join(" · ")
}
