//! `worker`: working through the queue without a screen.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::{ArgAction, Args};

use super::failure::StoppedBy;
use super::interrupt;
use super::project::{self, ProjectArguments};
use crate::diffusion::compute::{DeviceChoice, DtypeChoice};
use crate::store::Store;
use crate::studio::text::clean;
use crate::worker::{Options, Outcome, Stop, Until, Worker, WorkerEvent};

/// Work through the queue here, without a screen
///
/// Any number of workers may share a project, one for each device. Ctrl-C and SIGTERM finish the step under way and put
/// the run back, to go on from there later; a second one leaves at once, and loses a few steps. When the terminal goes
/// away the worker stays.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento worker --until-empty")]
pub struct Arguments {
    /// Where to compute: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,

    /// End once nothing waits or runs any more
    #[arg(long)]
    until_empty: bool,

    /// When the terminal goes away, work until the queue is empty; false: finish only the run under way
    #[arg(long, value_name = "true|false", default_value_t = true, action = ArgAction::Set)]
    drain_on_hangup: bool,

    /// Seconds without a sign of life after which another worker may take a run over
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    lease: u64,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let options = Options {
        device: arguments.device,
        lease: Duration::from_secs(arguments.lease),
        until: if arguments.until_empty { Until::QueueEmpty } else { Until::Stopped },
        ..Options::default()
    };
    work(Arc::new(project::open(project)?), options, arguments.drain_on_hangup)
}

/// Works here until a run is over, with the usual options.
pub fn work_until(store: Arc<Store>, until: Until) -> anyhow::Result<()> {
    work(store, Options { dtype: DtypeChoice::Auto, until, ..Options::default() }, true)
}

fn work(store: Arc<Store>, mut options: Options, drain_on_hangup: bool) -> anyhow::Result<()> {
    interrupt::listen_as_a_service();
    let (sender, events) = mpsc::channel();
    options.events = Some(sender);
    let worker = Worker::start(store, options)?;
    watch(&worker, &events, drain_on_hangup);
    match worker.join()? {
        Outcome::Stopped { requeued } if interrupt::asked() => {
            let left = requeued.map_or_else(String::new, |task| format!("; {task} goes on from there later"));
            Err(StoppedBy { status: interrupt::status(), text: format!("stopped{left}") }.into())
        }
        Outcome::Finished | Outcome::Stopped { .. } => Ok(()),
    }
}

/// Passes on what the worker tells and what signals ask for, until the worker has ended.
fn watch(worker: &Worker, events: &Receiver<WorkerEvent>, drain_on_hangup: bool) {
    let on_terminal = std::io::stderr().is_terminal();
    loop {
        match events.recv_timeout(Duration::from_millis(50)) {
            // After a hang-up there is nobody to write to, and writing could end the program.
            Ok(event) if !(on_terminal && interrupt::hung_up()) => {
                let _ = writeln!(std::io::stderr(), "{}", clean(&event.to_string()));
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if interrupt::asked() {
            worker.stop(Stop::AfterStep);
        } else if interrupt::hung_up() {
            worker.stop(if drain_on_hangup { Stop::AfterQueue } else { Stop::AfterRun });
        }
        if worker.has_ended() {
            return;
        }
    }
}
