//! Leases on devices: one worker per device.

use std::time::Duration;

use jiff::Timestamp;

use super::claims::lease_end;
use crate::store::columns::Time;
use crate::store::{Durability, Error, Result, Store};

impl Store {
    /// Leases a device to a worker, or renews its lease. Fails while another worker's lease lasts. A lease that was
    /// renewed further in the future than it lasts is void, because the clock was set back since.
    pub fn lease_device(&self, device: &str, owner: &str, lease: Duration, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            transaction
                .prepare_cached("UPDATE worker_reports SET heartbeat = ?2 WHERE owner = ?1")?
                .execute((owner, Time(at)))?;
            let sql = "INSERT INTO workers (device, owner, lease, heartbeat) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO UPDATE SET owner = ?2, lease = ?3, heartbeat = ?4
                       WHERE owner = ?2 OR lease <= ?4 OR heartbeat - (lease - heartbeat) > ?4";
            if transaction.prepare_cached(sql)?.execute((device, owner, lease_end(at, lease), Time(at)))? == 1 {
                return Ok(());
            }
            let sql = "SELECT owner FROM workers WHERE device = ?1";
            let owner = transaction.query_row(sql, [device], |row| row.get(0))?;
            Err(Error::DeviceTaken { device: device.to_owned(), owner })
        })
    }

    /// Ends a worker's lease on a device.
    pub fn release_device(&self, device: &str, owner: &str) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            transaction.execute("DELETE FROM workers WHERE device = ?1 AND owner = ?2", (device, owner))?;
            Ok(())
        })
    }
}
