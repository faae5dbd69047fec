//! What was permanently deleted, as both the command line and the workbench report it.

use std::fmt;

use super::{Error, Result};
use crate::store::forget::DeletionReport;
use crate::store::proof::Proof;
use crate::store::removal::Pending;

/// The counts of what a deletion removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    pub references: u64,
    pub runs: u64,
    pub outputs: u64,
    pub reviews: u64,
    /// Files that nothing else used.
    pub files: Vec<blake3::Hash>,
    /// Why some deleted bytes are still on the disk.
    pub pending: Option<Pending>,
    /// The search of the project for what was deleted.
    pub proof: Proof,
}

impl Deletion {
    /// Takes over the store's report.
    ///
    /// # Errors
    /// Fails if a file that the store could not delete still contains something deleted.
    pub(super) fn proven(report: DeletionReport) -> Result<Self> {
        match (report.pending, report.proof.remains.first()) {
            (None, Some(path)) => Err(Error::FileRemains { path: path.clone() }),
            _ => Ok(report.into()),
        }
    }

    /// What was searched, and whether anything is left, as one sentence.
    pub fn proof_sentence(&self) -> String {
        let Proof { files, bytes, searched_for, .. } = self.proof;
        let searched = format!(
            "Searched {files} files ({:.1} MiB) for {searched_for} deleted hashes, names and identifiers",
            bytes as f64 / f64::from(1 << 20)
        );
        match self.pending {
            None => format!("{searched}: none is left."),
            Some(pending) => format!("{searched}. Some deleted bytes are still on the disk: {pending}."),
        }
    }
}

impl From<DeletionReport> for Deletion {
    fn from(report: DeletionReport) -> Self {
        let DeletionReport { references, runs, outputs, reviews, blobs, pending, proof } = report;
        Self { references, runs, outputs, reviews, files: blobs, pending, proof }
    }
}

/// `2 references, 3 runs, 9 outputs, 1 review, 22 files`
impl fmt::Display for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.references, "reference"),
            (self.runs, "run"),
            (self.outputs, "output"),
            (self.reviews, "review"),
            (self.files.len() as u64, "file"),
        ];
        for (place, (count, what)) in counts.into_iter().enumerate() {
            let (comma, plural) = (if place == 0 { "" } else { ", " }, if count == 1 { "" } else { "s" });
            write!(f, "{comma}{count} {what}{plural}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_a_list() {
        let deletion = Deletion { references: 1, runs: 3, ..Deletion::default() };
        assert_eq!(deletion.to_string(), "1 reference, 3 runs, 0 outputs, 0 reviews, 0 files");
    }
}
