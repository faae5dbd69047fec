//! What both convolution algorithms take as input.

/// Sizes of a convolution with a square kernel.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    pub batch: usize,
    /// Input channels.
    pub inputs: usize,
    /// Of the input, in pixels.
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl ConvShape {
    /// Height and width of the output; `None` if the kernel is larger than the padded input.
    pub fn output_size(&self) -> Option<(usize, usize)> {
        let size = |input: usize| Some((input + 2 * self.padding).checked_sub(self.kernel)? / self.stride + 1);
        Some((size(self.height)?, size(self.width)?))
    }
}

/// What is added to the result of a convolution.
#[derive(Clone, Copy)]
pub struct Addends<'a> {
    /// [out]
    pub bias: &'a [f32],
    /// A tensor of the result's shape.
    pub onto: Option<&'a [f32]>,
}
