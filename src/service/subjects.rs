//! Subjects and the consents for their pictures.

use std::fmt;

use jiff::Timestamp;

use super::{Deletion, Error, Result};
use crate::store::Store;
use crate::store::verify::Problem;
use crate::studio::consent::{ConsentKind, Grant};
use crate::studio::ids::{ConsentId, SubjectId};
use crate::studio::subject::{Handle, Subject};

/// Adds a subject and returns it.
pub fn add(store: &Store, handle: &Handle, name: &str, note: &str) -> Result<Subject> {
    let id = store.add_subject(handle, name, note, Timestamp::now())?;
    Ok(store.reader()?.subject_by_id(id)?)
}

/// Changes the name that is shown. The handle stays, because run IDs contain it.
pub fn rename(store: &Store, subject: SubjectId, name: &str) -> Result<Subject> {
    store.rename_subject(subject, name)?;
    Ok(store.reader()?.subject_by_id(subject)?)
}

/// Records a consent that is valid from now on.
pub fn record_consent(
    store: &Store,
    subject: SubjectId,
    kind: ConsentKind,
    statement: &str,
    expires: Option<Timestamp>,
) -> Result<ConsentId> {
    let grant = Grant::new(kind, statement, Timestamp::now(), expires)?;
    Ok(store.add_consent(subject, &grant)?)
}

/// Withdraws a consent, and permanently deletes its references and every picture made with them.
pub fn withdraw_consent(store: &Store, consent: ConsentId) -> Result<Deletion> {
    Deletion::proven(store.withdraw_consent(consent, Timestamp::now())?)
}

/// What forgetting a subject deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    pub handle: Handle,
    pub deletion: Deletion,
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forgot {} and deleted {}.", self.handle, self.deletion)
    }
}

/// Deletes a subject with every picture that only it used, then checks the whole project for leftovers.
///
/// # Errors
/// Fails after the deletion if a file is still there, or if `verify` finds a problem.
pub fn forget(store: &Store, subject: SubjectId) -> Result<Forgotten> {
    let handle = store.reader()?.subject_by_id(subject)?.handle;
    let deletion = Deletion::proven(store.forget_subject(subject)?)?;
    let mut problems = store.verify()?.problems;
    // The folder's permissions do not matter to this deletion.
    problems.retain(|problem| !matches!(problem, Problem::Permissions { .. }));
    match problems.first() {
        Some(first) => Err(Error::ProblemsRemain { handle, count: problems.len(), first: first.to_string() }),
        None => Ok(Forgotten { handle, deletion }),
    }
}
