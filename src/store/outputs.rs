//! Outputs: the image of a seed. An output exists once its file is on the disk and its row is committed.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::studio::ids::{OutputId, RunId};
use crate::studio::output::{Measures, Output};
use crate::studio::output_key;
use crate::studio::reference::Picture;
use crate::studio::review::Verdict;

use super::blobs::Content;
use super::columns::{Hash, Id, Time, insert, json, named, to_json};
use super::queue::{self, Claim};
use super::{Durability, Error, Reader, Result, Store, runs};

/// An image that a worker generated.
#[derive(Clone, Debug)]
pub struct NewOutput {
    pub seed: u64,
    /// [`output_key`](crate::studio::output_key::output_key) of what it was made from.
    pub key: blake3::Hash,
    pub picture: Content,
    pub thumbnail: Option<Content>,
    /// The final latents, if they are kept.
    pub latents: Option<Content>,
    /// In pixels.
    pub width: u32,
    pub height: u32,
    pub measures: Option<Measures>,
}

impl Store {
    /// Stores an output of a running run. If the seed has an output already, that one stays and its ID is returned.
    pub fn add_output(&self, claim: &Claim, new: &NewOutput, at: Timestamp) -> Result<OutputId> {
        let contents: Vec<&Content> =
            [Some(&new.picture), new.thumbnail.as_ref(), new.latents.as_ref()].into_iter().flatten().collect();
        let measures = new.measures.as_ref().map(to_json).transpose()?;
        let seed = new.seed.cast_signed();
        let check = |connection: &Connection| queue::claims::check_lease(connection, claim);
        self.write_with_blobs(&contents, check, |transaction| {
            check(transaction)?;
            if !runs::by_id(transaction, claim.run)?.seeds.as_slice().contains(&new.seed) {
                return Err(Error::ForeignSeed { task: claim.task.clone(), seed: new.seed });
            }
            let sql = "SELECT id FROM outputs WHERE run_id = ?1 AND seed = ?2";
            let stored =
                transaction.prepare_cached(sql)?.query_row((claim.run.0, seed), |row| row.get(0)).optional()?;
            if let Some(stored) = stored {
                return Ok(OutputId(stored));
            }
            let blob = |content: &Option<Content>| {
                content.as_ref().map(|content| self.record_blob(transaction, content, at)).transpose()
            };
            let columns: [(&str, &dyn rusqlite::ToSql); 12] = [
                ("uuid", &Id::new()),
                ("run_id", &claim.run.0),
                ("seed", &seed),
                ("key", &Hash(new.key)),
                ("key_version", &output_key::VERSION),
                ("picture", &self.record_blob(transaction, &new.picture, at)?),
                ("thumbnail", &blob(&new.thumbnail)?),
                ("latents", &blob(&new.latents)?),
                ("width", &new.width),
                ("height", &new.height),
                ("measures", &measures),
                ("created", &Time(at)),
            ];
            let output = insert(transaction, "outputs", &columns)?;
            // The seed is done, so its resume point is not needed.
            transaction.prepare_cached("DELETE FROM resume_points WHERE run_id = ?1")?.execute([claim.run.0])?;
            queue::claims::reset_attempts(transaction, claim)?;
            Ok(OutputId(output))
        })
    }

    /// Sets the measures of an output.
    pub fn set_measures(&self, output: OutputId, measures: &Measures) -> Result<()> {
        let measures = to_json(measures)?;
        self.write(Durability::Full, |transaction| {
            match transaction.execute("UPDATE outputs SET measures = ?2 WHERE id = ?1", (output.0, measures))? {
                0 => Err(missing(output)),
                _ => Ok(()),
            }
        })
    }

    /// Deletes an output's latents; its image stays.
    pub fn drop_latents(&self, output: OutputId) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let latents: Option<Hash> = transaction
                .query_row("SELECT latents FROM outputs WHERE id = ?1", [output.0], |row| row.get(0))
                .optional()?
                .ok_or_else(|| missing(output))?;
            transaction.execute("UPDATE outputs SET latents = NULL WHERE id = ?1", [output.0])?;
            Self::release_blobs(transaction, latents.as_slice())?;
            Ok(())
        })?;
        self.finish_removals().map(drop)
    }
}

impl Reader {
    /// The outputs of a run, the oldest first.
    pub fn outputs(&self, run: RunId) -> Result<Vec<Output>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM outputs WHERE run_id = ?1 ORDER BY id")?;
            statement.query_and_then([run.0], output)?.collect()
        })
    }

    pub fn output(&self, output: OutputId) -> Result<Output> {
        self.read(|connection| by_id(connection, output))
    }

    /// Finds the output with this image file, in any run.
    pub fn output_with_picture(&self, picture: &blake3::Hash) -> Result<Option<Output>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT * FROM outputs WHERE picture = ?1 ORDER BY id LIMIT 1")?;
            statement.query_and_then([Hash(*picture)], output)?.next().transpose()
        })
    }

    /// Finds an output with the same key in any run; its image is identical.
    pub fn output_with_key(&self, key: &blake3::Hash) -> Result<Option<Output>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT * FROM outputs WHERE key = ?1 AND key_version = ?2 ORDER BY id LIMIT 1")?;
            statement.query_and_then((Hash(*key), output_key::VERSION), output)?.next().transpose()
        })
    }
}

pub(super) fn by_id(connection: &Connection, id: OutputId) -> Result<Output> {
    let mut statement = connection.prepare_cached("SELECT * FROM outputs WHERE id = ?1")?;
    statement.query_and_then([id.0], output)?.next().unwrap_or_else(|| Err(missing(id)))
}

fn missing(output: OutputId) -> Error {
    Error::NotFound { what: "output", name: format!("number {}", output.0) }
}

pub(super) fn output(row: &Row<'_>) -> Result<Output> {
    let hash = |column| Ok::<_, Error>(row.get::<_, Option<Hash>>(column)?.map(|hash| hash.0));
    Ok(Output {
        id: OutputId(row.get("id")?),
        uuid: row.get::<_, Id>("uuid")?.0,
        run: RunId(row.get("run_id")?),
        seed: row.get::<_, i64>("seed")?.cast_unsigned(),
        key: row.get::<_, Hash>("key")?.0,
        picture: Picture {
            blob: row.get::<_, Hash>("picture")?.0,
            thumbnail: hash("thumbnail")?,
            width: row.get("width")?,
            height: row.get("height")?,
        },
        latents: hash("latents")?,
        measures: json(row, "measures")?,
        verdict: named(row, "verdict", Verdict::from_name)?,
        created: row.get::<_, Time>("created")?.0,
    })
}
