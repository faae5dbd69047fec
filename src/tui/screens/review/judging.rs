//! What the reviewer says about the selected output: failures, scores, verdicts, notes, and the drafted run.

use super::{Open, Review};
use crate::service::reviews::Details;
use crate::store::runs::NewRun;
use crate::studio::failures::Failures;
use crate::studio::ids::OutputId;
use crate::studio::review::{Judgement, Key, Rubric, Score, Verdict};
use crate::tui::action::Action;
use crate::tui::command::Command;
use crate::tui::context::Context;
use crate::tui::effects::jobs::Job;
use crate::tui::layers::prompt::Prompt;

impl Review {
    /// Actions on the selected output. They wait until it is shown: nobody judges a picture that is not on the screen.
    pub(super) fn judge(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        let is_judgement = action.failure().is_some()
            || matches!(
                action,
                Action::Accept
                    | Action::RejectOutput
                    | Action::ClearVerdict
                    | Action::Scores
                    | Action::Baseline
                    | Action::Note
                    | Action::Diagnosis
                    | Action::QueueDraft
                    | Action::Again
            );
        if !is_judgement {
            return None;
        }
        let Some(details) = context.details() else {
            let text =
                if self.list.loaded && self.list.lines.is_empty() { "No picture to review." } else { "Loading …" };
            return Some(vec![Command::Notice(text.to_owned())]);
        };
        let reviewer = context.defaults.reviewer.clone();
        if self.open(&context.selection).is_none() {
            self.open = Some(Open::new(details, &reviewer));
        }
        let (output, run) = (details.output.id, &details.run);
        let job = |job: Job| vec![Command::Effect(job.into())];
        if let Some(number) = action.failure() {
            return Some(self.digit(context, details, number));
        }
        Some(match action {
            Action::Accept => self.decide(context, Job::Accept { output, reviewer }),
            Action::RejectOutput => self.decide(context, Job::RejectOutput { output, reviewer }),
            Action::ClearVerdict => clear_verdict(details, reviewer),
            Action::Scores => self.toggle_scoring(context),
            Action::Baseline => self.set_baseline(context, details),
            Action::QueueDraft => self.queue_draft(context, details),
            Action::Again => job(Job::RunAgain { subject: run.subject, run: Some(run.id) }),
            Action::Note => vec![Command::Open(Box::new(note_prompt(output, reviewer)))],
            _ => {
                let id = run.id;
                let prompt = Prompt::new(&format!("Diagnosis of {}", run.task), &run.diagnosis, move |text| {
                    Ok(vec![Command::Effect(Job::SetDiagnosis(id, text.to_owned()).into())])
                });
                vec![Command::Open(Box::new(prompt))]
            }
        })
    }

    /// A digit scores the criterion, or marks the failure.
    fn digit(&mut self, context: &Context, details: &Details, number: usize) -> Vec<Command> {
        let Some(open) = &mut self.open else { return Vec::new() };
        if let Some(at) = open.criterion {
            let criteria = &Rubric::embedded().criteria;
            // The keys 1 to 5 stand for the scores 0 to 4.
            let (Some(criterion), Ok(score)) = (criteria.get(at), Score::new(number as u8)) else { return Vec::new() };
            open.scores.insert(criterion.key.clone(), score);
            open.criterion = (at + 1 < criteria.len()).then_some(at + 1);
            return if open.criterion.is_none() { self.save_scores(context) } else { Vec::new() };
        }
        let Some(failure) = Failures::embedded().all().get(number) else { return Vec::new() };
        let is_marked = open.marks.contains(&failure.key);
        // The first press on an older mark shows it; the next one removes it.
        if is_marked && open.failure != Some(number) {
            open.failure = Some(number);
            return Vec::new();
        }
        if is_marked {
            open.marks.remove(&failure.key);
        } else {
            open.marks.insert(failure.key.clone());
        }
        open.failure = (!is_marked).then_some(number);
        let job = Job::MarkFailure {
            output: details.output.id,
            reviewer: context.defaults.reviewer.clone(),
            failure: failure.key.clone(),
            marked: !is_marked,
        };
        vec![Command::Effect(job.into())]
    }

