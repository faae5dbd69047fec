//! Review: one output beside its reference, its parent or the baseline; a key for each failure mode says at once what it
//! means, and drafts the next run.

mod view;

pub use view::{heading, view};

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Place, runs};
use crate::store::runs::NewRun;
use crate::studio::draft::{self, Draft};
use crate::studio::failures::{Failure, Failures};
use crate::studio::ids::OutputId;
use crate::studio::review::{Judgement, Key, Rubric, Score, Verdict};
use crate::tui::action::Action;
use crate::tui::app::{App, Popup, Purpose};
use crate::tui::effect::Effect;
use crate::tui::event::Reviewed;
use crate::tui::widgets::input::Input;

#[derive(Debug, Default)]
pub struct Review {
    /// The output that was asked for last; what is there may still be the one before.
    wanted: Option<OutputId>,
    reviewed: Option<Reviewed>,
    against: Against,
    /// The failure named last, whose row of the table is shown, and the run it drafts.
    named: Option<(Failure, Option<Draft>)>,
    /// The criterion that the next digit scores; None: digits name failures.
    scoring: Option<usize>,
    scores: BTreeMap<Key, Score>,
    sight: Sight,
    /// How far the two are apart, instead of the other one.
    difference: bool,
}

/// What the output is held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Against {
    #[default]
    Reference,
    Parent,
    Baseline,
}

/// How the two pictures are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sight {
    #[default]
    Beside,
    /// One after the other in the same place: what differs jumps to the eye.
    Flicker { other: bool },
}

/// How long one of two pictures is seen before the other.
const FLICKER: Duration = Duration::from_millis(500);

impl Against {
    fn next(self) -> Self {
        match self {
            Self::Reference => Self::Parent,
            Self::Parent => Self::Baseline,
            Self::Baseline => Self::Reference,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Reference => "the reference",
            Self::Parent => "its parent",
            Self::Baseline => "the baseline",
        }
    }
}

impl Review {
    /// Whether a run is drafted that a key would queue.
    pub fn has_draft(&self) -> bool {
        matches!(self.named, Some((_, Some(_))))
    }

    pub fn is_empty(&self) -> bool {
        self.reviewed.is_none()
    }

    pub fn set(&mut self, reviewed: Reviewed) {
        if self.wanted.is_some_and(|wanted| wanted != reviewed.output.id) {
            return;
        }
        if self.shown() != Some(reviewed.output.id) {
            (self.named, self.scoring) = (None, None);
        }
        // Scores that are being given are nowhere else yet.
        if self.scoring.is_none() {
            self.scores = reviewed.scores.clone();
        }
        self.reviewed = Some(reviewed);
    }

    /// Whatever is loaded next is shown.
    pub fn want(&mut self, output: Option<OutputId>) {
        self.wanted = output;
    }

    fn shown(&self) -> Option<OutputId> {
        self.reviewed.as_ref().map(|reviewed| reviewed.output.id)
    }

    /// The output that keys are about; none while another one is on its way.
    fn output(&self) -> Option<OutputId> {
        self.shown().filter(|shown| self.wanted.is_none_or(|wanted| wanted == *shown))
    }
}

/// Opens the output that the runs screen has under its cursor.
pub fn start(app: &mut App) -> Vec<Effect> {
    match app.runs.chosen().map(|line| line.output.id) {
        Some(output) => {
            app.review.want(Some(output));
            vec![Effect::LoadReview(output)]
        }
        None if !app.runs.loaded => runs::load(app),
        None => {
            app.notice = Some("There is no picture to review yet.".to_owned());
            Vec::new()
        }
    }
}

