//! Every screen at two sizes: the real state, the real project, the real effects, on a terminal that is a buffer.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pentimento::imaging::compact;
use pentimento::service::Service;
use pentimento::store::Store;
use pentimento::store::lines::Order;
use pentimento::studio::filter::Filter;
use pentimento::studio::review::Rubric;
use pentimento::studio::settings::Settings;
use pentimento::terminal;
use pentimento::terminal::capabilities::{Capabilities, Tmux};
use pentimento::terminal::cell_size::CellSize;
use pentimento::terminal::colours::Colours;
use pentimento::terminal::pictures::Codecs;
use pentimento::terminal::protocol::Protocol;
use pentimento::tui::app::{App, Usual};
use pentimento::tui::effect::{Effect, Runner};
use pentimento::tui::event::Event;
use pentimento::tui::keymap::Keymap;
use pentimento::tui::mail::Mail;
use pentimento::tui::pictures::Pictures;
use pentimento::tui::theme::{Role, Theme};
use pentimento::tui::{update, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::style::Color;

use crate::project::Project;

const SIZES: [(u16, u16); 2] = [(80, 24), (140, 45)];
/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// The screen of a project.
struct Screen {
    app: App,
    pictures: Pictures,
    runner: Runner,
    mail: Receiver<Event>,
    terminal: Terminal<TestBackend>,
    unanswered: usize,
    /// What the time is on it: right after the first picture, however long the test takes.
    moment: Timestamp,
}

impl Screen {
    fn open(project: &Project, (columns, rows): (u16, u16)) -> Self {
        let store = Arc::new(Store::open(&project.path()).unwrap());
        let (events, mail) = mpsc::channel();
        let events = Mail::new(events, || {});
        let oldest = store.reader().unwrap().output_lines(None, &Filter::default(), Order::Oldest, 1, Timestamp::now());
        let moment = oldest.unwrap().first().map_or_else(Timestamp::now, |line| line.output.created);
        let codecs = Codecs { png: compact::png, jpeg: compact::jpeg, sixel: compact::sixel };
        let reader = store.reader().unwrap();
        let shown = terminal::pictures::Pictures::new(&capabilities(columns, rows), codecs, || {});
        let pictures = Pictures::new(shown, reader, events.clone());
        let runner = Runner::start(Service::new(store), events).unwrap();
        let settings = Settings { steps: 2, ..Settings::default() };
        let usual = Usual { checkpoint: "mini".to_owned(), settings, reviewer: "ada's friend".to_owned() };
        let theme = Theme::named(Theme::USUAL, Colours::True, None).unwrap();
        let app = App::new(Keymap::built_in(), theme, usual, (columns, rows), Timestamp::now());
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let mut screen = Self { app, pictures, runner, mail, terminal, unanswered: 0, moment };
        let first = update::reload(&mut screen.app);
        screen.ask(first);
        screen.settle();
        screen
    }

    fn ask(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.unanswered += 1;
            self.runner.ask(effect);
        }
    }

    /// Presses keys, each once what the one before asked for is there.
    fn press(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            let effects = update::update(&mut self.app, Event::Key(key.parse().unwrap()));
            self.ask(effects);
            self.settle();
        }
        self
    }

    fn type_in(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.press(&[if c == ' ' { "space".to_owned() } else { c.to_string() }.as_str()]);
        }
        self
    }

    /// Draws until nothing is awaited any more.
    fn settle(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            self.draw();
            if self.unanswered == 0 && !self.pictures.is_waiting() {
                return;
            }
            assert!(Instant::now() < until, "{} effects are not answered", self.unanswered);
            let Ok(event) = self.mail.recv_timeout(Duration::from_millis(20)) else { continue };
            match event {
                Event::Picture(shown, picture) => self.pictures.arrived(shown, picture),
                event => {
                    self.unanswered -= usize::from(matches!(event, Event::Completed(_)));
                    let effects = update::update(&mut self.app, event);
                    self.ask(effects);
                }
            }
        }
    }

    fn draw(&mut self) {
        let now = Instant::now();
        self.app.now = self.moment;
        self.pictures.screen().prepare_frame(now);
        self.terminal.draw(|frame| view::view(&self.app, &mut self.pictures, frame)).unwrap();
    }

    /// The screen's rows. All of a picture is the same mark: which half of a cell is drawn depends on the picture, and
    /// the last bit of a picture on the processor.
    fn text(&self) -> String {
        let own = [self.app.theme.style(Role::Selected).bg, self.app.theme.ground()];
        let buffer = self.terminal.backend().buffer();
        let mark = |cell: &Cell| match cell.symbol() {
            "▀" | "▄" | "█" => "▒".to_owned(),
            " " if matches!(cell.bg, Color::Rgb(..)) && !own.contains(&Some(cell.bg)) => "▒".to_owned(),
            other => other.to_owned(),
        };
        let rows = buffer.content.chunks(buffer.area.width.into());
        rows.map(|row| format!("{}\n", row.iter().map(mark).collect::<String>().trim_end())).collect()
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

/// A subject with a reference, a baseline, a run that changed its light, and one that waits.
fn lived_in() -> Project {
    let project = Project::ready();
    project.queue("1,2", "1");
    let light = ["run", "ada", "--parent", "ada-0001", "--set", "lighting=neon light", "--seeds", "1,2"];
    project.done(&light);
    project.done(&["worker", "--until-empty", "--device", "cpu"]);
    project.done(&["review", "ada-0002:1", "--failure", "waxy", "--note", "the skin shines"]);
    project.done(&["accept", "ada-0001:1"]);
    project.done(&["run", "ada", "--parent", "ada-0001", "--set", "guidance=4", "--seeds", "1"]);
    // How long it took is another figure every time.
    let database = rusqlite::Connection::open(project.path().join("project.db")).unwrap();
    database.execute("UPDATE runs SET timings = NULL, peak_memory = NULL", ()).unwrap();
    project
}

#[test]
fn every_screen_at_two_sizes() {
    let project = lived_in();
    for size in SIZES {
        let mut screen = Screen::open(&project, size);
        let shot = |screen: &mut Screen, name: &str, keys: &[&str]| {
            screen.press(keys);
            insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), screen.text());
        };
        shot(&mut screen, "subjects", &[]);
        shot(&mut screen, "references", &["shift-r"]);
        shot(&mut screen, "references-right", &["g"]);
        shot(&mut screen, "compose", &["esc", "shift-c"]);
        shot(&mut screen, "compose-two-changes", &["j", "j", "enter", "a", "enter", "j", "enter", "b", "enter"]);
        shot(&mut screen, "runs", &["shift-h"]);
        shot(&mut screen, "runs-grid", &["t"]);
        shot(&mut screen, "review", &["t", "enter"]);
        shot(&mut screen, "review-failure", &["3"]);
        shot(&mut screen, "queue", &["shift-q"]);
        shot(&mut screen, "lineage", &["shift-l"]);
        shot(&mut screen, "help", &["?"]);
        shot(&mut screen, "palette", &["esc", ":", "q"]);
        screen.press(&["esc"]);
    }
}

