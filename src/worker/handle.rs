//! The handle on a worker, and what is said through it.

use std::fmt;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::serve;
use super::{Error, Result};
use crate::diffusion::compute::{DeviceChoice, DtypeChoice};
use crate::store::Store;
use crate::studio::ids::RunId;
use crate::studio::state::RunState;
use crate::studio::subject::TaskId;
use crate::studio::text;

/// A thread that works through a project's queue. Dropping the handle leaves the thread at work.
///
/// To run the queue here until one run is over, start it with [`Until::Over`] and [`join`](Worker::join) it.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Ended>>,
}

/// Wakes a worker that waits.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Shared>);

impl Waker {
    /// As [`Worker::wake`].
    pub fn wake(&self) {
        self.0.wake();
    }
}

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Options {
    pub device: DeviceChoice,
    pub dtype: DtypeChoice,
    /// How long a run stays this worker's without a sign of life; it gives one at a third of it.
    pub lease: Duration,
    pub until: Until,
    /// Where it tells what happens, in sentences; the database has the facts.
    pub news: Option<Sender<News>>,
    /// Whether it makes way for a screen in the same process, which waits for keys: its threads are the last to get a
    /// core that somebody else wants. Only on Linux, where threads have such a rank of their own.
    pub yields: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            dtype: DtypeChoice::Auto,
            lease: Duration::from_secs(30),
            until: Until::Stopped,
            news: None,
            yields: false,
        }
    }
}

/// When a worker ends by itself. It waits while the queue is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Never: it waits for more.
    Stopped,
    /// Once no run waits or runs, be it another worker's.
    Empty,
    /// Once this run is over, by this worker or by another that has the device.
    Over(RunId),
}

/// How a worker is stopped. A later call can only hurry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Once no run waits any more.
    AfterQueue,
    /// Once the run under way is over.
    AfterRun,
    /// After the step under way: the run goes back to the queue, and goes on from there later.
    AfterStep,
}

/// What a worker is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Starting,
    /// Another worker had the device last; should it have died, its hold ends soon.
    WaitingForDevice,
    /// Nothing is to be done.
    Idle,
    /// The queue is paused, and why.
    Paused(String),
    Working(TaskId),
    Ended,
}

/// How a worker ended, if nothing went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What it was to do is done.
    Finished,
    /// It was stopped; the run that it gave back, if one was under way.
    Stopped { given_back: Option<TaskId> },
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    WaitingForDevice {
        device: String,
        owner: String,
    },
    Begun {
        task: TaskId,
        pictures: usize,
    },
    /// A run is over, with the pictures it has and what it took.
    Over {
        task: TaskId,
        state: RunState,
        pictures: usize,
        seconds: f64,
        error: Option<String>,
    },
    /// The run was taken away while it was worked on.
    Lost {
        task: TaskId,
    },
    /// Something a person should know about a run that goes on.
    Note {
        task: TaskId,
        text: String,
    },
    Paused {
        reason: String,
    },
    GoingOn,
}

/// Threads that this one starts are like it, those of the computation among them.
fn yield_to_screen() {
    // Without the right to it nothing is lost but milliseconds.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10);
}

impl Worker {
    /// Starts a thread that works as the options say.
    pub fn start(store: Arc<Store>, options: Options) -> Result<Self> {
        let shared = Arc::new(Shared::new(options.news.clone()));
        let seen = shared.clone();
        let work = move || {
            if options.yields {
                yield_to_screen();
            }
            let ended = serve::serve(&store, &options, &seen);
            seen.set_state(State::Ended);
            ended
        };
        let thread = thread::Builder::new().name("worker".to_owned()).spawn(work).map_err(Error::NoThread)?;
        Ok(Self { shared, thread })
    }

    /// Looks into the queue at once: there is something new.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// What wakes it, for another thread.
    pub fn waker(&self) -> Waker {
        Waker(self.shared.clone())
    }

    /// Asks it to stop, and returns at once.
    pub fn stop(&self, how: Stop) {
        self.shared.stop(how);
    }

    pub fn state(&self) -> State {
        self.shared.lock().state.clone()
    }

    /// Whether [`join`](Worker::join) would return at once.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it ends.
    pub fn join(self) -> Result<Ended> {
        self.thread.join().unwrap_or_else(|panic| Err(Error::Panic(panic_text(&*panic))))
    }
}

/// What the handle and the thread have in common.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    woken: Condvar,
    news: Option<Sender<News>>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    stop: Option<Stop>,
    wake: bool,
}

impl Shared {
    fn new(news: Option<Sender<News>>) -> Self {
        let inner = Inner { state: State::Starting, stop: None, wake: false };
        Self { inner: Mutex::new(inner), woken: Condvar::new(), news }
    }

    /// The strongest stop that was asked for.
    pub fn asked_to_stop(&self) -> Option<Stop> {
        self.lock().stop
    }

    /// Gives the state it was in before.
    pub fn set_state(&self, state: State) -> State {
        std::mem::replace(&mut self.lock().state, state)
    }

    pub fn tell(&self, news: News) {
        if let Some(listener) = &self.news {
            // A listener that has gone away needs no news.
            let _ = listener.send(news);
        }
    }

    /// Waits until it is woken or stopped, at most so long.
    pub fn wait(&self, most: Duration) {
        let inner = self.lock();
        let stop = inner.stop;
        let waits = |inner: &mut Inner| !inner.wake && inner.stop == stop;
        let (mut inner, _) = self.woken.wait_timeout_while(inner, most, waits).unwrap_or_else(PoisonError::into_inner);
        inner.wake = false;
    }

    fn wake(&self) {
        self.lock().wake = true;
        self.woken.notify_all();
    }

    fn stop(&self, how: Stop) {
        let mut inner = self.lock();
        inner.stop = inner.stop.max(Some(how));
        drop(inner);
        self.woken.notify_all();
    }

    /// Nothing in it is ever half-changed, whoever panics.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text::clean(said.unwrap_or("it left no message"))
}

/// One line each.
impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: &usize| if *count == 1 { "" } else { "s" };
        match self {
            Self::WaitingForDevice { device, owner } => {
                write!(f, "{owner} had {device} last; waiting whether it is still alive")
            }
            Self::Begun { task, pictures } => {
                write!(f, "{task}: begun, {pictures} picture{} to make", plural(pictures))
            }
            Self::Over { task, state, pictures, seconds, error } => {
                write!(f, "{task}: {state}, {pictures} picture{}, {seconds:.1} s", plural(pictures))?;
                error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::Lost { task } => write!(f, "{task}: taken away (cancelled, deleted, or another worker has it)"),
            Self::Note { task, text } => write!(f, "{task}: {text}"),
            Self::Paused { reason } => write!(f, "the queue stands still: {reason}"),
            Self::GoingOn => f.write_str("the queue goes on"),
        }
    }
}
