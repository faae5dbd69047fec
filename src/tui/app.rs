//! The application: the context, the screens, the layers over them, and what happens at an event.
//!
//! A key goes to the front layer or the screen in front. They return commands, which change the context, open layers or
//! ask for effects. Nothing here waits or does I/O.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crokey::KeyCombination;
use jiff::Timestamp;

use super::action::Action;
use super::command::{Command, Layer};
use super::context::{Context, Defaults};
use super::effects::Effect;
use super::effects::jobs::Finished;
use super::effects::reads::{Loaded, Read};
use super::event::Event;
use super::keymap::Keymap;
use super::layers::confirm::Confirm;
use super::layers::explanation::Explanation;
use super::layers::help::Help;
use super::layers::palette::Palette;
use super::problem::Problem;
use super::screen_id::ScreenId;
use super::screens::{Screen, Screens};
use super::selection::{Select, SelectedSubject, Selection};
use super::theme::Theme;
use super::widgets::lines::counted;
use crate::service::reviews::Details;
use crate::studio::ids::{OutputId, RunId};
use crate::studio::run::Run;
use crate::studio::state::RunState;

#[derive(Debug)]
pub struct App {
    pub context: Context,
    pub screens: Screens,
    /// The layers over the screen, the front one last.
    pub layers: Vec<Box<dyn Layer>>,
    /// The screens to go back to, the nearest last.
    trail: Vec<ScreenId>,
    /// Errors that are not dismissed, the newest last.
    pub problems: Vec<Problem>,
    /// A message that the next key removes.
    pub notice: Option<String>,
    pub quitting: bool,
    /// What the terminal's session is asked to do.
    pub request: Option<SessionRequest>,
    /// The details that were asked for last.
    asked: Option<DetailsOf>,
}

/// What only the terminal's session can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRequest {
    Redraw,
    Suspend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DetailsOf {
    Output(OutputId),
    FirstOutput(RunId),
}

impl App {
    pub fn new(keymap: Keymap, theme: Theme, defaults: Defaults, size: (u16, u16), now: Timestamp) -> Self {
        let context = Context {
            screen: ScreenId::Subjects,
            selection: Selection::default(),
            keymap,
            theme,
            defaults,
            size,
            now,
            keeps_pictures: true,
            names: BTreeMap::new(),
            loaded_details: None,
        };
        Self {
            context,
            screens: Screens::default(),
            layers: Vec::new(),
            trail: Vec::new(),
            problems: Vec::new(),
            notice: None,
            quitting: false,
            request: None,
            asked: None,
        }
    }

    /// The first effects: the subjects and the queue.
    pub fn start(&self) -> Vec<Effect> {
        vec![Read::Subjects.into(), Read::Queue.into()]
    }

    /// When the state changes without an event.
    pub fn alarm(&self) -> Option<Instant> {
        self.front().alarm()
    }

    pub fn front(&self) -> &dyn Screen {
        self.screens.get(self.context.screen)
    }

    /// The run that is running, for the title line.
    pub fn running(&self) -> Option<&Run> {
        self.screens.queue.running()
    }

