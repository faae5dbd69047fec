//! From an error to a sentence on stderr and an exit status.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use crate::studio::rules::Refusal;
use crate::studio::text::clean;
use crate::{diffusion, service, store};

/// Wrong usage that the parser cannot see: what was asked for does not go together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Stopped from outside; says what is left of the work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(pub String);

/// A service stopped by a signal, with the exit status that shells expect of that.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct StoppedBy {
    pub status: u8,
    pub text: String,
}

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const REFUSED: u8 = 3;
/// 128 + SIGINT, as shells count.
const INTERRUPTED: u8 = 130;

/// What clap has to say: help and version go to stdout, mistakes to stderr.
pub fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if text.lines().any(|line| clean(line) != line.replace('\t', " ")) {
        // A file name may carry what steers a terminal; only then is the coloured text given up.
        let harmless: Vec<String> = text.lines().map(clean).collect();
        let _ = writeln!(std::io::stderr(), "{}", harmless.join("\n"));
    } else {
        // A reader that has gone away is no failure.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE))
}

/// One sentence with its cause and remedy, free of what could steer the terminal.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if reader_has_gone(error) {
        return ExitCode::SUCCESS;
    }
    // The sentence may name a path or a person.
    tracing::error!(status = status(error), rule = rule(error), "failed");
    tracing::debug!("failed: {error:#}");
    let sentence = match rule(error) {
        Some(rule) => format!("refused by the rule {rule}: {error}"),
        None => error.to_string(),
    };
    let _ = writeln!(std::io::stderr(), "error: {}", clean(&sentence));
    if let Some(options) = refusal(error).and_then(Refusal::options) {
        let _ = writeln!(std::io::stderr(), "hint: use {options}");
    }
    ExitCode::from(status(error))
}

/// The rule of the workbench that was broken.
fn rule(error: &anyhow::Error) -> Option<&'static str> {
    refusal(error).map(Refusal::rule)
}

fn refusal(error: &anyhow::Error) -> Option<&Refusal> {
    let store = error.downcast_ref().or_else(|| match error.downcast_ref() {
        Some(service::Error::Store(error)) => Some(error),
        _ => None,
    });
    error.downcast_ref().or(match store {
        Some(store::Error::Refused(refusal)) => Some(refusal),
        _ => None,
    })
}

fn status(error: &anyhow::Error) -> u8 {
    use diffusion::Error as E;
    if let Some(stopped) = error.downcast_ref::<StoppedBy>() {
        return stopped.status;
    }
    if let Some(crate::terminal::Error::NoTerminal { .. }) = error.downcast_ref() {
        return WRONG_USAGE;
    }
    if error.is::<Stopped>() {
        return INTERRUPTED;
    }
    if rule(error).is_some() {
        return REFUSED;
    }
    let cause = match error.downcast_ref::<service::Error>() {
        Some(service::Error::Diffusion(cause)) => Some(cause),
        Some(error) if error.is_usage() => return WRONG_USAGE,
        _ => error.downcast_ref::<E>(),
    };
    match cause {
        Some(E::Cancelled) => INTERRUPTED,
        Some(E::BadSize { .. } | E::OutOfRange { .. } | E::UnknownSampler(_) | E::NoAdapter) => WRONG_USAGE,
        _ if error.is::<Usage>() => WRONG_USAGE,
        _ => FAILED,
    }
}

/// `pentimento … | head` ends when head has seen enough; that is nobody's fault.
fn reader_has_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