pub fn reload(app: &App) -> Vec<Effect> {
    app.review.wanted.or(app.review.shown()).map_or(Vec::new(), |output| vec![Effect::LoadReview(output)])
}

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    if let Action::Next | Action::Previous = action {
        let forward = action == Action::Next;
        if let Some(at) = app.review.scoring {
            let last = Rubric::embedded().criteria.len().saturating_sub(1);
            app.review.scoring = Some(if forward { (at + 1).min(last) } else { at.saturating_sub(1) });
            return Vec::new();
        }
        return step(app, forward);
    }
    // Nothing is said of a picture that nobody has seen yet.
    let Some(output) = app.review.output() else { return Vec::new() };
    if let Some(number) = action.failure() {
        return match app.review.scoring {
            Some(criterion) => score(app, criterion, number as u8 + 1),
            None => name_failure(app, output, number),
        };
    }
    match action {
        Action::Compare => app.review.against = app.review.against.next(),
        Action::Flicker => flicker(app),
        Action::Difference => app.review.difference = !app.review.difference,
        Action::TakeDraft => return take(app),
        Action::Again => {
            let run = app.review.reviewed.as_ref().map(|reviewed| (reviewed.run.subject, reviewed.run.id));
            return run.map_or(Vec::new(), |(subject, run)| vec![Effect::Again { subject, run: Some(run) }]);
        }
        Action::Accept => return decide(app, output, Verdict::Accepted),
        Action::Refuse => return decide(app, output, Verdict::Rejected),
        Action::Scores => {
            if app.review.scoring.take().is_some() {
                return keep_scores(app);
            }
            app.review.scoring = Some(0);
        }
        Action::Baseline => return baseline(app, output),
        Action::Note => {
            let question = "A note on this picture".to_owned();
            app.popups.push(Popup::Ask { question, input: Input::default(), purpose: Purpose::ReviewNote });
        }
        Action::Diagnosis => {
            let known = app.review.reviewed.as_ref().map_or("", |reviewed| &reviewed.run.diagnosis);
            let (question, input) = ("The diagnosis of this run, in a line".to_owned(), Input::with(known));
            app.popups.push(Popup::Ask { question, input, purpose: Purpose::Diagnosis });
        }
        _ => {}
    }
    Vec::new()
}

/// Starts and ends it. Where every change sends both pictures again, each press changes once, and the third ends it.
fn flicker(app: &mut App) {
    let by_itself = app.keeps_pictures;
    app.review.sight = match app.review.sight {
        Sight::Beside => Sight::Flicker { other: true },
        Sight::Flicker { other: true } if !by_itself => Sight::Flicker { other: false },
        Sight::Flicker { .. } => Sight::Beside,
    };
    let flickers = by_itself && app.review.sight != Sight::Beside;
    app.alarm = flickers.then(|| Instant::now() + FLICKER);
}

/// Ends what was begun last: scoring, flicker, the difference, a draft. None if there is nothing of it.
pub fn undo_mode(app: &mut App) -> Option<Vec<Effect>> {
    let review = &mut app.review;
    if review.scoring.take().is_some() {
        return Some(keep_scores(app));
    }
    if review.sight != Sight::Beside {
        (review.sight, app.alarm) = (Sight::Beside, None);
        return Some(Vec::new());
    }
    (std::mem::take(&mut review.difference) || review.named.take().is_some()).then(Vec::new)
}

/// The time of one picture is over.
pub fn alarmed(app: &mut App) {
    app.alarm = None;
    let Sight::Flicker { other } = app.review.sight else { return };
    match app.place {
        Place::Review => {
            app.review.sight = Sight::Flicker { other: !other };
            app.alarm = Some(Instant::now() + FLICKER);
        }
        _ => app.review.sight = Sight::Beside,
    }
}

pub fn answered(app: &mut App, purpose: &Purpose, answer: &str) -> Vec<Effect> {
    let Some(reviewed) = &app.review.reviewed else { return Vec::new() };
    match purpose {
        Purpose::Diagnosis => vec![Effect::SetDiagnosis(reviewed.run.id, answer.to_owned())],
        _ if answer.is_empty() => Vec::new(),
        _ => {
            let judgement =
                Judgement { reviewer: app.usual.reviewer.clone(), note: answer.to_owned(), ..Judgement::default() };
            vec![Effect::Judge { output: reviewed.output.id, judgement: Box::new(judgement) }]
        }
    }
}

/// A review was kept: what is shown is read again, and the list that it comes from.
pub fn judged(app: &mut App, output: OutputId) -> Vec<Effect> {
    let again = (app.review.output() == Some(output)).then_some(Effect::LoadReview(output));
    again.into_iter().chain(runs::load(app)).collect()
}

