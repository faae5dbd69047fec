//! Large buffers in large pages: a fault for every 4 KiB of a new tensor costs as much as some of the kernels that fill
//! it, and weights in small pages miss the processor's table of pages at every step.

/// Buffers of fewer bytes are left as they are.
const WORTH_IT: usize = 4 << 20;

/// An empty vector with room for `len` numbers.
pub fn with_room(len: usize) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(len);
    in_large_pages(numbers.as_mut_ptr(), len);
    numbers
}

/// `len` zeros.
pub fn zeros(len: usize) -> Vec<f32> {
    // Asked from the system as zeros, which new pages are anyway.
    let mut numbers = vec![0.0; len];
    in_large_pages(numbers.as_mut_ptr(), len);
    numbers
}

/// Asks for the buffer, of which nothing was used yet, to be backed by large pages. Nothing is lost when it is not.
#[cfg(target_os = "linux")]
fn in_large_pages(at: *mut f32, len: usize) {
    const PAGE: usize = 2 << 20;
    let bytes = len * size_of::<f32>();
    if bytes < WORTH_IT {
        return;
    }
    // The whole large pages in the buffer.
    let skip = at.addr().next_multiple_of(PAGE) - at.addr();
    let length = (bytes - skip) / PAGE * PAGE;
    // SAFETY: the range lies in a buffer we own, and the advice changes no number in it.
    let _ =
        unsafe { rustix::mm::madvise(at.wrapping_byte_add(skip).cast(), length, rustix::mm::Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn in_large_pages(_: *mut f32, len: usize) {
    let _ = len < WORTH_IT;
}
