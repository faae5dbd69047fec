//! The state that all screens and layers read and none of them changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ratatui::layout::Rect;

use super::action::Action;
use super::keymap::Keymap;
use super::screen_id::ScreenId;
use super::selection::Selection;
use super::theme::Theme;
use crate::service::reviews::Details;
use crate::studio::ids::SubjectId;
use crate::studio::settings::Settings;

#[derive(Debug)]
pub struct Context {
    /// The screen in front.
    pub screen: ScreenId,
    pub selection: Selection,
    pub keymap: Keymap,
    pub theme: Theme,
    pub defaults: Defaults,
    /// The terminal's size in cells.
    pub size: (u16, u16),
    pub now: Timestamp,
    /// Whether the terminal keeps pictures, so that showing one again costs a few bytes.
    pub keeps_pictures: bool,
    /// The names of all subjects.
    pub names: BTreeMap<SubjectId, String>,
    /// The facts loaded last; read them with [`Context::details`].
    pub loaded_details: Option<Details>,
}

/// What a new run and a review start from.
#[derive(Clone, Debug)]
pub struct Defaults {
    pub checkpoint: String,
    pub settings: Settings,
    pub reviewer: String,
}

impl Context {
    /// The area of a screen: below the title, above the messages and keys, with a free column on either side. The last
    /// row of the terminal stays empty, because a picture or a character there makes some terminals scroll.
    pub fn body(&self) -> Rect {
        let (columns, rows) = self.size;
        Rect::new(1, 1, columns.saturating_sub(2), rows.saturating_sub(4))
    }

    pub fn body_rows(&self) -> usize {
        self.body().height.into()
    }

    /// The key for an action on the screen in front; the action's name if it has no key.
    pub fn key_of(&self, action: Action) -> String {
        self.keymap.key(self.screen, action).unwrap_or_else(|| action.name().to_owned())
    }

    /// The key for an action in a popup; the action's name if it has no key.
    pub fn popup_key(&self, action: Action) -> String {
        self.keymap.popup_key(action).unwrap_or_else(|| action.name().to_owned())
    }

    /// The selected subject's name; its handle as long as the name is unknown.
    pub fn subject_name(&self) -> String {
        let name = self.selection.subject_id().and_then(|subject| self.names.get(&subject));
        name.map_or_else(|| self.selection.handle().to_owned(), Clone::clone)
    }

    /// The facts about the selected output, once they are loaded.
    pub fn details(&self) -> Option<&Details> {
        self.loaded_details.as_ref().filter(|detail| Some(detail.output.id) == self.selection.output())
    }

    /// The facts about some output of the selected run: what holds for the run is right, whichever output it is.
    pub fn run_details(&self) -> Option<&Details> {
        self.loaded_details.as_ref().filter(|detail| Some(detail.run.id) == self.selection.run())
    }
}
