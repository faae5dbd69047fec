//! How a review is drawn: two pictures, the failure modes or the rubric, and what the named failure means.

use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{Against, Review, Sight};
use crate::store::lines::OutputLine;
use crate::studio::failures::Failures;
use crate::studio::reference::Picture;
use crate::studio::review::{Key, Rubric, Verdict};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::event::Reviewed;
use crate::tui::pictures::{Pictures, Shown};
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::badge;
use crate::tui::widgets::facts;
use crate::tui::widgets::lines::fit;

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (review, theme) = (&app.review, &app.theme);
    let Some(reviewed) = &review.reviewed else {
        frame.render_widget(Line::styled("Choose a picture on the runs screen.", theme.style(Role::Faint)), area);
        return;
    };
    let words = (area.height * 2 / 5).clamp(8, 14);
    let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(words)]).areas(area);
    let halves = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(top);
    let [here, beside] = match review.sight {
        Sight::Beside => halves,
        Sight::Flicker { other: false } => [top, Rect::ZERO],
        Sight::Flicker { other: true } => [Rect::ZERO, top],
    };
    if !here.is_empty() {
        draw_output(reviewed, pictures, frame, here, theme);
    }
    if !beside.is_empty() {
        draw_other(app, reviewed, pictures, frame, beside);
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(bottom);
    frame.render_widget(choices(app), left);
    frame.render_widget(answer(app, reviewed), right);
}

fn draw_output(reviewed: &Reviewed, pictures: &mut Pictures, frame: &mut Frame, area: Rect, theme: &Theme) {
    let [picture, caption] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    pictures.draw(frame, picture, &Shown::whole(&reviewed.output.picture), theme);
    let name = format!("{}:{} ", reviewed.run.task, reviewed.output.seed);
    let verdict = badge::verdict(reviewed.output.verdict, theme);
    frame.render_widget(Line::from(vec![Span::styled(name, theme.style(Role::Title)), verdict]), caption);
}

fn draw_other(app: &App, reviewed: &Reviewed, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (review, theme) = (&app.review, &app.theme);
    let [picture, caption] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let against = review.against.name();
    let what = if review.difference { format!("the difference from {against}") } else { against.to_owned() };
    match other(review, reviewed) {
        Some(other) if review.difference => {
            let difference = Shown::Difference(reviewed.output.picture.blob, other.blob);
            pictures.draw(frame, picture, &difference, theme);
        }
        Some(other) => pictures.draw(frame, picture, &Shown::whole(other), theme),
        None => {
            frame.render_widget(Line::styled(format!("no picture of {against}"), theme.style(Role::Faint)), picture)
        }
    }
    let text = format!("{what} ({} changes it)", app.key_of(Action::Compare));
    frame.render_widget(Line::styled(fit(&text, caption.width.into()), theme.style(Role::Faint)), caption);
}

/// The picture that the output is held against.
fn other<'a>(review: &Review, reviewed: &'a Reviewed) -> Option<&'a Picture> {
    match review.against {
        Against::Reference => {
            let id = reviewed.run.recipe.reference;
            let found = reviewed.references.iter().find(|reference| Some(reference.id) == id);
            found.and_then(|reference| reference.picture.as_ref())
        }
        Against::Parent => reviewed.parent.as_ref().map(|output| &output.picture),
        Against::Baseline => reviewed.baseline.as_ref().map(|output| &output.picture),
    }
}

/// The failure modes with their keys, or the rubric while scores are given.
fn choices<'a>(app: &App) -> Paragraph<'a> {
    let (review, theme) = (&app.review, &app.theme);
    let mut text = Vec::new();
    if let Some(at) = review.scoring {
        for (number, criterion) in Rubric::embedded().criteria.iter().enumerate() {
            let given = review.scores.get(&criterion.key).map_or("–".to_owned(), |score| score.get().to_string());
            let style = theme.style(if number == at { Role::Selected } else { Role::Text });
            text.push(Line::styled(format!("{given}  {}", criterion.name), style));
        }
        let [next, previous, end] = [Action::Next, Action::Previous, Action::Back].map(|action| app.key_of(action));
        let question = Rubric::embedded().criteria.get(at).map_or("", |criterion| criterion.question.as_str());
        text.push(Line::styled(
            format!("{question} 1 to 5 give 0 to 4; {next} and {previous} move, {end} ends."),
            theme.style(Role::Accent),
        ));
        return Paragraph::new(text).wrap(Wrap { trim: true });
    }
    let tagged: BTreeSet<&Key> = match &review.reviewed {
        Some(reviewed) => reviewed.reviews.iter().flat_map(|review| &review.judgement.failures).collect(),
        None => BTreeSet::new(),
    };
    for (number, failure) in Failures::embedded().all().iter().enumerate() {
        let mark = if tagged.contains(&failure.key) { "●" } else { " " };
        text.push(Line::from(vec![
            Span::styled(format!("{} ", number + 1), theme.style(Role::Key)),
            Span::styled(format!("{mark} {}", failure.name), theme.style(Role::Text)),
        ]));
    }
    Paragraph::new(text)
}

/// What the named failure means, or the run that is looked at.
fn answer<'a>(app: &App, reviewed: &Reviewed) -> Paragraph<'a> {
    let theme = &app.theme;
    let mut text = Vec::new();
    let mut said = |label: &str, words: &str| {
        text.push(Line::from(vec![
            Span::styled(format!("{label} "), theme.style(Role::Accent)),
            Span::styled(words.to_owned(), theme.style(Role::Text)),
        ]));
    };
    match &app.review.named {
        Some((failure, draft)) => {
            said("suspect", &failure.cause);
            said("now", &failure.action);
            said("from now on", &failure.rule);
            match draft {
                Some(draft) => said(&format!("{} queues", app.key_of(Action::TakeDraft)), &draft.sentence()),
                None => said("next", "Nothing can be drafted for it; compose the change yourself."),
            }
        }
        None => text = facts::lines(reviewed, theme),
    }
    Paragraph::new(text).wrap(Wrap { trim: true })
}

pub fn heading(app: &App) -> String {
    let open = |line: &&OutputLine| line.output.verdict == Verdict::Open;
    let left = app.runs.lines.iter().filter(open).count();
    format!("{} of {}, {left} without a verdict", app.runs.cursor.at + 1, app.runs.lines.len())
}
