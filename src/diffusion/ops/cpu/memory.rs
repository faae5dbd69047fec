//! Huge pages for large buffers. With 4 KiB pages, the page faults of a new tensor cost as much as some of the kernels
//! that fill it, and weights overflow the processor's translation buffer at every step.

/// Smaller buffers keep ordinary pages.
const MIN_BYTES: usize = 4 << 20;

/// An empty vector with room for `len` values.
pub fn with_capacity(len: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    advise_huge_pages(values.as_mut_ptr(), len);
    values
}

/// A vector of `len` zeros.
pub fn zeros(len: usize) -> Vec<f32> {
    // `vec!` asks the system for zeroed pages, so no page has been touched yet.
    let mut values = vec![0.0; len];
    advise_huge_pages(values.as_mut_ptr(), len);
    values
}

/// Asks the system to back an unused buffer with huge pages. If the system declines, the buffer is only slower.
#[cfg(target_os = "linux")]
fn advise_huge_pages(at: *mut f32, len: usize) {
    const PAGE: usize = 2 << 20;
    let bytes = len * size_of::<f32>();
    if bytes < MIN_BYTES {
        return;
    }
    // The whole huge pages within the buffer.
    let skip = at.addr().next_multiple_of(PAGE) - at.addr();
    let length = (bytes - skip) / PAGE * PAGE;
    // SAFETY: the range lies in a buffer that we own, and the advice does not change its contents.
    let _ =
        unsafe { rustix::mm::madvise(at.wrapping_byte_add(skip).cast(), length, rustix::mm::Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: *mut f32, len: usize) {
    let _ = len < MIN_BYTES;
}
