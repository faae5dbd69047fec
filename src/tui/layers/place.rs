//! Where layers lie, and their frames.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear};

use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::lines::fit;

/// In the middle of the screen's body.
pub fn centred(body: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(body.width), height.min(body.height));
    Rect::new(body.x + (body.width - width) / 2, body.y + (body.height - height) / 2, width, height)
}

/// At the bottom, where a question covers few pictures.
pub fn bottom(body: Rect, width: u16, height: u16) -> Rect {
    let area = centred(body, width, height);
    Rect { y: body.bottom() - area.height, ..area }
}

/// Draws an empty frame and returns its inside.
pub fn draw_frame(frame: &mut Frame, area: Rect, title: &str, theme: &Theme) -> Rect {
    let title = format!(" {} ", fit(title, area.width.saturating_sub(4).into()));
    let block =
        Block::bordered().title(title).border_style(theme.style(Role::Border)).title_style(theme.style(Role::Title));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inner
}

/// The key hints below a layer's content: `⏎ take · esc close`.
pub fn hints(pairs: &[(String, &str)]) -> String {
    pairs.iter().map(|(key, verb)| format!("{key} {verb}")).collect::<Vec<_>>().join(" · ")
}
