//! Imports bundles into a project: all of them, or nothing.
//!
//! Rows are matched by their UUIDs; a row that exists here is left as it is. A new row must satisfy this project's rules
//! and changes nothing else. If its handle or number is taken, it gets another one, and the report says which.
//!
//! **Consent.** Imported data is usable only if both the bundle and this project allow it. A consent counts as withdrawn
//! if either of them says so: references under it are imported without their images, and outputs made with them are left
//! out. An approved reference without a valid consent becomes a candidate. Existing references and outputs keep their
//! state. An import never deletes: it reports a withdrawal that only the bundle records, so that a person can act on it.
//! A forgotten subject left no trace here, so it is imported as a new one; the report names every new subject.
//!
//! - `pass`: one pass over a bundle, and matching rows by UUID
//! - `subject`: subjects; `consents`: consents and references; `runs`: runs, outputs and reviews; `presets`: baselines
//!   and presets

mod consents;
mod pass;
mod presets;
mod runs;
mod subject;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::check::wrong;
use super::parcel::Parcel;
use super::report::Report;
use super::rows::Bundle;
use crate::store::blobs::Source;
use crate::store::{Result, Store};
use pass::Import;

impl Store {
    /// Imports bundles, all or none. Returns a report for each.
    ///
    /// The rows are imported twice. The first, trial transaction is rolled back: it finds errors, and which blobs are
    /// needed. The blobs are then written while no transaction is open, before the second transaction.
    pub fn import(&self, parcels: &[Parcel], at: Timestamp) -> Result<Vec<Report>> {
        let all = |connection: &Connection, source: Option<&Source<'_>>| {
            let mut needed = BTreeMap::new();
            let mut reports = Vec::with_capacity(parcels.len());
            for (number, parcel) in parcels.iter().enumerate() {
                let import = Import::new(self, connection, &parcel.bundle, at, source);
                reports.push(import.all(&parcel.bundle).map_err(|error| error.of_bundle(&parcel.path))?);
                needed.extend(import.blobs.into_inner().into_iter().map(|hash| (*hash.as_bytes(), number)));
            }
            Ok((reports, needed))
        };
        let (_, needed) = self.try_out(|transaction| all(transaction, None))?;
        let fetch = |hash: &blake3::Hash| {
            let number = needed.get(hash.as_bytes()).copied().unwrap_or_default();
            let parcel = parcels.get(number).ok_or_else(|| wrong(format!("image {hash} is missing")))?;
            match (parcel.blobs)(hash)? {
                bytes if blake3::hash(&bytes) == *hash => Ok(bytes),
                _ => Err(wrong(format!("the content of image {hash} does not match its hash"))),
            }
        };
        let hashes: Vec<blake3::Hash> = needed.keys().map(|bytes| blake3::Hash::from_bytes(*bytes)).collect();
        self.write_with_fetched_blobs(&hashes, &fetch, |transaction| Ok(all(transaction, Some(&fetch))?.0))
    }

    /// Runs a step in a transaction and rolls it back.
    fn try_out<T>(&self, step: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.with_writer(|writer| {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            step(&transaction)
        })
    }
}

impl Import<'_> {
    fn all(&self, bundle: &Bundle) -> Result<Report> {
        let mut report = Report::default();
        for row in &bundle.subjects {
            report.subjects.push(self.subject(row)?);
        }
        bundle.presets.iter().try_for_each(|row| self.preset(&mut report.presets, row))?;
        Ok(report)
    }
}
