//! `subject rights`, `subject withdraw-consent`: list and withdraw the consents for a subject's pictures.

use clap::Args;
use serde_json::json;

use crate::cli::confirm::{OLDER_COPIES, confirm};
use crate::cli::failure::UsageError;
use crate::cli::output::{describe, facts, print, tables};
use crate::cli::project::{self, ProjectArguments};
use crate::service::subjects;
use crate::studio::consent::Consent;
use crate::studio::subject::Handle;
use jiff::Timestamp;

/// List the consents for a subject's pictures, with their numbers
#[derive(Args)]
pub struct List {
    /// The subject's handle, such as ada
    subject: Handle,

    /// Print them as one JSON document
    #[arg(long)]
    json: bool,
}

/// Withdraw a consent: delete its references and every picture made with them
///
/// Queued runs that use these references are deleted, and a running one is cancelled. The history keeps the consent
/// and the date of its withdrawal. This works for every kind: own, consent, licence, public-domain and synthetic.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento subject rights ada\n  pentimento subject withdraw-consent ada 2")]
pub struct Withdraw {
    /// The subject's handle, such as ada
    subject: Handle,

    /// The consent's number from `subject rights`; not needed if there is only one
    number: Option<usize>,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    /// Print what was deleted as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn list(arguments: &List, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let consents = reader.consents(reader.subject(&arguments.subject)?.id)?;
    if arguments.json {
        let now = Timestamp::now();
        let rights = consents.iter().zip(1..).map(|(consent, number)| facts::consent(number, consent, now));
        return Ok(print::document(&json!({"rights": rights.collect::<Vec<_>>()}))?);
    }
    Ok(tables::consents(&consents)?)
}

pub fn withdraw(arguments: &Withdraw, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let consents = reader.consents(reader.subject(&arguments.subject)?.id)?;
    let (number, consent) = choose(&consents, arguments)?;
    let (handle, kind) = (&arguments.subject, consent.grant.kind());
    confirm(
        arguments.yes,
        &format!("This withdraws consent {number} ({kind}) of {handle} and deletes its references and their pictures."),
    )?;
    let deletion = subjects::withdraw_consent(&store, consent.id)?;
    if arguments.json {
        let mut document = facts::deletion(&deletion);
        document["right"] = json!(number);
        return Ok(print::document(&document)?);
    }
    print::line(&format!("Withdrew consent {number} ({kind}) of {handle} and deleted {deletion}."))?;
    print::line(&deletion.proof_sentence())?;
    Ok(print::line(OLDER_COPIES)?)
}

/// The consent with the number that was typed, or the only one that is not withdrawn.
fn choose<'c>(consents: &'c [Consent], arguments: &Withdraw) -> Result<(usize, &'c Consent), UsageError> {
    let handle = &arguments.subject;
    let mut remaining = consents.iter().zip(1..).filter(|(consent, _)| consent.withdrawn.is_none());
    let found = match (arguments.number, remaining.next(), remaining.next()) {
        (Some(number), ..) => consents.iter().zip(1..).find(|(_, each)| *each == number),
        (None, Some(only), None) => Some(only),
        (None, None, _) => return Err(UsageError(format!("{handle} has no consent to withdraw"))),
        (None, Some(_), Some(_)) => {
            return Err(UsageError(format!(
                "{handle} has several consents: add the number that `subject rights {handle}` shows"
            )));
        }
    };
    let (consent, number) = found.ok_or_else(|| {
        let number = arguments.number.unwrap_or_default();
        UsageError(format!("{handle} has no consent {number}: see `subject rights {handle}`"))
    })?;
    match consent.withdrawn {
        Some(at) => Err(UsageError(format!("consent {number} was already withdrawn on {}", describe::day(at)))),
        None => Ok((number, consent)),
    }
}
