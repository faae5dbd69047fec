//! What screens and layers return: commands for the application. Also the layer itself, which a command opens.

use std::fmt::Debug;

use crokey::KeyCombination;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::action::Action;
use super::context::Context;
use super::effects::Effect;
use super::effects::reads::Loaded;
use super::query::Query;
use super::screen_id::ScreenId;
use super::selection::Select;
use crate::store::presets::Preset;
use crate::studio::ids::RunId;

#[derive(Debug)]
pub enum Command {
    Go(ScreenId),
    /// Goes to the screen before this one.
    Back,
    /// Goes to the compose screen with a draft that starts from a run.
    Branch(RunId),
    /// Goes to the review screen, which walks through the outputs of a query.
    Review(Query),
    Select(Select),
    Open(Box<dyn Layer>),
    /// Closes the front layer.
    Close,
    /// Gives the screen in front what a layer asked for.
    Answer(Answer),
    /// Does what the action's key would do.
    Act(Action),
    Effect(Effect),
    Notice(String),
    /// Quits; asks first if drafts would be lost.
    Quit,
    DiscardAndQuit,
}

/// What a layer asked for on behalf of a screen.
#[derive(Clone, Debug)]
pub enum Answer {
    Filter(String),
    /// A subject of this name is being added.
    Adding(String),
    DebugReason(String),
    Preset(Box<Preset>),
    DiscardDraft,
}

/// Something over the screen that takes the keys: help, a question, a list.
pub trait Layer: Debug {
    /// Takes a key as text. None leaves the key to the keymap.
    fn key(&mut self, _context: &Context, _key: KeyCombination) -> Option<Vec<Command>> {
        None
    }

    fn paste(&mut self, _context: &Context, _text: &str) -> Vec<Command> {
        Vec::new()
    }

    fn handle(&mut self, context: &Context, action: Action) -> Vec<Command>;

    /// Takes what a read brought, if it is for this layer.
    fn loaded(&mut self, _context: &Context, _loaded: Loaded) -> Vec<Command> {
        Vec::new()
    }

    /// Where the layer lies, within the body of the screen.
    fn area(&self, context: &Context, body: Rect) -> Rect;

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect);
}
