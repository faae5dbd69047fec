//! Themes: a style for each role, for every number of colours that a terminal can have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use include_dir::{Dir, include_dir};
use ratatui::backend::IntoCrossterm;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use crate::terminal::colours::Colours;

static BUILT_IN: Dir = include_dir!("$CARGO_MANIFEST_DIR/themes");

/// The meaning of something on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Text,
    Faint,
    Title,
    Border,
    Selected,
    Key,
    Accent,
    Approved,
    Candidate,
    Rejected,
    Running,
    Danger,
    Warning,
    Added,
    Removed,
}

/// Every role, with the text that shows it in `themes`.
const ROLES: [(Role, &str); 15] = [
    (Role::Text, "text"),
    (Role::Faint, "faint"),
    (Role::Title, "title"),
    (Role::Border, "│border│"),
    (Role::Selected, "selected"),
    (Role::Key, "key"),
    (Role::Accent, "accent"),
    (Role::Approved, "✓ approved"),
    (Role::Candidate, "? candidate"),
    (Role::Rejected, "✗ rejected"),
    (Role::Running, "▶ running"),
    (Role::Danger, "danger"),
    (Role::Warning, "warning"),
    (Role::Added, "+added"),
    (Role::Removed, "-removed"),
];

#[derive(Clone, Debug)]
pub struct Theme {
    pub name: String,
    pub about: String,
    ground: Option<Color>,
    styles: BTreeMap<Role, Style>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTheme {
    #[error("unknown theme {name:?}: use one of {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("invalid theme {name}: {problem}")]
    Unreadable { name: String, problem: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    #[serde(default)]
    about: String,
    /// The background of the whole screen; the terminal's own if it is left out.
    ground: Option<String>,
    roles: BTreeMap<Role, Look>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Look {
    color: Option<String>,
    background: Option<String>,
    basic: Option<String>,
    bold: bool,
    dim: bool,
    underline: bool,
    reverse: bool,
    /// Reverses the colours where the background cannot be shown.
    reverse_basic: bool,
}

impl Theme {
    pub const DEFAULT: &str = "dusk";

    /// Loads a theme from the folder `own`, which need not exist, or from the built-in ones.
    pub fn named(name: &str, colours: Colours, own: Option<&Path>) -> Result<Self, BadTheme> {
        let file = format!("{name}.toml");
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let from_file = own.filter(|_| is_name).and_then(|own| std::fs::read_to_string(own.join(&file)).ok());
        let table = from_file.or_else(|| BUILT_IN.get_file(&file)?.contents_utf8().map(str::to_owned));
        match table {
            Some(table) => Self::parse(name, &table, colours),
            None => Err(BadTheme::Unknown { name: crate::studio::text::clean(name), known: Self::names(own) }),
        }
    }

    /// The names of the built-in themes and of the files in `own`.
    pub fn names(own: Option<&Path>) -> Vec<String> {
        let stem = |path: &Path| Some(path.file_stem()?.to_str()?.to_owned());
        let built_in = BUILT_IN.files().map(|file| file.path().to_owned());
        let files = own.and_then(|own| std::fs::read_dir(own).ok()).into_iter().flatten().flatten();
        let files = files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "toml"));
        let names: BTreeSet<String> = built_in.chain(files).filter_map(|path| stem(&path)).collect();
        names.into_iter().collect()
    }

    /// A sample of each role, for a terminal.
    pub fn swatch(&self) -> String {
        let on = |style: Style| self.ground.map_or(style, |ground| Style::new().bg(ground).patch(style));
        let shown = |style: Style, word: &str| on(style).into_crossterm().apply(word).to_string();
        ROLES.map(|(role, word)| shown(self.style(role), word)).join(&shown(Style::new(), " "))
    }

    pub fn parse(name: &str, table: &str, colours: Colours) -> Result<Self, BadTheme> {
        let unreadable = |problem: String| BadTheme::Unreadable { name: name.to_owned(), problem };
        let table: Table = toml::from_str(table).map_err(|error| unreadable(error.to_string()))?;
        let mut styles = BTreeMap::new();
        let painted = table.ground.as_deref().filter(|_| matches!(colours, Colours::True | Colours::Indexed));
        let ground = painted.map(|hex| rgb(hex).map(|shade| colours.nearest(shade))).transpose();
        let ground = ground.map_err(|problem| unreadable(format!("ground: {problem}")))?;
        for (role, look) in table.roles {
            styles.insert(role, look.style(colours).map_err(|problem| unreadable(format!("{role:?}: {problem}")))?);
        }
        Ok(Self { name: table.name, about: table.about, ground, styles })
    }

    /// Gives cells without a colour the theme's colours, so that a dark theme is dark on a bright terminal too.
    pub fn paint(&self, buffer: &mut Buffer) {
        let Some(ground) = self.ground else { return };
        let text = self.style(Role::Text).fg.unwrap_or(Color::Reset);
        for cell in &mut buffer.content {
            if cell.bg == Color::Reset {
                cell.bg = ground;
            }
            if cell.fg == Color::Reset {
                cell.fg = text;
            }
        }
    }

    pub fn ground(&self) -> Option<Color> {
        self.ground
    }

    /// The style of a role; that of text if the theme leaves the role out.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(&role).or_else(|| self.styles.get(&Role::Text)).copied().unwrap_or_default()
    }
}

