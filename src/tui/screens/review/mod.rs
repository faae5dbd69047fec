//! Review: one output beside its reference, its parent or the baseline. A key per failure mode marks the failure, says
//! what to do, and drafts the next run.

mod judging;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Screen;
use crate::service::reviews::Details;
use crate::store::lines::Scope;
use crate::studio::draft::{self, Draft};
use crate::studio::failures::{Failure, Failures};
use crate::studio::ids::OutputId;
use crate::studio::review::{Key, Rubric, Score, Verdict};
use crate::tui::action::Action;
use crate::tui::command::Command;
use crate::tui::context::Context;
use crate::tui::effects::Effect;
use crate::tui::effects::reads::{Loaded, MAX_OUTPUTS};
use crate::tui::outputs::Outputs;
use crate::tui::pictures::Pictures;
use crate::tui::query::Query;
use crate::tui::screen_id::ScreenId;
use crate::tui::selection::Selection;
use crate::tui::widgets::hints::Hint;

#[derive(Debug, Default)]
pub struct Review {
    /// The list that the screen walks through.
    list: Outputs,
    /// Whether the list was chosen for the next visit.
    is_chosen: bool,
    compared: Compared,
    sight: Sight,
    /// When the other picture is shown, while the two flicker.
    flicker: Option<Instant>,
    /// Whether the difference is shown instead of the other picture.
    difference: bool,
    /// What belongs to one output, and is dropped when another one is selected.
    open: Option<Open>,
}

/// What the screen holds about one output.
#[derive(Debug)]
struct Open {
    output: OutputId,
    /// The failure modes that the reviewer has marked; ahead of the project until a job is done.
    marks: BTreeSet<Key>,
    /// The index of the failure mode whose cause, action and draft are shown.
    failure: Option<usize>,
    /// The index of the criterion that the next digit scores.
    criterion: Option<usize>,
    scores: BTreeMap<Key, Score>,
}

/// What the output is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Compared {
    #[default]
    Reference,
    Parent,
    Baseline,
}

/// How the two pictures are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sight {
    #[default]
    SideBySide,
    /// In turn, in the same place: differences show as movement.
    Flicker { other: bool },
}

/// How long each picture is shown while the two flicker.
const FLICKER: Duration = Duration::from_millis(500);

impl Compared {
    fn next(self) -> Self {
        match self {
            Self::Reference => Self::Parent,
            Self::Parent => Self::Baseline,
            Self::Baseline => Self::Reference,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Parent => "parent",
            Self::Baseline => "baseline",
        }
    }
}

impl Open {
    fn new(details: &Details, reviewer: &str) -> Self {
        Self {
            output: details.output.id,
            marks: marks_of(details, reviewer),
            failure: None,
            criterion: None,
            scores: details.scores.clone(),
        }
    }
}

/// The failure modes that a reviewer has marked.
fn marks_of(details: &Details, reviewer: &str) -> BTreeSet<Key> {
    let own = details.reviews.iter().map(|review| &review.judgement).filter(|judgement| judgement.reviewer == reviewer);
    own.flat_map(|judgement| judgement.failures.iter().cloned()).collect()
}

impl Review {
    /// Chooses the list to walk through.
    pub fn set_query(&mut self, query: Query) {
        self.list.set_query(query);
        self.is_chosen = true;
    }

    /// Takes the marks and scores of the selected output, whose details were loaded.
    pub fn details_loaded(&mut self, context: &Context) {
        let Some(details) = context.details() else { return };
        let reviewer = &context.defaults.reviewer;
        match self.open.as_mut().filter(|open| open.output == details.output.id) {
            Some(open) => {
                open.marks = marks_of(details, reviewer);
                // Scores that are being given are not in the project yet.
                if open.criterion.is_none() {
                    open.scores = details.scores.clone();
                }
            }
            None => self.open = Some(Open::new(details, reviewer)),
        }
    }

    /// What is held about the selected output.
    fn open(&self, selection: &Selection) -> Option<&Open> {
        self.open.as_ref().filter(|open| Some(open.output) == selection.output())
    }

    /// The failure mode that is shown, and the run it drafts.
    fn drafted(&self, details: &Details, selection: &Selection) -> Option<(&'static Failure, Option<Draft>)> {
        let failure = Failures::embedded().all().get(self.open(selection)?.failure?)?;
        Some((failure, draft::draft(failure, &details.run.recipe, &details.references)))
    }

    fn unreviewed(&self) -> usize {
        self.list.lines.iter().filter(|line| line.output.verdict == Verdict::Open).count()
    }
}

