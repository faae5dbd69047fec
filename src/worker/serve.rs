//! The loop: hold the device, claim a run, make it, again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::handle::{Ended, News, Options, Shared, State, Stop, Until, panic_text};
use super::make::{Halt, Maker, patiently};
use super::pulse::{Pulse, Told};
use super::room::Room;
use super::{Error, Result};
use crate::diffusion::compute::Compute;
use crate::store::queue::{Claimed, Finish, Next};
use crate::store::{self, Reader, Store};
use crate::studio::queue::PauseReason;
use crate::studio::state::RunState;

/// How often the queue is looked at while there is nothing to do.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Works until the options or the handle say that it is enough.
pub(super) fn serve(store: &Store, options: &Options, shared: &Shared) -> Result<Ended> {
    let compute = Compute::choose(options.device, options.dtype)?;
    let reader = store.reader()?;
    let owner = owner();
    let device = compute.device_name();
    let room = Room::new(store.folder());
    let mut serving = Serving { store, options, shared, reader: &reader, owner: &owner, room, told_paused: None };
    if let Some(ended) = serving.hold(device)? {
        return Ok(ended);
    }
    serving.room.load_ballast();
    let pulse = Pulse::new(store, device, &owner, options.lease);
    let ended = thread::scope(|scope| {
        let beating = thread::Builder::new().name("pulse".to_owned()).spawn_scoped(scope, || pulse.beat());
        beating.map_err(Error::NoThread)?;
        let _stop = StopOnDrop(&pulse);
        serving.work(&pulse, Maker::new(store, &reader, shared, &pulse, &compute))
    });
    // A hold that cannot be given back ends by itself.
    let _ = store.release_device(device, &owner);
    ended
}

struct Serving<'a> {
    store: &'a Store,
    options: &'a Options,
    shared: &'a Shared,
    reader: &'a Reader,
    owner: &'a str,
    room: Room,
    /// The pause that was told last.
    told_paused: Option<String>,
}

/// What became of a run.
enum After {
    Next,
    GivenBack,
}

