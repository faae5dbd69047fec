//! How work is divided among rayon's threads, and the scratch memory that each thread keeps.

use std::cell::RefCell;

use rayon::prelude::*;

use super::tile::{COLUMNS, PADDED};

/// Work of fewer multiplications (about 20 µs on one core) stays on one thread: waking others costs more.
const MIN_PARALLEL_WORK: usize = 1 << 20;

/// A pointer to an output that several tasks write at once, each its own part.
#[derive(Clone, Copy)]
pub struct OutputPtr(*mut f32);

// SAFETY: dereferencing is unsafe, and that code guarantees that the tasks' parts do not overlap.
unsafe impl Send for OutputPtr {}
// SAFETY: as above.
unsafe impl Sync for OutputPtr {}

impl OutputPtr {
    pub fn new(at: *mut f32) -> Self {
        Self(at)
    }

    pub fn get(self) -> *mut f32 {
        self.0
    }
}

/// Runs `task` for each index below `count`. `work` is the total cost of all tasks, in multiplications.
pub fn for_each(count: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    if count < 2 || work < MIN_PARALLEL_WORK {
        (0..count).for_each(task);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// Into how many parts to split each of `count` pieces of work so that all threads are busy. Large work is split into
/// several parts per thread, because threads are rarely equally fast.
pub fn splits(count: usize, work: usize) -> usize {
    let threads = rayon::current_num_threads();
    let each = (work / threads / (8 * MIN_PARALLEL_WORK)).clamp(1, 4);
    (each * threads).div_ceil(count.max(1))
}

/// Into how many panels of at most [`COLUMNS`] columns to cut `total` columns: at least one per thread, unless panels
/// would become narrower than [`PADDED`] columns.
pub fn panels(total: usize) -> usize {
    total.div_ceil(COLUMNS).max(rayon::current_num_threads().min(total.div_ceil(PADDED)))
}

/// The length of a run when `total` items are cut into at most `parts` runs. It is a multiple of `unit`; the last run
/// may be shorter.
pub fn run_length(total: usize, parts: usize, unit: usize) -> usize {
    total.div_ceil(unit).div_ceil(parts.max(1)).max(1) * unit
}

/// Lends `task` this thread's scratch memory: `len` values with arbitrary contents.
pub fn with_scratch<T>(len: usize, task: impl FnOnce(&mut [f32]) -> T) -> T {
    thread_local!(static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    // Taken out while in use, so that a nested call gets different memory.
    let mut scratch = SCRATCH.take();
    if scratch.len() < len {
        scratch = vec![0.0; len];
    }
    let result = task(&mut scratch[..len]);
    SCRATCH.set(scratch);
    result
}
