//! `worker`: processes the queue without the workbench.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::{ArgAction, Args};

use crate::cli::failure::Interrupted;
use crate::cli::interrupt;
use crate::cli::output::describe;
use crate::cli::project::{self, ProjectArguments};
use crate::diffusion::compute::{DeviceChoice, DtypeChoice};
use crate::store::Store;
use crate::studio::state::RunState;
use crate::studio::text::clean;
use crate::worker::{Options, Outcome, Stop, Until, Worker, WorkerEvent};

/// Process the queue without the workbench
///
/// Several workers may share a project, one for each device. On Ctrl-C or SIGTERM, the worker finishes the current step
/// and requeues the run, which then resumes from that step. A second signal exits at once and loses a few steps. If the
/// terminal closes, the worker keeps running. With --until-empty, it fails if a run failed.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento worker --until-empty")]
pub struct Arguments {
    /// The device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,

    /// Exit when the queue is empty
    #[arg(long)]
    until_empty: bool,

    /// After the terminal closes, work until the queue is empty; false: finish only the current run
    #[arg(long, value_name = "true|false", default_value_t = true, action = ArgAction::Set)]
    drain_on_hangup: bool,

    /// Seconds without a heartbeat after which another worker may take over a run
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
    match work(Arc::new(project::open(project)?), options, arguments.drain_on_hangup)? {
        0 => Ok(()),
        failed => {
            let failed = describe::count(failed, "run");
            anyhow::bail!("{failed} failed: see `pentimento runs`, then retry with `pentimento queue retry RUN`")
        }
    }
}

/// Processes the queue in this process until a run is over.
pub fn work_until(store: Arc<Store>, until: Until) -> anyhow::Result<()> {
    work(store, Options { dtype: DtypeChoice::Auto, until, ..Options::default() }, true).map(drop)
}

/// Returns how many runs failed.
fn work(store: Arc<Store>, mut options: Options, drain_on_hangup: bool) -> anyhow::Result<u64> {
    interrupt::listen_as_a_service();
    let (sender, events) = mpsc::channel();
    options.events = Some(sender);
    let worker = Worker::start(store, options)?;
    let failed = supervise(&worker, &events, drain_on_hangup);
    match worker.join()? {
        Outcome::Stopped { requeued } if interrupt::asked() => {
            let text = match requeued {
                Some(task) => format!("stopped; {task} is queued again and resumes from its last checkpoint"),
                None => "stopped".to_owned(),
            };
            Err(Interrupted { status: interrupt::status(), text }.into())
        }
        Outcome::Finished | Outcome::Stopped { .. } => Ok(failed),
    }
}

/// Prints the worker's events and passes signals on to it, until it has ended. Returns how many runs failed.
fn supervise(worker: &Worker, events: &Receiver<WorkerEvent>, drain_on_hangup: bool) -> u64 {
    let on_terminal = std::io::stderr().is_terminal();
    let mut failed = 0;
    let mut report = |event: WorkerEvent| {
        failed += u64::from(matches!(event, WorkerEvent::Ended { state: RunState::Failed, .. }));
        // After a hang-up, writing to the terminal could end the program.
        if !(on_terminal && interrupt::hung_up()) {
            let _ = writeln!(std::io::stderr(), "{}", clean(&event.to_string()));
        }
    };
    loop {
        match events.recv_timeout(Duration::from_millis(50)) {
            Ok(event) => report(event),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return failed,
        }
        if interrupt::asked() {
            worker.stop(Stop::AfterStep);
        } else if interrupt::hung_up() {
            worker.stop(if drain_on_hangup { Stop::AfterQueue } else { Stop::AfterRun });
        }
        if worker.has_ended() {
            events.try_iter().for_each(report);
            return failed;
        }
    }
}