impl Look {
    fn style(&self, colours: Colours) -> Result<Style, String> {
        let mut style = Style::new();
        let (color, background) = (self.color.as_deref(), self.background.as_deref());
        match colours {
            Colours::True | Colours::Indexed if color.is_some() || background.is_some() => {
                let shown = |hex| rgb(hex).map(|shade| colours.nearest(shade));
                if let Some(color) = color {
                    style = style.fg(shown(color)?);
                }
                if let Some(background) = background {
                    style = style.bg(shown(background)?);
                }
            }
            Colours::None => {}
            _ => style = style.fg(basic(self.basic.as_deref().unwrap_or("default"))?),
        }
        let without_background = style.bg.is_none();
        let marks = [
            (self.bold, Modifier::BOLD),
            (self.dim, Modifier::DIM),
            (self.underline, Modifier::UNDERLINED),
            (self.reverse || (self.reverse_basic && without_background), Modifier::REVERSED),
        ];
        Ok(marks.into_iter().filter(|(on, _)| *on).fold(style, |style, (_, mark)| style.add_modifier(mark)))
    }
}

fn rgb(hex: &str) -> Result<Color, String> {
    let digits = hex.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii());
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let number = number.ok_or_else(|| format!("invalid colour {hex:?}: use #rrggbb"))?;
    let [_, red, green, blue] = number.to_be_bytes();
    Ok(Color::Rgb(red, green, blue))
}

fn basic(name: &str) -> Result<Color, String> {
    if name == "default" {
        return Ok(Color::Reset);
    }
    name.parse()
        .map_err(|_| format!("invalid basic colour {name:?}: use one of the sixteen, for example red or light-blue"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_gives_every_role_a_style_at_every_depth() {
        let names = Theme::names(None);
        assert!(names.len() >= 6, "{names:?}");
        for name in names {
            for depth in [Colours::None, Colours::Basic, Colours::Indexed, Colours::True] {
                let theme = Theme::named(&name, depth, None).unwrap();
                assert_eq!(theme.name, name);
                for (role, _) in ROLES {
                    assert!(theme.styles.contains_key(&role), "{name} lacks {role:?}");
                    let style = theme.style(role);
                    let colours = [style.fg, style.bg];
                    if depth == Colours::None {
                        assert_eq!(colours, [None, None], "{name} {role:?}");
                    }
                    if depth == Colours::Basic {
                        let many = |color: &Option<Color>| matches!(color, Some(Color::Rgb(..) | Color::Indexed(_)));
                        assert!(!colours.iter().any(many), "{name} {role:?}");
                    }
                }
                assert_ne!(theme.style(Role::Selected), theme.style(Role::Text), "{name} does not show the selection");
            }
        }
    }

    #[test]
    fn an_invalid_theme_is_explained() {
        let error = |table: &str| Theme::parse("own", table, Colours::True).unwrap_err().to_string();
        assert!(error("name = \"own\"\n[roles]\ntext = { color = \"red\" }").contains("use #rrggbb"));
        assert!(error("name = \"own\"\n[roles]\ntexte = {}").contains("texte"));
        let unknown = Theme::named("../dusk", Colours::True, None).unwrap_err().to_string();
        assert!(unknown.contains("use one of"), "{unknown}");
    }
}
