//! The screens: one file or folder each, with its state, its keys and its drawing.

pub mod compose;
pub mod lineage;
pub mod queue;
pub mod references;
pub mod review;
pub mod runs;
pub mod subjects;

use std::time::Instant;

use crokey::KeyCombination;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::action::Action;
use super::command::{Answer, Command};
use super::context::Context;
use super::effects::Effect;
use super::effects::jobs::Finished;
use super::effects::reads::Loaded;
use super::pictures::Pictures;
use super::screen_id::ScreenId;
use super::widgets::hints::Hint;

pub trait Screen {
    /// Does an action. None leaves it to the application, which knows the actions of all screens.
    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>>;

    /// Takes a key as text. None leaves the key to the keymap.
    fn key(&mut self, _context: &Context, _key: KeyCombination) -> Option<Vec<Command>> {
        None
    }

    /// Whether letters are text now, so that hints show other keys.
    fn takes_text(&self, _context: &Context) -> bool {
        false
    }

    fn paste(&mut self, _context: &Context, _text: &str) -> Vec<Command> {
        Vec::new()
    }

    /// Takes what a layer asked for.
    fn answer(&mut self, _context: &Context, _answer: Answer) -> Vec<Command> {
        Vec::new()
    }

    /// Comes to the front.
    fn enter(&mut self, _context: &Context, _from: ScreenId) -> Vec<Command> {
        Vec::new()
    }

    /// Leaves the front.
    fn leave(&mut self, _context: &Context) -> Vec<Command> {
        Vec::new()
    }

    /// What to load, when the screen comes to the front and when the project has changed.
    fn reload(&self, context: &Context) -> Vec<Effect>;

    /// Takes what a read of this screen brought. The screen may be in the background.
    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command>;

    /// Hears of every finished job.
    fn finished(&mut self, _context: &Context, _finished: &Finished) -> Vec<Command> {
        Vec::new()
    }

    /// Hears that some job has failed.
    fn job_failed(&mut self) {}

    /// When the screen changes without a key.
    fn alarm(&self) -> Option<Instant> {
        None
    }

    fn tick(&mut self) {}

    /// The text in the title line.
    fn heading(&self, context: &Context) -> String;

    /// The keys in the last line, the most important first.
    fn hints(&self, context: &Context) -> Vec<Hint>;

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures);
}

/// All screens with their state.
#[derive(Debug, Default)]
pub struct Screens {
    pub subjects: subjects::Subjects,
    pub references: references::References,
    pub compose: compose::Compose,
    pub runs: runs::Runs,
    pub review: review::Review,
    pub queue: queue::Queue,
    pub lineage: lineage::Lineage,
}

impl Screens {
    pub fn get(&self, id: ScreenId) -> &dyn Screen {
        match id {
            ScreenId::Subjects => &self.subjects,
            ScreenId::References => &self.references,
            ScreenId::Compose => &self.compose,
            ScreenId::Runs => &self.runs,
            ScreenId::Review => &self.review,
            ScreenId::Queue => &self.queue,
            ScreenId::Lineage => &self.lineage,
        }
    }

    pub fn get_mut(&mut self, id: ScreenId) -> &mut dyn Screen {
        match id {
            ScreenId::Subjects => &mut self.subjects,
            ScreenId::References => &mut self.references,
            ScreenId::Compose => &mut self.compose,
            ScreenId::Runs => &mut self.runs,
            ScreenId::Review => &mut self.review,
            ScreenId::Queue => &mut self.queue,
            ScreenId::Lineage => &mut self.lineage,
        }
    }
}

/// A line of faint text where a list would be.
fn placeholder(context: &Context, frame: &mut Frame, area: Rect, text: &str) {
    let style = context.theme.style(super::theme::Role::Faint);
    frame.render_widget(Line::styled(super::widgets::lines::fit(text, area.width.into()), style), area);
}

const LOADING: &str = "Loading …";