impl Screen for Review {
    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        match action {
            Action::Next | Action::Previous => return Some(self.next(context, action == Action::Next)),
            Action::Back => return self.close_innermost(context),
            Action::Compare => self.compared = self.compared.next(),
            Action::Flicker => self.flicker(context),
            Action::Difference => self.difference = !self.difference,
            _ => return self.judge(context, action),
        }
        Some(Vec::new())
    }

    fn enter(&mut self, context: &Context, _: ScreenId) -> Vec<Command> {
        let selection = &context.selection;
        if std::mem::take(&mut self.is_chosen) {
            return Vec::new();
        }
        // An earlier list is kept as long as the selection is in it.
        let query = self.list.query();
        let fits = match (selection.output(), query.scope) {
            (Some(_), _) => query.fits(selection) && self.list.position(selection).is_some(),
            (None, Scope::All) => false,
            (None, _) => query.fits(selection),
        };
        if let Some(subject) = selection.subject_id().filter(|_| !fits) {
            self.list.set_query(Query::new(Scope::Subject(subject)));
        }
        Vec::new()
    }

    fn leave(&mut self, context: &Context) -> Vec<Command> {
        (self.sight, self.flicker) = (Sight::SideBySide, None);
        let scoring = self.open.as_mut().is_some_and(|open| open.criterion.take().is_some());
        if scoring { self.save_scores(context) } else { Vec::new() }
    }

    fn reload(&self, _: &Context) -> Vec<Effect> {
        vec![self.list.load(ScreenId::Review).into()]
    }

    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command> {
        let Loaded::Outputs { query, lines, .. } = loaded else { return Vec::new() };
        let is_in_front = context.screen == ScreenId::Review;
        if !self.list.set(&query, lines) || !is_in_front {
            return Vec::new();
        }
        let selection = &context.selection;
        let is_beyond = selection.output().is_some() && self.list.position(selection).is_none();
        // The list ends before the selected output: its run's list has it.
        if let Some(run) = selection.run().filter(|_| is_beyond && self.list.lines.len() >= MAX_OUTPUTS as usize) {
            self.list.set_query(Query::of_run(run));
            return vec![Command::Effect(self.list.load(ScreenId::Review).into())];
        }
        self.list.follow(&context.selection).map(Command::Select).into_iter().collect()
    }

    fn alarm(&self) -> Option<Instant> {
        self.flicker
    }

    fn tick(&mut self) {
        if let Sight::Flicker { other } = self.sight {
            self.sight = Sight::Flicker { other: !other };
            self.flicker = Some(Instant::now() + FLICKER);
        }
    }

    fn heading(&self, context: &Context) -> String {
        let selection = &context.selection;
        let count = self.list.lines.len();
        let whose = match self.list.query().scope {
            Scope::All => "all subjects".to_owned(),
            Scope::Subject(_) => selection.handle().to_owned(),
            Scope::Run(_) => match self.list.lines.first() {
                Some(line) => line.task.to_string(),
                None => selection.handle().to_owned(),
            },
        };
        match self.list.position(selection) {
            Some(at) => format!("{whose} · {} of {count} · {} left to review", at + 1, self.unreviewed()),
            None => whose,
        }
    }

    fn hints(&self, context: &Context) -> Vec<Hint> {
        let drafted = context.details().and_then(|details| self.drafted(details, &context.selection));
        let draft = drafted.and_then(|(_, draft)| draft).map(|_| Hint::Action(Action::QueueDraft));
        let accepted = context.details().is_some_and(|details| details.output.verdict != Verdict::Open);
        let clear = accepted.then_some(Hint::Action(Action::ClearVerdict));
        let others = Hint::all([
            Action::Scores,
            Action::Next,
            Action::Compare,
            Action::Flicker,
            Action::Difference,
            Action::Baseline,
            Action::Again,
        ]);
        let verdicts = Hint::all([Action::Accept, Action::RejectOutput]);
        draft.into_iter().chain(verdicts).chain(clear).chain(others).collect()
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        view::draw(self, context, frame, area, pictures);
    }
}

impl Review {
    /// Goes to the next or the previous output, or criterion while scores are given.
    fn next(&mut self, context: &Context, forward: bool) -> Vec<Command> {
        let step = |at: usize, count: usize| {
            if forward { (at + 1).min(count.saturating_sub(1)) } else { at.saturating_sub(1) }
        };
        if let Some(open) = self.open.as_mut().filter(|open| Some(open.output) == context.selection.output())
            && let Some(criterion) = &mut open.criterion
        {
            *criterion = step(*criterion, Rubric::embedded().criteria.len());
            return Vec::new();
        }
        let mut cursor = self.list.cursor(&context.selection);
        let to = step(cursor.at, self.list.lines.len());
        if to == cursor.at {
            let text = match (forward, self.unreviewed()) {
                (false, _) => "First picture.".to_owned(),
                (true, 0) => "Last picture.".to_owned(),
                (true, left) => format!("Last picture. {left} left to review."),
            };
            return vec![Command::Notice(text)];
        }
        cursor.at = to;
        self.list.move_to(cursor).map(Command::Select).into_iter().collect()
    }

    /// Closes scoring, flicker, the difference or the failure. None if nothing is open.
    fn close_innermost(&mut self, context: &Context) -> Option<Vec<Command>> {
        let selection = &context.selection;
        let mut open = self.open.as_mut().filter(|open| Some(open.output) == selection.output());
        if open.as_mut().is_some_and(|open| open.criterion.take().is_some()) {
            return Some(self.save_scores(context));
        }
        if self.sight != Sight::SideBySide {
            (self.sight, self.flicker) = (Sight::SideBySide, None);
            return Some(Vec::new());
        }
        let closed = std::mem::take(&mut self.difference) || open.is_some_and(|open| open.failure.take().is_some());
        closed.then(Vec::new)
    }

    /// Starts and ends flickering. On terminals where every change sends both pictures again, each press changes once
    /// and the third one ends it.
    fn flicker(&mut self, context: &Context) {
        let is_automatic = context.keeps_pictures;
        self.sight = match self.sight {
            Sight::SideBySide => Sight::Flicker { other: true },
            Sight::Flicker { other: true } if !is_automatic => Sight::Flicker { other: false },
            Sight::Flicker { .. } => Sight::SideBySide,
        };
        let flickers = is_automatic && self.sight != Sight::SideBySide;
        self.flicker = flickers.then(|| Instant::now() + FLICKER);
    }
}
