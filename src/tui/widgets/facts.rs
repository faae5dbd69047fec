//! What made a picture, and what was said of it: every setting, the change against the parent, measures, diagnosis.

use std::collections::BTreeSet;

use ratatui::text::{Line, Span};
use serde_json::Value;

use super::super::event::Reviewed;
use super::super::theme::{Role, Theme};
use super::change;
use super::lines::{counted, fit};
use crate::studio::output::Measures;
use crate::studio::run::Run;
use crate::studio::settings::{AdapterScale, Settings};

pub fn lines(reviewed: &Reviewed, theme: &Theme) -> Vec<Line<'static>> {
    let Reviewed { output, run, .. } = reviewed;
    let said = |label: &str, words: &str| {
        (!words.is_empty()).then(|| {
            Line::from(vec![
                Span::styled(format!("{label} "), theme.style(Role::Accent)),
                Span::styled(fit(words, 600), theme.style(Role::Text)),
            ])
        })
    };
    let changed = match (&reviewed.parent_task, &run.delta) {
        (Some(parent), Some(delta)) if delta.is_empty() => format!("{parent}, with other seeds"),
        (Some(parent), _) => parent.to_string(),
        (None, _) => String::new(),
    };
    let reference = reviewed.references.iter().find(|reference| Some(reference.id) == run.recipe.reference);
    let judgements = || reviewed.reviews.iter().map(|review| &review.judgement);
    let failures: BTreeSet<&str> =
        judgements().flat_map(|judgement| &judgement.failures).map(|key| key.as_str()).collect();
    let scores = reviewed.scores.iter().map(|(key, score)| format!("{} {}", key.as_str(), score.get()));
    let notes = reviewed.reviews.iter().rev().filter(|review| !review.judgement.note.is_empty()).take(2);

    let mut lines: Vec<Line> = Vec::new();
    lines.extend(said("prompt", &run.recipe.prompt.assembled()));
    lines.extend(said("negative", run.recipe.prompt.negative()));
    lines.extend(said("settings", &settings(&run.recipe.settings)));
    lines.extend(said("reference", &reference.map_or("none".to_owned(), |reference| reference.name.to_string())));
    lines.extend(said("model", &model(run)));
    lines.extend(said("profile", run.profile.as_deref().unwrap_or_default()));
    lines.extend(said("against", &changed));
    lines.extend(run.delta.iter().flat_map(|delta| change::lines(delta, theme)));
    lines.extend(said("failures", &failures.into_iter().collect::<Vec<_>>().join(", ")));
    lines.extend(said("diagnosis", &run.diagnosis));
    lines.extend(said("scores", &scores.collect::<Vec<_>>().join(", ")));
    lines.extend(said("measures", &measures(output.measures.as_ref())));
    lines.extend(notes.filter_map(|review| said(&fit(&review.judgement.reviewer, 20), &review.judgement.note)));
    lines.extend(said("took", &took(run)));
    lines
}

/// Every setting that is not left to the model.
fn settings(settings: &Settings) -> String {
    let mut words = vec![format!("guidance {}", settings.guidance_scale), format!("{} steps", settings.steps)];
    words.push(match &settings.adapter_scale {
        AdapterScale::Uniform(weight) => format!("adapter {weight}"),
        AdapterScale::PerBlock(blocks) => format!("adapter by {}", counted(blocks.len(), "block")),
    });
    if (settings.adapter_start, settings.adapter_end) != (0.0, 1.0) {
        words.push(format!("of the steps {} to {}", settings.adapter_start, settings.adapter_end));
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

/// Numbers by their names, whoever measured them.
fn measures(measures: Option<&Measures>) -> String {
    let Some(Measures(Value::Object(all))) = measures else { return String::new() };
    all.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

fn took(run: &Run) -> String {
    let seconds = run.timings.as_ref().map(|timings| {
        let all = timings.load_s + timings.encode_s + timings.denoise_s + timings.decode_s + timings.other_s;
        format!("{all:.1} s for {}", counted(run.seeds.as_slice().len(), "seed"))
    });
    let memory = run.peak_memory.map(|bytes| format!("{} MB at most", bytes >> 20));
    seconds.into_iter().chain(memory).collect::<Vec<_>>().join(", ")
}