impl Serving<'_> {
    /// Takes the device. Where another has it, waits as long as a dead one's hold can last, or until the run that is
    /// waited for is over.
    fn hold(&mut self, device: &str) -> Result<Option<Ended>> {
        let began = Instant::now();
        loop {
            match patiently(|| self.store.lease_device(device, self.owner, self.options.lease, Timestamp::now())) {
                Ok(()) => return Ok(None),
                Err(store::Error::DeviceTaken { device, owner }) => {
                    let waits_for_run = matches!(self.options.until, Until::Over(_));
                    if !waits_for_run && began.elapsed() > self.options.lease + LOOK_EVERY {
                        return Err(store::Error::DeviceTaken { device, owner }.into());
                    }
                    if self.shared.set_state(State::WaitingForDevice) != State::WaitingForDevice {
                        self.shared.tell(News::WaitingForDevice { device, owner });
                    }
                }
                Err(store::Error::DiskFull { .. }) if self.room.drop_ballast() => continue,
                Err(error) => return Err(error.into()),
            }
            if self.shared.asked_to_stop().is_some() {
                return Ok(Some(Ended::Stopped { given_back: None }));
            }
            if self.is_over()? {
                return Ok(Some(Ended::Finished));
            }
            self.shared.wait(LOOK_EVERY.min(self.options.lease / 4));
        }
    }

    fn work(&mut self, pulse: &Pulse<'_>, mut maker: Maker<'_>) -> Result<Ended> {
        loop {
            let stop = self.shared.asked_to_stop();
            if stop >= Some(Stop::AfterRun) {
                return Ok(Ended::Stopped { given_back: None });
            }
            if pulse.told() == Told::LostDevice {
                return Err(Error::LostDevice { device: maker.compute.device_name().to_owned() });
            }
            if self.is_over()? {
                return Ok(Ended::Finished);
            }
            if let Some(pause) = self.reader.paused()? {
                if self.room.is_back(&pause) {
                    self.go_on()?;
                } else if stop.is_some() {
                    return Ok(Ended::Stopped { given_back: None });
                } else {
                    self.paused(pause.to_string());
                }
                continue;
            }
            self.told_paused = None;
            // Runs under way elsewhere count: should their worker die, they come back.
            if self.reader.queue(1)?.is_empty() {
                if stop.is_some() || self.options.until == Until::Empty {
                    return Ok(Ended::Finished);
                }
                self.idle();
                continue;
            }
            if let Some(reason) = self.room.lack() {
                self.pause(&reason)?;
                continue;
            }
            match patiently(|| self.store.claim(self.owner, self.options.lease, Timestamp::now())) {
                Ok(Next::Run(claimed)) => {
                    let task = claimed.claim.task.clone();
                    if let After::GivenBack = self.one(&claimed, pulse, &mut maker)? {
                        return match pulse.told() {
                            Told::LostDevice => {
                                Err(Error::LostDevice { device: maker.compute.device_name().to_owned() })
                            }
                            _ => Ok(Ended::Stopped { given_back: Some(task) }),
                        };
                    }
                }
                Ok(Next::Empty) => self.idle(),
                // Paused a moment ago: the next look says so.
                Ok(Next::Paused(_)) => {}
                Err(store::Error::DiskFull { .. }) => self.pause(&self.room.full())?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes one run, and says how it ended to whoever wants to know.
    fn one(&mut self, claimed: &Claimed, pulse: &Pulse<'_>, maker: &mut Maker<'_>) -> Result<After> {
        let began = Instant::now();
        let (claim, progress) = (&claimed.claim, &claimed.run.progress);
        let task = claim.task.clone();
        self.shared.set_state(State::Working(task.clone()));
        let missing = claimed.run.seeds.as_slice().len() - claimed.done.len();
        self.shared.tell(News::Begun { task: task.clone(), pictures: missing });

        pulse.begin(claim, progress.step, progress.steps);
        let made = guarded(|| maker.make(claimed));
        pulse.end();
        let now = Timestamp::now();
        let mut after = After::Next;
        let (state, error, ended) = match made {
            Ok(finish) => (RunState::Done, None, self.end(|store| store.complete(claim, &finish, now))),
            Err(Halt::Cancelled) => (RunState::Cancelled, None, self.end(|store| store.cancelled(claim, now))),
            Err(Halt::Failed(reason)) => {
                // Nobody knows in what state a failure leaves it.
                maker.unload();
                let ended = self.end(|store| store.fail(claim, &reason, now));
                (RunState::Failed, Some(reason), ended)
            }
            Err(Halt::Stopped) => {
                after = After::GivenBack;
                (RunState::Interrupted, None, self.end(|store| store.interrupt(claim, now)))
            }
            Err(Halt::NoRoom) => {
                self.room.drop_ballast();
                let ended = self.end(|store| store.interrupt(claim, now));
                self.pause(&self.room.full())?;
                (RunState::Interrupted, None, ended)
            }
            Err(Halt::Lost) => {
                maker.forget();
                (RunState::Interrupted, None, Err(store::Error::LostLease { task: task.clone() }))
            }
            Err(Halt::Fatal(error)) => return Err(error.into()),
        };
        match ended {
            Ok(()) => {
                let pictures = self.reader.outputs(claim.run).map_or(0, |outputs| outputs.len());
                let seconds = began.elapsed().as_secs_f64();
                self.shared.tell(News::Over { task, state, pictures, seconds, error });
            }
            Err(store::Error::LostLease { .. }) => self.shared.tell(News::Lost { task }),
            // Its lease ends, and it comes back with all that it has.
            Err(store::Error::DiskFull { .. }) => self.pause(&self.room.full())?,
            Err(error) => return Err(error.into()),
        }
        Ok(after)
    }

    /// Writes how a run ended; on a full disk the ballast makes room for it.
    fn end(&self, write: impl Fn(&Store) -> store::Result<()>) -> store::Result<()> {
        match patiently(|| write(self.store)) {
            Err(store::Error::DiskFull { .. }) if self.room.drop_ballast() => write(self.store),
            ended => ended,
        }
    }

    /// Makes the queue stand still; where even that cannot be written, this worker stands still by itself.
    fn pause(&mut self, reason: &str) -> Result<()> {
        match self.end(|store| store.pause(PauseReason::DiskFull, reason, Timestamp::now())) {
            Ok(()) | Err(store::Error::DiskFull { .. }) => self.paused(reason.to_owned()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<()> {
        patiently(|| self.store.resume())?;
        self.room.load_ballast();
        self.shared.tell(News::GoingOn);
        Ok(())
    }

    /// Waits a moment while the queue is paused; says so once.
    fn paused(&mut self, reason: String) {
        self.shared.set_state(State::Paused(reason.clone()));
        if self.told_paused.as_ref() != Some(&reason) {
            self.shared.tell(News::Paused { reason: reason.clone() });
            self.told_paused = Some(reason);
        }
        self.shared.wait(LOOK_EVERY);
    }

    fn idle(&self) {
        self.shared.set_state(State::Idle);
        self.shared.wait(LOOK_EVERY);
    }

    /// Whether the run that is waited for is over, or gone.
    fn is_over(&self) -> Result<bool> {
        let Until::Over(run) = self.options.until else { return Ok(false) };
        match self.reader.run_by_id(run) {
            Ok(run) => Ok(run.state.is_over()),
            Err(store::Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// A panic fails the run it happened in, and nothing else.
fn guarded(make: impl FnOnce() -> Result<Finish, Halt>) -> Result<Finish, Halt> {
    catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|panic| {
        let said = panic_text(&*panic);
        Err(Halt::Failed(format!("this program has a bug, and stumbled over it here: {said}")))
    })
}

/// Ends the pulse however the work ends, a panic included.
struct StopOnDrop<'a>(&'a Pulse<'a>);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A name for this worker that no other has: machine, process, and a few digits for what shares both.
fn owner() -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let digits = Uuid::now_v7().simple().to_string();
    format!("{machine}-{}-{}", std::process::id(), &digits[digits.len() - 4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_with_its_words() {
        let Err(Halt::Failed(reason)) = guarded(|| panic!("index {} is out of range", 7)) else { panic!() };
        assert!(reason.ends_with("index 7 is out of range"), "{reason}");
        assert!(guarded(|| Ok(Finish::default())).is_ok());
    }
}
