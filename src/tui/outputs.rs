//! A list of outputs whose cursor follows the selection.

use super::effects::reads::Read;
use super::query::Query;
use super::screen_id::ScreenId;
use super::selection::{Select, SelectedSubject, Selection};
use super::widgets::cursor::Cursor;
use crate::store::lines::{OutputLine, Scope};

/// The outputs of a query. The cursor follows the selection; it is kept for scrolling, and for the place of a selected
/// output that has left the list.
#[derive(Debug)]
pub struct Outputs {
    query: Query,
    pub lines: Vec<OutputLine>,
    pub loaded: bool,
    cursor: Cursor,
}

impl Default for Outputs {
    fn default() -> Self {
        Self { query: Query::new(Scope::All), lines: Vec::new(), loaded: false, cursor: Cursor::default() }
    }
}

impl Outputs {
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Changes the query. The lines of another scope are dropped at once.
    pub fn set_query(&mut self, query: Query) {
        if query.scope != self.query.scope {
            (self.lines, self.loaded, self.cursor) = (Vec::new(), false, Cursor::default());
        }
        self.query = query;
    }

    pub fn load(&self, screen: ScreenId) -> Read {
        Read::Outputs { screen, query: Box::new(self.query.clone()) }
    }

    /// Takes the lines of a query; false if the list has asked for something else since.
    pub fn set(&mut self, query: &Query, lines: Vec<OutputLine>) -> bool {
        if *query != self.query {
            return false;
        }
        (self.lines, self.loaded) = (lines, true);
        true
    }

    /// The place of the selected output.
    pub fn position(&self, selection: &Selection) -> Option<usize> {
        self.lines.iter().position(|line| Some(line.output.id) == selection.output())
    }

    pub fn selected(&self, selection: &Selection) -> Option<&OutputLine> {
        self.lines.get(self.position(selection)?)
    }

    /// The cursor, at the selected output if it is in the list.
    pub fn cursor(&self, selection: &Selection) -> Cursor {
        Cursor { at: self.position(selection).unwrap_or(self.cursor.at), ..self.cursor }
    }

    /// Keeps where the cursor is, and selects the output there.
    pub fn move_to(&mut self, cursor: Cursor) -> Option<Select> {
        self.cursor = cursor;
        self.lines.get(cursor.at).map(select)
    }

    /// Follows the selection. If the selected output is not in the list, selects the one that took its place.
    pub fn follow(&mut self, selection: &Selection) -> Option<Select> {
        let position = self.position(selection);
        self.cursor.at = position.unwrap_or(self.cursor.at).min(self.lines.len().saturating_sub(1));
        if position.is_some() { None } else { self.lines.get(self.cursor.at).map(select) }
    }
}

fn select(line: &OutputLine) -> Select {
    let subject = SelectedSubject { id: line.subject, handle: line.task.subject.clone() };
    Select::Output(subject, line.output.run, line.output.id)
}