#[test]
fn one_key_makes_more_like_the_newest_run() {
    let project = Project::ready();
    project.queue("1,2", "1");
    let mut screen = Screen::open(&project, (100, 30));
    screen.press(&["+"]);
    assert!(screen.text().contains("ada-0002 waits in the queue"), "{}", screen.text());
    let run = project.json(&["show", "ada-0002"]);
    assert_eq!((&run["parent"], &run["seeds"]), (&"ada-0001".into(), &serde_json::json!([3, 4])), "{run}");
}

#[test]
fn a_verdict_goes_to_the_picture_in_front_and_the_next_one_comes() {
    let project = lived_in();
    let mut screen = Screen::open(&project, (100, 30));
    screen.press(&["shift-h", "enter"]);
    assert!(screen.text().contains("ada-0002:2"), "{}", screen.text());
    screen.press(&["r"]);
    assert!(screen.text().contains("ada-0002:1 · open"), "{}", screen.text());
    screen.press(&["a"]);
    let verdicts = |run: &str| -> Vec<String> {
        let run = project.json(&["show", run]);
        let outputs = run["outputs"].as_array().unwrap();
        outputs.iter().map(|output| output["verdict"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(verdicts("ada-0002"), ["accepted", "rejected"]);
}

#[test]
fn scores_are_kept_while_the_project_changes_under_them() {
    let project = lived_in();
    let mut screen = Screen::open(&project, (100, 30));
    screen.press(&["shift-h", "enter", "s", "5", "4"]);
    let changed = update::update(&mut screen.app, Event::Changed);
    screen.ask(changed);
    screen.settle();
    let criteria = Rubric::embedded().criteria.len();
    screen.press(&vec!["5"; criteria - 2]);
    let expected: Vec<String> = Rubric::embedded()
        .criteria
        .iter()
        .enumerate()
        .map(|(at, criterion)| format!("{} {}", criterion.key.as_str(), [4, 3].get(at).unwrap_or(&4)))
        .collect();
    let said = screen.text();
    assert!(expected.iter().all(|score| said.replace('\n', " ").contains(score.as_str())), "{expected:?}\n{said}");
    screen.press(&["b"]);
    assert!(screen.text().contains("It is the baseline now"), "{}", screen.text());
    assert_eq!(project.json(&["show", "ada-0002"])["outputs"][1]["verdict"], "accepted");
}

#[test]
fn a_terminal_that_is_too_small_gets_one_line() {
    let project = Project::ready();
    for size in [(59, 24), (80, 17), (1, 1), (20, 3)] {
        let screen = Screen::open(&project, size);
        let said = screen.text();
        if size.0 > 40 {
            assert!(said.contains("This needs 60×18 cells"), "{said}");
        }
    }
}

#[test]
fn names_that_steer_terminals_are_drawn_as_text() {
    let project = Project::ready();
    project.done(&["subject", "add", "Zoë \u{1b}[2J\u{202e}肖像👩🏽‍🎨", "--handle", "zoe"]);
    let screen = Screen::open(&project, (140, 45));
    let said = screen.text();
    assert!(said.contains("zoe") && said.contains("Zoë"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said:?}");
}

#[test]
fn what_a_rule_refuses_stays_on_the_screen_until_it_is_put_away() {
    let project = Project::new();
    let mut screen = Screen::open(&project, (100, 30));
    screen.press(&["shift-c", "enter"]).type_in("portrait of a person").press(&["enter", "ctrl-s"]);
    screen.press(&["shift-r", "w", "y", "a"]);
    let said = screen.text();
    assert!(said.contains(" ! "), "{said}");
    screen.press(&["j"]);
    assert!(screen.text().contains(" ! "), "{}", screen.text());
    screen.press(&["shift-x"]);
    assert!(screen.text().contains("what went wrong"), "{}", screen.text());
    screen.press(&["esc", "x"]);
    assert!(!screen.text().contains(" ! "), "{}", screen.text());
}
