//! How work is spread over rayon's threads, and the scratch memory that each of them keeps.

use std::cell::RefCell;

use rayon::prelude::*;

use super::tile::{COLUMNS, PADDED};

/// Below this many multiplications waking another thread costs more than it saves (about 20 µs of one core).
const WORTH_A_THREAD: usize = 1 << 20;

/// A pointer that several tasks write through, each to places of its own.
#[derive(Clone, Copy)]
pub struct Shared(*mut f32);

// SAFETY: whoever dereferences the pointer (always in an unsafe block) answers for tasks not meeting.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(at: *mut f32) -> Self {
        Self(at)
    }

    pub fn get(self) -> *mut f32 {
        self.0
    }
}

/// Runs `task` for each number below `count`; `work` is the number of multiplications (or as costly steps) in all.
pub fn for_each(count: usize, work: usize, task: impl Fn(usize) + Sync + Send) {
    if count < 2 || work < WORTH_A_THREAD {
        (0..count).for_each(task);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// Into how many parts each of `count` pieces of work should be split so that every thread has enough to do: several
/// for each where there is much to do, since threads are rarely equally fast.
pub fn splits(count: usize, work: usize) -> usize {
    let threads = rayon::current_num_threads();
    let each = (work / threads / (8 * WORTH_A_THREAD)).clamp(1, 4);
    (each * threads).div_ceil(count.max(1))
}

/// Into how many panels to cut `total` columns, which take 48 each at most: at least one for every thread, but none
/// narrower than a vector.
pub fn panels(total: usize) -> usize {
    total.div_ceil(COLUMNS).max(rayon::current_num_threads().min(total.div_ceil(PADDED)))
}

/// `total` in `parts` runs whose lengths are multiples of `unit` (the last may be shorter): the length of a run.
pub fn run_length(total: usize, parts: usize, unit: usize) -> usize {
    total.div_ceil(unit).div_ceil(parts.max(1)).max(1) * unit
}

/// Lends the thread's scratch memory: `len` numbers of unknown value.
pub fn with_scratch<T>(len: usize, task: impl FnOnce(&mut [f32]) -> T) -> T {
    thread_local!(static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    // Taken out while in use: a task that itself asks for scratch gets other memory.
    let mut scratch = SCRATCH.take();
    if scratch.len() < len {
        scratch = vec![0.0; len];
    }
    let result = task(&mut scratch[..len]);
    SCRATCH.set(scratch);
    result
}
