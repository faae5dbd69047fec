//! The queue: gives runs to workers so that each run is done exactly once, even if workers die.
//!
//! A worker claims a run with a lease and renews the lease with heartbeats. Everything it writes names the worker and
//! the attempt. The store rejects such a write once the lease has passed to another worker, or the run was cancelled or
//! deleted.
//!
//! - `claims`: claiming runs, leases, progress, and how a run ends
//! - `control`: cancelling, retrying and reordering runs
//! - `pause`: pausing and resuming the queue
//! - `devices`: one worker per device; `reports`: what workers do, and releasing the leases of dead ones
//! - `list`: reading the queue

pub(super) mod claims;
mod control;
mod devices;
mod list;
mod pause;
mod reports;

pub use claims::{Claim, Claimed, Finish, Heartbeat, HeartbeatReply, Next, ResumePoint};
