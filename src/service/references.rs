//! Reference pictures: add files as candidates, decide on them, withdraw them.

use std::fmt;
use std::path::{Path, PathBuf};

use image::RgbImage;
use jiff::Timestamp;

use super::{Deletion, Error, Result};
use crate::imaging;
use crate::store::blobs::Content;
use crate::store::references::{NewReference, Opinion};
use crate::store::{self, Reader, Store};
use crate::studio::consent::Grant;
use crate::studio::ids::{ReferenceId, SubjectId};
use crate::studio::reference::{self, Decision, Gate, Reference, ReferenceState};
use crate::studio::rules::Refusal;
use crate::studio::subject::ReferenceName;

/// Adds picture files as candidates of a subject, in their order, and returns them.
///
/// A picture is stored upright and in sRGB, without its camera data (EXIF, GPS). With a `grant`, that consent is
/// recorded first and the pictures are added under it; otherwise they use the subject's newest valid consent.
///
/// # Errors
/// All files are opened before anything is recorded, so that an unreadable file changes nothing.
pub fn add(
    store: &Store,
    subject: SubjectId,
    files: &[PathBuf],
    label: Option<&str>,
    grant: Option<&Grant>,
) -> Result<Vec<Reference>> {
    let candidates = files.iter().map(|file| open(file, label)).collect::<Result<Vec<_>>>()?;
    let consent = grant.map(|grant| store.add_consent(subject, grant)).transpose()?;
    let reader = store.reader()?;
    let added = candidates.into_iter().map(|new| {
        let id = store.add_reference(subject, &NewReference { consent, ..new }, Timestamp::now())?;
        Ok(reader.reference_by_id(id)?)
    });
    added.collect()
}

/// Opens a picture file as a candidate. Without a label the file's name becomes the label.
pub fn open(file: &Path, label: Option<&str>) -> Result<NewReference> {
    candidate(&imaging::open_picture(file)?.picture, file, label)
}

/// A candidate made from a decoded picture; `file` names it in errors and, without a label, in lists.
pub fn candidate(picture: &RgbImage, file: &Path, label: Option<&str>) -> Result<NewReference> {
    let png = |picture| {
        imaging::plain_png(picture)
            .map(|bytes| Content { bytes, media_type: "image/png" })
            .map_err(|error| Error::Encoding { path: file.to_owned(), reason: error.to_string() })
    };
    let name = || file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(NewReference {
        consent: None,
        thumbnail: Some(png(&imaging::thumbnail(picture))?),
        width: picture.width(),
        height: picture.height(),
        picture: png(picture)?,
        label: label.map_or_else(name, str::to_owned),
        gate: Gate::Unmeasured,
        report: None,
    })
}

/// Approves, rejects or retires a reference, and returns it as it is now.
pub fn decide(store: &Store, reference: ReferenceId, decision: Decision, opinion: &Opinion) -> Result<Reference> {
    store.decide(reference, decision, opinion, Timestamp::now())?;
    Ok(store.reader()?.reference_by_id(reference)?)
}

/// What withdrawing a reference deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    pub reference: ReferenceName,
    pub deletion: Deletion,
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Withdrew {} and deleted its picture.", self.reference)
    }
}

/// What the withdrawal of a reference deletes: the question of the command line and the workbench.
pub fn withdrawal_consequence(reference: &ReferenceName) -> String {
    format!("This deletes {reference} and every picture made with it.")
}

/// Deletes a reference permanently, with every picture that was made with it.
pub fn withdraw(store: &Store, reference: ReferenceId) -> Result<Withdrawal> {
    let name = store.reader()?.reference_by_id(reference)?.name;
    let deletion = Deletion::proven(store.withdraw_reference(reference, Timestamp::now())?)?;
    Ok(Withdrawal { reference: name, deletion })
}

/// The subject's newest approved reference, if it has one.
///
/// # Errors
/// Fails if no reference is approved but there is a candidate: a run without a reference would surprise the user.
pub fn newest_approved(reader: &Reader, subject: SubjectId) -> store::Result<Option<Reference>> {
    let references = reader.references(subject)?;
    match (reference::newest_approved(&references), reference::newest(&references, ReferenceState::Candidate)) {
        (Some(approved), _) => Ok(Some(approved.clone())),
        (None, Some(candidate)) => {
            Err(Refusal::UnapprovedReference { reference: candidate.name.clone(), state: candidate.state }.into())
        }
        (None, None) => Ok(None),
    }
}