/// To the next or the previous output of the list.
fn step(app: &mut App, forward: bool) -> Vec<Effect> {
    let count = app.runs.lines.len();
    let at = app.runs.cursor.at;
    let to = if forward { (at + 1).min(count.saturating_sub(1)) } else { at.saturating_sub(1) };
    if to == at {
        app.notice = Some(if forward { "That was the last." } else { "That was the first." }.to_owned());
        return Vec::new();
    }
    app.runs.cursor.at = to;
    start(app)
}

fn name_failure(app: &mut App, output: OutputId, number: usize) -> Vec<Effect> {
    let Some(failure) = Failures::embedded().all().get(number) else { return Vec::new() };
    let reviewed = app.review.reviewed.as_ref();
    let draft = reviewed.and_then(|reviewed| draft::draft(failure, &reviewed.run.recipe, &reviewed.references));
    app.review.named = Some((failure.clone(), draft));
    judge(app, output, Verdict::Open, Some(failure.key.clone()))
}

fn score(app: &mut App, criterion: usize, score: u8) -> Vec<Effect> {
    let criteria = &Rubric::embedded().criteria;
    // The keys are 1 to 5 for 0 to 4, so that one hand reaches them.
    let (Some(row), Ok(score)) = (criteria.get(criterion), Score::new(score.saturating_sub(1))) else {
        return Vec::new();
    };
    app.review.scores.insert(row.key.clone(), score);
    app.review.scoring = (criterion + 1 < criteria.len()).then_some(criterion + 1);
    if app.review.scoring.is_some() {
        return Vec::new();
    }
    keep_scores(app)
}

/// Writes down the scores that were given, all or some.
fn keep_scores(app: &App) -> Vec<Effect> {
    let Some(reviewed) = app.review.reviewed.as_ref().filter(|reviewed| reviewed.scores != app.review.scores) else {
        return Vec::new();
    };
    let judgement =
        Judgement { reviewer: app.usual.reviewer.clone(), scores: app.review.scores.clone(), ..Judgement::default() };
    vec![Effect::Judge { output: reviewed.output.id, judgement: Box::new(judgement) }]
}

/// Keeps the verdict and goes on to the next picture: one key for each of hundreds.
fn decide(app: &mut App, output: OutputId, verdict: Verdict) -> Vec<Effect> {
    let mut effects = judge(app, output, verdict, None);
    effects.extend(step(app, true));
    effects
}

/// Makes the output the baseline, which accepts it where its scores allow that.
fn baseline(app: &App, output: OutputId) -> Vec<Effect> {
    let (rubric, scores) = (Rubric::embedded(), &app.review.scores);
    let is_fit = rubric.missing(scores).is_empty() && rubric.too_low(scores).is_empty();
    let is_accepted = app.review.reviewed.as_ref().is_some_and(|shown| shown.output.verdict == Verdict::Accepted);
    // What is not fit is refused by the store, in its words.
    let accept = if is_accepted || !is_fit { Vec::new() } else { judge(app, output, Verdict::Accepted, None) };
    let set = Effect::SetBaseline { output, reviewer: app.usual.reviewer.clone() };
    accept.into_iter().chain([set]).collect()
}

fn judge(app: &App, output: OutputId, verdict: Verdict, failure: Option<Key>) -> Vec<Effect> {
    let failures: BTreeSet<Key> = failure.into_iter().collect();
    let judgement = Judgement { reviewer: app.usual.reviewer.clone(), failures, verdict, ..Judgement::default() };
    vec![Effect::Judge { output, judgement: Box::new(judgement) }]
}

/// Queues the drafted run.
fn take(app: &mut App) -> Vec<Effect> {
    let Some(reviewed) = &app.review.reviewed else { return Vec::new() };
    let Some((_, Some(draft))) = app.review.named.take() else {
        app.notice = Some("Name what failed first; that drafts the next run.".to_owned());
        return Vec::new();
    };
    let run = &reviewed.run;
    let new = NewRun {
        parent: Some(run.id),
        profile: run.profile.clone(),
        ..NewRun::new(run.subject, draft.recipe, run.seeds.clone())
    };
    vec![Effect::AddRun(Box::new(new))]
}
