//! Turns an error into a message on stderr and an exit status.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use crate::studio::rules::Refusal;
use crate::studio::text::clean;
use crate::{diffusion, service, store};

/// Arguments that clap accepts but that make no sense together, or in this project.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Stopped by a signal. Says how much was done.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Interrupted {
    pub status: u8,
    pub text: String,
}

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const REFUSED: u8 = 3;
/// 128 + SIGINT, the convention of shells.
pub const INTERRUPTED: u8 = 130;

/// Prints what clap says: help and version on stdout, errors on stderr.
pub fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if text.lines().any(|line| clean(line) != line.replace('\t', " ")) {
        // An argument contains control characters: print it cleaned, without clap's colours.
        let cleaned: Vec<String> = text.lines().map(clean).collect();
        let _ = writeln!(std::io::stderr(), "{}", cleaned.join("\n"));
    } else {
        // A closed stdout is not an error.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE))
}

/// Prints an error, cleaned of control characters, and returns its exit status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    // The message may name a path or a person.
    tracing::error!(status = status(error), rule = rule(error), "failed");
    tracing::debug!("failed: {error:#}");
    let message = match rule(error) {
        Some(rule) => format!("refused by the rule {rule}: {error}"),
        None => error.to_string(),
    };
    let _ = writeln!(std::io::stderr(), "error: {}", clean(&message));
    if let Some(options) = refusal(error).and_then(Refusal::options) {
        let _ = writeln!(std::io::stderr(), "hint: use {options}");
    }
    ExitCode::from(status(error))
}

/// The rule that refused, if one did.
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
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return interrupted.status;
    }
    if let Some(store::Error::Stopped) = error.downcast_ref() {
        return super::interrupt::status();
    }
    if let Some(crate::terminal::Error::NoTerminal { .. }) = error.downcast_ref() {
        return WRONG_USAGE;
    }
    if rule(error).is_some() {
        return REFUSED;
    }
    if error.is::<UsageError>() {
        return WRONG_USAGE;
    }
    let cause = match error.downcast_ref::<service::Error>() {
        Some(error) if error.is_usage() => return WRONG_USAGE,
        Some(service::Error::Diffusion(cause)) => Some(cause),
        _ => error.downcast_ref::<E>(),
    };
    match cause {
        Some(E::Cancelled) => INTERRUPTED,
        Some(E::BadSize { .. } | E::OutOfRange { .. } | E::UnknownSampler(_) | E::NoAdapter) => WRONG_USAGE,
        _ => FAILED,
    }
}

/// Whether the reader of stdout has closed the pipe, as in `pentimento … | head`. That is not a failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