    /// Changes the state at an event, and returns the effects to run.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        self.context.now = Timestamp::now();
        let commands = match event {
            Event::Key(key) => self.key(key),
            Event::Paste(text) => match self.layers.last_mut() {
                Some(layer) => layer.paste(&self.context, &text),
                None => self.screens.get_mut(self.context.screen).paste(&self.context, &text),
            },
            // Pictures have a state of their own.
            Event::Redraw | Event::Picture(..) | Event::Skipped => Vec::new(),
            Event::Changed => return self.reload(),
            Event::Alarm => {
                self.screens.get_mut(self.context.screen).tick();
                Vec::new()
            }
            Event::Loaded(loaded) => self.loaded(loaded),
            Event::Finished(finished) => return self.finished(&finished),
            Event::ReadFailed(problem) => {
                self.problems.push(problem);
                Vec::new()
            }
            Event::JobFailed(problem) => {
                self.problems.push(problem);
                ScreenId::ALL.into_iter().for_each(|screen| self.screens.get_mut(screen).job_failed());
                Vec::new()
            }
            Event::Theme(theme) => {
                self.context.theme = *theme;
                Vec::new()
            }
            Event::Notice(text) => vec![Command::Notice(text)],
        };
        self.run(commands)
    }

    fn key(&mut self, key: KeyCombination) -> Vec<Command> {
        self.notice = None;
        let context = &self.context;
        if let Some(layer) = self.layers.last_mut() {
            if let Some(commands) = layer.key(context, key) {
                return commands;
            }
            return match context.keymap.popup_action(key) {
                Some(action @ (Action::Redraw | Action::Suspend)) => self.act(action),
                Some(action) => layer.handle(context, action),
                None => Vec::new(),
            };
        }
        if let Some(commands) = self.screens.get_mut(context.screen).key(context, key) {
            return commands;
        }
        context.keymap.action(context.screen, key).map_or(Vec::new(), |action| self.act(action))
    }

    /// Does an action on the screen in front. The screen comes before what is the same on all screens.
    fn act(&mut self, action: Action) -> Vec<Command> {
        if let Some(commands) = self.screens.get_mut(self.context.screen).handle(&self.context, action) {
            return commands;
        }
        let command = match action {
            Action::Quit => Command::Quit,
            Action::Help => Command::Open(Box::new(Help::default())),
            Action::Palette => Command::Open(Box::new(Palette::default())),
            Action::Back => Command::Back,
            Action::GoSubjects => Command::Go(ScreenId::Subjects),
            Action::GoReferences => Command::Go(ScreenId::References),
            Action::GoCompose => Command::Go(ScreenId::Compose),
            Action::GoRuns => Command::Go(ScreenId::Runs),
            Action::GoReview => Command::Go(ScreenId::Review),
            Action::GoQueue => Command::Go(ScreenId::Queue),
            Action::GoLineage => Command::Go(ScreenId::Lineage),
            Action::Details => match self.problems.last() {
                Some(problem) => Command::Open(Box::new(Explanation::Problem(problem.clone()))),
                None => return Vec::new(),
            },
            Action::Dismiss => {
                self.problems.pop();
                return Vec::new();
            }
            Action::Redraw => {
                self.request = Some(SessionRequest::Redraw);
                return Vec::new();
            }
            Action::Suspend => {
                self.request = Some(SessionRequest::Suspend);
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        vec![command]
    }

    /// Runs commands, and those that follow from them; returns the effects that they ask for.
    fn run(&mut self, commands: Vec<Command>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut waiting: VecDeque<Command> = commands.into();
        while let Some(command) = waiting.pop_front() {
            let more = match command {
                Command::Effect(effect) => {
                    effects.push(effect);
                    Vec::new()
                }
                command => self.run_one(command),
            };
            for command in more.into_iter().rev() {
                waiting.push_front(command);
            }
        }
        effects.extend(self.missing_details());
        effects
    }

    fn run_one(&mut self, command: Command) -> Vec<Command> {
        match command {
            Command::Go(screen) => return self.go(screen),
            Command::Back => return self.back(),
            Command::Branch(run) => {
                self.screens.compose.branch_from(run);
                return self.go(ScreenId::Compose);
            }
            Command::Review(query) => {
                self.screens.review.set_query(query);
                return self.go(ScreenId::Review);
            }
            Command::Answer(answer) => {
                return self.screens.get_mut(self.context.screen).answer(&self.context, answer);
            }
            Command::Act(action) => return self.act(action),
            Command::Quit => return self.quit(),
            Command::Select(change) => self.context.selection.select(change),
            Command::Open(layer) => self.layers.push(layer),
            Command::Close => drop(self.layers.pop()),
            Command::Notice(text) => self.notice = Some(text),
            Command::DiscardAndQuit => self.quitting = true,
            Command::Effect(_) => {}
        }
        Vec::new()
    }

    /// Brings a screen to the front and loads what it shows.
    fn go(&mut self, to: ScreenId) -> Vec<Command> {
        if to.needs_subject() && self.context.selection.subject().is_none() {
            let text = match self.screens.subjects.is_empty() {
                true => format!("Add a subject first ({}).", self.key_on(ScreenId::Subjects, Action::AddSubject)),
                false => "Select a subject first.".to_owned(),
            };
            return vec![Command::Notice(text)];
        }
        let from = self.context.screen;
        let mut commands = Vec::new();
        if from != to {
            commands.extend(self.screens.get_mut(from).leave(&self.context));
            self.trail.retain(|screen| *screen != to);
            self.trail.push(from);
        }
        commands.extend(self.enter(to, from));
        commands
    }

    fn back(&mut self) -> Vec<Command> {
        let Some(to) = self.trail.pop() else { return Vec::new() };
        let from = self.context.screen;
        let mut commands = self.screens.get_mut(from).leave(&self.context);
        commands.extend(self.enter(to, from));
        commands
    }

    fn enter(&mut self, screen: ScreenId, from: ScreenId) -> Vec<Command> {
        (self.context.screen, self.asked) = (screen, None);
        let mut commands = self.screens.get_mut(screen).enter(&self.context, from);
        commands.extend(self.screens.get(screen).reload(&self.context).into_iter().map(Command::Effect));
        commands
    }

    /// Quits, or asks first if drafts would be lost.
    fn quit(&mut self) -> Vec<Command> {
        let consequence = match self.screens.compose.unsaved().as_slice() {
            [] => {
                self.quitting = true;
                return Vec::new();
            }
            [name] => format!("The draft for {name} is not queued and will be lost."),
            names => format!("The drafts for {} are not queued and will be lost.", names.join(", ")),
        };
        let layer = Confirm::new("Quit?".to_owned(), &consequence, || vec![Command::DiscardAndQuit]);
        vec![Command::Open(Box::new(layer))]
    }

    fn key_on(&self, screen: ScreenId, action: Action) -> String {
        self.context.keymap.key(screen, action).unwrap_or_else(|| action.name().to_owned())
    }

    /// Loads what the screen in front shows, and the queue for the title line.
    fn reload(&mut self) -> Vec<Effect> {
        self.asked = None;
        let mut effects = self.front().reload(&self.context);
        if self.context.screen != ScreenId::Queue {
            effects.push(Read::Queue.into());
        }
        effects.extend(self.missing_details());
        effects
    }

    /// The read for the details of the selected output, if the screen shows them and they are not asked for yet.
    fn missing_details(&mut self) -> Option<Effect> {
        let selection = &self.context.selection;
        let wanted = match (self.context.screen, selection.output(), selection.run()) {
            (ScreenId::Runs | ScreenId::Review | ScreenId::Lineage, Some(output), _) => DetailsOf::Output(output),
            (ScreenId::Lineage, None, Some(run)) => DetailsOf::FirstOutput(run),
            _ => return None,
        };
        if self.asked == Some(wanted) {
            return None;
        }
        self.asked = Some(wanted);
        Some(match wanted {
            DetailsOf::Output(output) => Read::Details(output).into(),
            DetailsOf::FirstOutput(run) => Read::FirstDetails(run).into(),
        })
    }

    /// Gives what was loaded to whom it is for.
    fn loaded(&mut self, loaded: Loaded) -> Vec<Command> {
        let screen = match &loaded {
            Loaded::Details(_) | Loaded::NoDetails(_) => {
                if let Loaded::Details(details) = loaded {
                    self.details_loaded(*details);
                }
                return Vec::new();
            }
            Loaded::Paths { .. } | Loaded::Presets(_) => {
                let layer = self.layers.last_mut();
                return layer.map_or(Vec::new(), |layer| layer.loaded(&self.context, loaded));
            }
            Loaded::Subjects(lines) => {
                let names = lines.iter().map(|line| (line.subject.id, line.subject.name.clone()));
                self.context.names = names.collect();
                ScreenId::Subjects
            }
            Loaded::References { .. } => ScreenId::References,
            Loaded::Outputs { screen, .. } => *screen,
            Loaded::Queue { .. } => ScreenId::Queue,
            Loaded::Lineage { .. } => ScreenId::Lineage,
            Loaded::Start { .. } | Loaded::Tokens { .. } => ScreenId::Compose,
        };
        self.screens.get_mut(screen).loaded(&self.context, loaded)
    }

    /// Keeps the details of the selected output. A selected run without a selected output gets its first one.
    fn details_loaded(&mut self, details: Details) {
        let selection = &mut self.context.selection;
        let (run, output) = (details.run.id, details.output.id);
        match selection.output() {
            Some(selected) if selected == output => {}
            None if selection.run() == Some(run) => {
                let subject = SelectedSubject { id: details.run.subject, handle: details.run.task.subject.clone() };
                selection.select(Select::Output(subject, run, output));
                self.asked = Some(DetailsOf::Output(output));
            }
            _ => return,
        }
        self.context.loaded_details = Some(details);
        self.screens.review.details_loaded(&self.context);
    }

    /// Tells all screens what a job did, and loads what may have changed.
    fn finished(&mut self, finished: &Finished) -> Vec<Effect> {
        let mut commands = Vec::new();
        match finished {
            Finished::SubjectAdded(subject) => {
                self.context.names.insert(subject.id, subject.name.clone());
            }
            Finished::Queued(run) => {
                let pictures = counted(run.seeds.as_slice().len(), "picture");
                commands.push(Command::Notice(format!("Queued {} ({pictures}).", run.task)));
            }
            Finished::AlreadyQueued(run) => commands.push(Command::Notice(already_queued(run))),
            Finished::PresetsChanged(text) => {
                commands.push(Command::Notice(text.clone()));
                commands.push(Command::Effect(Read::Presets.into()));
            }
            Finished::ReferenceAdded { text, .. } | Finished::Done(text) => {
                commands.push(Command::Notice(text.clone()));
            }
            Finished::Reviewed | Finished::QueueChanged => {}
        }
        for screen in ScreenId::ALL {
            commands.extend(self.screens.get_mut(screen).finished(&self.context, finished));
        }
        let mut effects = self.run(commands);
        effects.extend(self.reload());
        effects
    }
}

fn already_queued(run: &Run) -> String {
    match run.state {
        RunState::Done => format!("{} has these pictures already.", run.task),
        RunState::Running => format!("This run is running already: {}.", run.task),
        _ => format!("This run is queued already: {}.", run.task),
    }
}
