//! The rights to a subject's pictures: looking at them, and withdrawing one.

use clap::Args;
use serde_json::json;

use crate::cli::confirm::confirm;
use crate::cli::failure::Usage;
use crate::cli::lookup::now;
use crate::cli::project::{self, ProjectArguments};
use crate::cli::{facts, print};
use crate::service::subjects;
use crate::studio::consent::{Consent, ConsentStatus};
use crate::studio::subject::Handle;

/// List the rights to a subject's pictures, with their numbers
#[derive(Args)]
pub struct List {
    /// The subject's short name, such as ada
    subject: Handle,

    /// Print them as one JSON document
    #[arg(long)]
    json: bool,
}

/// Withdraw a right: its references go for good, and every picture made with them
///
/// Runs that wait go too, one under way is cancelled, and the history keeps that there was a right and when it was
/// withdrawn. It is the same for consent, a licence or any other kind of right.
#[derive(Args)]
#[command(after_help = "Example:\n  pentimento subject rights ada\n  pentimento subject withdraw-consent ada 2")]
pub struct Withdraw {
    /// The subject's short name, such as ada
    subject: Handle,

    /// The right's number, as `subject rights` lists it; may be left out where only one is left
    number: Option<usize>,

    /// Go on without asking
    #[arg(long)]
    yes: bool,

    /// Print what went as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn list(arguments: &List, project: &ProjectArguments) -> anyhow::Result<()> {
    let reader = project::open_read_only(project)?;
    let rights = reader.consents(reader.subject(&arguments.subject)?.id)?;
    if arguments.json {
        let rights = rights.iter().zip(1..).map(|(right, number)| facts::right(number, right, now()));
        return Ok(print::document(&json!({"rights": rights.collect::<Vec<_>>()}))?);
    }
    tell(&rights)
}

pub fn tell(rights: &[Consent]) -> anyhow::Result<()> {
    if rights.is_empty() {
        return Ok(print::line("  none recorded: `ref add` records one with --rights and --statement")?);
    }
    let row = |(right, number): (&Consent, usize)| {
        let standing = match right.status(now()) {
            ConsentStatus::Valid => match right.grant.expires() {
                Some(expires) => format!("in force until {}", print::day(expires)),
                None => "in force".to_owned(),
            },
            ConsentStatus::NotYetValid(at) => format!("from {} on", print::day(at)),
            ConsentStatus::Expired(at) => format!("ended on {}", print::day(at)),
            ConsentStatus::Withdrawn(at) => format!("withdrawn on {}", print::day(at)),
        };
        let (kind, statement) = (right.grant.kind().to_string(), right.grant.statement().to_owned());
        vec![format!("  {number}"), kind, standing, statement]
    };
    Ok(print::table(&rights.iter().zip(1..).map(row).collect::<Vec<_>>())?)
}

pub fn withdraw(arguments: &Withdraw, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let rights = reader.consents(reader.subject(&arguments.subject)?.id)?;
    let (number, right) = choose(&rights, arguments)?;
    let (handle, kind) = (&arguments.subject, right.grant.kind());
    confirm(
        arguments.yes,
        &format!("The right {number} ({kind}) to pictures of {handle} goes, with its references and what they made."),
    )?;
    let deletion = subjects::withdraw_consent(&store, right.id)?;
    if arguments.json {
        let mut document = facts::deletion(&deletion);
        document["right"] = json!(number);
        return Ok(print::document(&document)?);
    }
    print::line(&format!("The right {number} ({kind}) to pictures of {handle} is withdrawn."))?;
    Ok(print::line(&format!("Deleted for good: {deletion}."))?)
}

/// The right with the number that was typed, or the only one left.
fn choose<'r>(rights: &'r [Consent], arguments: &Withdraw) -> Result<(usize, &'r Consent), Usage> {
    let handle = &arguments.subject;
    let mut left = rights.iter().zip(1..).filter(|(right, _)| right.withdrawn.is_none());
    let found = match (arguments.number, left.next(), left.next()) {
        (Some(number), ..) => rights.iter().zip(1..).find(|(_, each)| *each == number),
        (None, Some(only), None) => Some(only),
        (None, None, _) => return Err(Usage(format!("{handle} has no right that could be withdrawn"))),
        (None, Some(_), Some(_)) => {
            return Err(Usage(format!(
                "{handle} has several rights; say which, as `subject rights {handle}` numbers them"
            )));
        }
    };
    let (right, number) = found.ok_or_else(|| {
        let number = arguments.number.unwrap_or_default();
        Usage(format!("{handle} has no right with the number {number}; `subject rights {handle}` lists them"))
    })?;
    if let ConsentStatus::Withdrawn(at) = right.status(now()) {
        return Err(Usage(format!("the right {number} was withdrawn on {} already", print::day(at))));
    }
    Ok((number, right))
}