    /// Records a verdict and goes to the next output.
    fn decide(&mut self, context: &Context, job: Job) -> Vec<Command> {
        let mut commands = vec![Command::Effect(job.into())];
        let scoring = self.open.as_mut().is_some_and(|open| open.criterion.take().is_some());
        if scoring {
            commands.extend(self.save_scores(context));
        }
        commands.extend(self.next(context, true));
        commands
    }

    fn toggle_scoring(&mut self, context: &Context) -> Vec<Command> {
        let Some(open) = &mut self.open else { return Vec::new() };
        if open.criterion.take().is_some() {
            return self.save_scores(context);
        }
        open.criterion = Some(0);
        Vec::new()
    }

    /// Saves the scores that were given, all or some.
    pub(super) fn save_scores(&self, context: &Context) -> Vec<Command> {
        let (Some(open), Some(details)) = (self.open(&context.selection), context.details()) else { return Vec::new() };
        if open.scores == details.scores {
            return Vec::new();
        }
        let reviewer = context.defaults.reviewer.clone();
        let judgement = Judgement { reviewer, scores: open.scores.clone(), ..Judgement::default() };
        vec![Command::Effect(Job::AddReview { output: open.output, judgement: Box::new(judgement) }.into())]
    }

    /// Makes the output the baseline. Accepts it first if its scores allow a baseline.
    fn set_baseline(&self, context: &Context, details: &Details) -> Vec<Command> {
        let Some(open) = self.open(&context.selection) else { return Vec::new() };
        let rubric = Rubric::embedded();
        let missing = rubric.missing(&open.scores);
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(Key::as_str).collect();
            let key = context.key_of(Action::Scores);
            return vec![Command::Notice(format!("Score first ({key}): {}.", names.join(", ")))];
        }
        let (output, reviewer) = (details.output.id, context.defaults.reviewer.clone());
        let mut commands = Vec::new();
        if details.output.verdict != Verdict::Accepted && rubric.too_low(&open.scores).is_empty() {
            commands.push(Command::Effect(Job::Accept { output, reviewer: reviewer.clone() }.into()));
        }
        commands.push(Command::Effect(Job::SetBaseline { output, reviewer }.into()));
        commands
    }

    fn queue_draft(&mut self, context: &Context, details: &Details) -> Vec<Command> {
        let drafted = self.drafted(details, &context.selection);
        let draft = match drafted {
            Some((_, Some(draft))) => draft,
            Some((failure, None)) => {
                let text = format!("No draft for “{}”. Compose the change yourself.", failure.name);
                return vec![Command::Notice(text)];
            }
            None => {
                let count = Failures::embedded().all().len();
                let text = format!("Press 1–{count} to name the failure; that drafts the next run.");
                return vec![Command::Notice(text)];
            }
        };
        if let Some(open) = &mut self.open {
            open.failure = None;
        }
        let run = &details.run;
        let new = NewRun {
            parent: Some(run.id),
            profile: run.profile.clone(),
            ..NewRun::new(run.subject, draft.recipe, run.seeds.clone())
        };
        vec![Command::Effect(Job::AddRun(Box::new(new)).into())]
    }
}

/// Makes the output unreviewed again.
fn clear_verdict(details: &Details, reviewer: String) -> Vec<Command> {
    let output = details.output.id;
    if details.output.verdict == Verdict::Open {
        return vec![Command::Notice("This picture has no verdict.".to_owned())];
    }
    if details.baseline.as_ref().is_some_and(|baseline| baseline.id == output) {
        let text = "This picture is the baseline. Make another picture the baseline first.";
        return vec![Command::Notice(text.to_owned())];
    }
    vec![Command::Effect(Job::ClearVerdict { output, reviewer }.into())]
}

fn note_prompt(output: OutputId, reviewer: String) -> Prompt {
    Prompt::new("Note on this picture", "", move |note| {
        if note.is_empty() {
            return Ok(Vec::new());
        }
        let judgement = Judgement { reviewer: reviewer.clone(), note: note.to_owned(), ..Judgement::default() };
        Ok(vec![Command::Effect(Job::AddReview { output, judgement: Box::new(judgement) }.into())])
    })
}
