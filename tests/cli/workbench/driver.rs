//! Drives the real application on a real project, with real effects, on a terminal that is a buffer.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pentimento::imaging::compact;
use pentimento::service::Service;
use pentimento::store::Store;
use pentimento::store::lines::{Order, Scope};
use pentimento::studio::filter::Filter;
use pentimento::studio::settings::Settings;
use pentimento::terminal;
use pentimento::terminal::capabilities::{Capabilities, Tmux};
use pentimento::terminal::cell_size::CellSize;
use pentimento::terminal::colours::Colours;
use pentimento::terminal::pictures::Codecs;
use pentimento::terminal::protocol::Protocol;
use pentimento::tui::app::App;
use pentimento::tui::context::Defaults;
use pentimento::tui::effects::{Effect, Runner};
use pentimento::tui::event::{Event, EventSender};
use pentimento::tui::keymap::Keymap;
use pentimento::tui::pictures::Pictures;
use pentimento::tui::theme::{Role, Theme};
use pentimento::tui::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::Color;

use crate::project::Project;

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Workbench {
    pub app: App,
    pictures: Pictures,
    runner: Runner,
    events: Receiver<Event>,
    terminal: Terminal<TestBackend>,
    /// Effects that have not ended.
    pending: usize,
    /// The time that ages are counted from, so that snapshots do not change.
    now: Timestamp,
}

impl Workbench {
    pub fn open(project: &Project, (columns, rows): (u16, u16)) -> Self {
        let store = Arc::new(Store::open(&project.path()).unwrap());
        let (sender, events) = mpsc::channel();
        let sender = EventSender::new(sender, || {});
        let reader = store.reader().unwrap();
        let oldest = reader.output_lines(Scope::All, &Filter::default(), Order::Oldest, 1, Timestamp::now()).unwrap();
        let now = oldest.first().map_or_else(Timestamp::now, |line| line.output.created);
        let codecs = Codecs { png: compact::png, jpeg: compact::jpeg, sixel: compact::sixel };
        let shown = terminal::pictures::Pictures::new(&capabilities(columns, rows), codecs, || {});
        let service = Service::new(store);
        let pictures = Pictures::new(shown, service.clone(), sender.clone());
        let runner = Runner::start(&service, &sender);
        let settings = Settings { steps: 2, ..Settings::default() };
        let defaults = Defaults { checkpoint: "mini".to_owned(), settings, reviewer: "ada's friend".to_owned() };
        let theme = Theme::named(Theme::DEFAULT, Colours::True, None).unwrap();
        let app = App::new(Keymap::built_in(), theme, defaults, (columns, rows), Timestamp::now());
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let mut workbench = Self { app, pictures, runner, events, terminal, pending: 0, now };
        let first = workbench.app.start();
        workbench.run(first);
        workbench.settle();
        workbench
    }

