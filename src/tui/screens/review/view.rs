//! Draws the review: two pictures, the failure modes or the rubric, and what the open failure means.

use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::super::{LOADING, placeholder};
use super::{Compared, Review, Sight};
use crate::service::reviews::Details;
use crate::studio::failures::Failures;
use crate::studio::reference::Picture;
use crate::studio::review::{Key, Rubric};
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::pictures::Pictures;
use crate::tui::shown::Shown;
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::badge;
use crate::tui::widgets::facts;
use crate::tui::widgets::lines::fit;

pub fn draw(review: &Review, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
    let Some(details) = context.details() else {
        let text = match review.list.loaded && review.list.lines.is_empty() {
            true => format!(
                "No pictures of {} to review. Press {} to compose a run.",
                context.subject_name(),
                context.key_of(Action::GoCompose)
            ),
            false => LOADING.to_owned(),
        };
        return placeholder(context, frame, area, &text);
    };
    let words = (area.height * 2 / 5).clamp(8, 14);
    let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(words)]).areas(area);
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(top);
    let [here, beside] = match review.sight {
        Sight::SideBySide => halves,
        Sight::Flicker { other: false } => [top, Rect::ZERO],
        Sight::Flicker { other: true } => [Rect::ZERO, top],
    };
    if !here.is_empty() {
        draw_output(details, frame, here, pictures, &context.theme);
    }
    if !beside.is_empty() {
        draw_compared(review, details, context, frame, beside, pictures);
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(bottom);
    frame.render_widget(choices(review, details, context), left);
    frame.render_widget(answer(review, details, context), right);
}

fn draw_output(details: &Details, frame: &mut Frame, area: Rect, pictures: &mut Pictures, theme: &Theme) {
    let [picture, caption] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    pictures.draw(frame, picture, &Shown::whole(&details.output.picture), theme);
    let name = format!("{}:{} ", details.run.task, details.output.seed);
    let verdict = badge::verdict(details.output.verdict, theme);
    frame.render_widget(Line::from(vec![Span::styled(name, theme.style(Role::Title)), verdict]), caption);
}

fn draw_compared(
    review: &Review,
    details: &Details,
    context: &Context,
    frame: &mut Frame,
    area: Rect,
    pictures: &mut Pictures,
) {
    let theme = &context.theme;
    let [picture, caption] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    match compared(review.compared, details) {
        Some(other) if review.difference => {
            let difference = Shown::Difference(details.output.picture.blob, other.blob);
            pictures.draw(frame, picture, &difference, theme);
        }
        Some(other) => pictures.draw(frame, picture, &Shown::whole(other), theme),
        None => placeholder(context, frame, picture, &format!("no {}", review.compared.name())),
    }
    let (name, next) = (review.compared.name(), review.compared.next().name());
    let key = context.key_of(Action::Compare);
    let text = match review.difference {
        true => format!("Difference from the {name} · {key} {next}"),
        false => format!("{}{} · {key} {next}", name[..1].to_uppercase(), &name[1..]),
    };
    frame.render_widget(Line::styled(fit(&text, caption.width.into()), theme.style(Role::Faint)), caption);
}

/// The picture that the output is compared with.
fn compared(with: Compared, details: &Details) -> Option<&Picture> {
    match with {
        Compared::Reference => {
            let id = details.run.recipe.reference;
            let found = details.references.iter().find(|reference| Some(reference.id) == id);
            found.and_then(|reference| reference.picture.as_ref())
        }
        Compared::Parent => details.parent.as_ref().map(|output| &output.picture),
        Compared::Baseline => details.baseline.as_ref().map(|output| &output.picture),
    }
}

/// The failure modes with their keys and marks, or the rubric while scores are given.
fn choices(review: &Review, details: &Details, context: &Context) -> Paragraph<'static> {
    let theme = &context.theme;
    let open = review.open(&context.selection);
    if let Some((open, at)) = open.and_then(|open| Some((open, open.criterion?))) {
        let criteria = &Rubric::embedded().criteria;
        let mut text: Vec<Line> = Vec::new();
        for (number, criterion) in criteria.iter().enumerate() {
            let score = open.scores.get(&criterion.key).map_or("–".to_owned(), |score| score.get().to_string());
            let style = theme.style(if number == at { Role::Selected } else { Role::Text });
            text.push(Line::styled(format!("{score}  {}", criterion.name), style));
        }
        if let Some(criterion) = criteria.get(at) {
            let [next, end] = [Action::Next, Action::Back].map(|action| context.key_of(action));
            let help = format!(
                "{} Keys 1–5 score 0 absent … 4 excellent (needs {}). {next} next · {end} done",
                criterion.question,
                criterion.minimum.get()
            );
            text.push(Line::styled(help, theme.style(Role::Accent)));
        }
        return Paragraph::new(text).wrap(Wrap { trim: true });
    }
    let judgements = details.reviews.iter().map(|review| &review.judgement);
    let others = judgements.filter(|judgement| judgement.reviewer != context.defaults.reviewer);
    let others: BTreeSet<&Key> = others.flat_map(|judgement| &judgement.failures).collect();
    let text = Failures::embedded().all().iter().enumerate().map(|(number, failure)| {
        let is_own = open.is_some_and(|open| open.marks.contains(&failure.key));
        let mark = match (is_own, others.contains(&failure.key)) {
            (true, _) => "●",
            (false, true) => "○",
            (false, false) => " ",
        };
        Line::from(vec![
            Span::styled(format!("{} ", number + 1), theme.style(Role::Key)),
            Span::styled(format!("{mark} {}", failure.name), theme.style(Role::Text)),
        ])
    });
    Paragraph::new(text.collect::<Vec<_>>())
}

/// What the open failure means and what it drafts, or the facts about the output.
fn answer(review: &Review, details: &Details, context: &Context) -> Paragraph<'static> {
    let theme = &context.theme;
    let line = |label: &str, words: &str| {
        Line::from(vec![
            Span::styled(format!("{label}: "), theme.style(Role::Accent)),
            Span::styled(words.to_owned(), theme.style(Role::Text)),
        ])
    };
    let text = match review.drafted(details, &context.selection) {
        Some((failure, draft)) => {
            let next = match draft {
                Some(draft) => Line::from(vec![
                    Span::styled(format!("{} queues ", context.key_of(Action::QueueDraft)), theme.style(Role::Accent)),
                    Span::styled(draft.sentence(), theme.style(Role::Text)),
                ]),
                None => line("No draft", "compose the change yourself."),
            };
            vec![
                line("Likely cause", &failure.cause),
                line("Try next", &failure.action),
                line("Rule", &failure.rule),
                next,
            ]
        }
        None => facts::lines(details, theme),
    };
    Paragraph::new(text).wrap(Wrap { trim: true })
}
