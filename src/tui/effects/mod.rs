//! Effects: what the screen asks for and does not do on its own thread. Reads and jobs have a thread each, so that an
//! import does not hold up a list. Every effect ends with one event.

pub mod jobs;
pub mod paths;
pub mod reads;

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use self::jobs::{Job, Jobs};
use self::reads::{Read, Reads};
use super::event::{Event, EventSender};
use super::problem::Problem;
use crate::service::Service;

#[derive(Clone, Debug)]
pub enum Effect {
    Read(Read),
    Job(Job),
}

impl From<Read> for Effect {
    fn from(read: Read) -> Self {
        Self::Read(read)
    }
}

impl From<Job> for Effect {
    fn from(job: Job) -> Self {
        Self::Job(job)
    }
}

/// The two threads that run effects.
#[derive(Debug)]
pub struct Runner {
    reads: Sender<Read>,
    jobs: Sender<Job>,
}

impl Runner {
    /// Each thread opens its own connection, so that the first frame does not wait for it.
    pub fn start(service: &Service, events: &EventSender) -> Self {
        let (reads, asked) = mpsc::channel();
        let (reading, sender) = (service.clone(), events.clone());
        thread::spawn(move || match reading.reader() {
            Ok(reader) => run_reads(&Reads::new(reading, reader), &asked, &sender),
            Err(error) => refuse(&asked, &sender, &error.into(), Event::ReadFailed),
        });
        let (jobs, asked) = mpsc::channel();
        let (working, sender) = (service.clone(), events.clone());
        thread::spawn(move || match working.reader() {
            Ok(reader) => run_jobs(&Jobs::new(working, reader), &asked, &sender),
            Err(error) => refuse(&asked, &sender, &error.into(), Event::JobFailed),
        });
        Self { reads, jobs }
    }

    pub fn run(&self, effect: Effect) {
        // A thread ends only after the screen: then nobody waits for the effect.
        match effect {
            Effect::Read(read) => drop(self.reads.send(read)),
            Effect::Job(job) => drop(self.jobs.send(job)),
        }
    }
}

fn run_reads(reads: &Reads, asked: &Receiver<Read>, events: &EventSender) {
    let mut waiting: VecDeque<Read> = VecDeque::new();
    while let Some(read) = waiting.pop_front().or_else(|| asked.recv().ok()) {
        waiting.extend(asked.try_iter());
        // Keys can come faster than answers.
        let event = match waiting.iter().any(|newer| read.is_replaced_by(newer)) {
            true => Event::Skipped,
            false => reads.read(read).map_or_else(Event::ReadFailed, Event::Loaded),
        };
        if !events.send(event) {
            return;
        }
    }
}

/// Answers every effect with the reason why none can be run.
fn refuse<T>(asked: &Receiver<T>, events: &EventSender, problem: &Problem, event: fn(Problem) -> Event) {
    while asked.recv().is_ok() && events.send(event(problem.clone())) {}
}

fn run_jobs(jobs: &Jobs, asked: &Receiver<Job>, events: &EventSender) {
    while let Ok(job) = asked.recv() {
        if !events.send(jobs.run(job).map_or_else(Event::JobFailed, Event::Finished)) {
            return;
        }
    }
}