    fn run(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.pending += 1;
            self.runner.run(effect);
        }
    }

    /// Takes an event, and waits for what it asks for.
    pub fn take(&mut self, event: Event) -> &mut Self {
        let effects = self.app.update(event);
        self.run(effects);
        self.settle();
        self
    }

    /// Presses keys, each after the effects of the one before have ended.
    pub fn press(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            self.take(Event::Key(key.parse().unwrap()));
        }
        self
    }

    /// Presses keys without waiting in between, as a slow connection delivers them.
    pub fn press_at_once(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            let effects = self.app.update(Event::Key(key.parse().unwrap()));
            self.run(effects);
        }
        self.settle();
        self
    }

    pub fn type_in(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            let key = match c {
                ' ' => "space".to_owned(),
                c if c.is_uppercase() => format!("shift-{}", c.to_lowercase()),
                c => c.to_string(),
            };
            self.press(&[key.as_str()]);
        }
        self
    }

    /// Draws until all effects have ended and all pictures are there.
    fn settle(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            self.draw();
            if self.pending == 0 && !self.pictures.is_waiting() {
                return;
            }
            assert!(Instant::now() < until, "{} effects have not ended", self.pending);
            let Ok(event) = self.events.recv_timeout(Duration::from_millis(20)) else { continue };
            match event {
                Event::Picture(shown, picture) => self.pictures.arrived(shown, picture),
                event => {
                    self.pending -= usize::from(event.ends_effect());
                    let effects = self.app.update(event);
                    self.run(effects);
                }
            }
        }
    }

    fn draw(&mut self) {
        self.app.context.now = self.now;
        self.pictures.screen().prepare_frame(Instant::now());
        self.terminal.draw(|frame| view::view(&self.app, frame, &mut self.pictures)).unwrap();
    }

    /// The rows of the screen. All cells of pictures have the same mark, because their pixels depend on the processor.
    pub fn text(&self) -> String {
        let theme = &self.app.context.theme;
        let own = [theme.style(Role::Selected).bg, theme.ground()];
        let buffer = self.terminal.backend().buffer();
        let mark = |cell: &Cell| match cell.symbol() {
            "▀" | "▄" | "█" => "▒".to_owned(),
            " " if matches!(cell.bg, Color::Rgb(..)) && !own.contains(&Some(cell.bg)) => "▒".to_owned(),
            other => other.to_owned(),
        };
        let rows = buffer.content.chunks(buffer.area.width.into());
        rows.map(|row| format!("{}\n", row.iter().map(mark).collect::<String>().trim_end())).collect()
    }

    /// The texts of the rows that are drawn as selected.
    pub fn selected(&self) -> Vec<String> {
        let style = self.app.context.theme.style(Role::Selected);
        let buffer = self.terminal.backend().buffer();
        let is_selected = |cell: &&Cell| cell.bg == style.bg.unwrap_or_default();
        let rows = buffer.content.chunks(buffer.area.width.into());
        let texts = rows.map(|row| row.iter().filter(is_selected).map(Cell::symbol).collect::<String>());
        texts.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }

    /// Fails unless the screen shows all of these words.
    #[track_caller]
    pub fn shows(&mut self, words: &[&str]) -> &mut Self {
        let text = self.text();
        for word in words {
            assert!(text.contains(word), "{word:?} is not on the screen:\n{text}");
        }
        self
    }

    /// Fails if the screen shows any of these words.
    #[track_caller]
    pub fn hides(&mut self, words: &[&str]) -> &mut Self {
        let text = self.text();
        for word in words {
            assert!(!text.contains(word), "{word:?} is on the screen:\n{text}");
        }
        self
    }
}

fn capabilities(columns: u16, rows: u16) -> Capabilities {
    Capabilities {
        protocol: Protocol::HalfBlocks,
        reason: "this is a test".to_owned(),
        advice: String::new(),
        cell_size: CellSize { width: 8, height: 17 },
        cell_size_is_known: true,
        colours: Colours::True,
        tmux: Tmux::Absent,
        terminal: None,
        answers_name_query: false,
        text_keeps_pictures: false,
        prints_kitty: false,
        columns,
        rows,
    }
}

/// A project with one subject, its reference, a baseline run, a run with another light, and a queued run.
pub fn project_with_runs() -> Project {
    let project = Project::ready();
    project.queue("1,2", "1");
    let light = ["run", "ada", "--parent", "ada-0001", "--set", "lighting=neon light", "--seeds", "1,2"];
    project.done(&light);
    project.done(&["worker", "--until-empty", "--device", "cpu"]);
    project.done(&["review", "ada-0002:1", "--failure", "waxy", "--note", "the skin shines"]);
    project.done(&["accept", "ada-0001:1"]);
    project.done(&["run", "ada", "--parent", "ada-0001", "--set", "guidance=4", "--seeds", "1"]);
    // Times and memory differ from run to run, and would change the snapshots.
    let database = rusqlite::Connection::open(project.path().join("project.db")).unwrap();
    database.execute("UPDATE runs SET timings = NULL, peak_memory = NULL", ()).unwrap();
    project
}
