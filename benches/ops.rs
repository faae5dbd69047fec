//! Compares our kernels with candle's operations, at the shapes of Stable Diffusion 1.5 and of the built-in model. See
//! `benches/README.md`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use candle_core::{D, Device, Module, Result, Tensor};
use pentimento::diffusion::ops::{self, Activation, Conv2d, GroupNorm, LayerNorm, Linear};

/// How long to measure each line.
const DURATION: Duration = Duration::from_millis(1500);

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    println!("{:40}{:>12}{:>12}{:>8}{:>12}", "", "candle ms", "ours ms", "ratio", "GFLOP/s");
    let bench = Bench { words };
    convolutions(&bench)?;
    linear_layers(&bench)?;
    attentions(&bench)?;
    rows(&bench)
}

struct Bench {
    words: Vec<String>,
}

impl Bench {
    fn is_selected(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Runs both sides in turns and prints the best time of each.
    fn line(
        &self,
        name: &str,
        flops: usize,
        candle: impl Fn() -> Result<Tensor>,
        ours: impl Fn() -> Result<Tensor>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut best = [f64::INFINITY; 2];
        let mut time = |side: usize, run: &dyn Fn() -> Result<Tensor>| -> Result<()> {
            let started = Instant::now();
            black_box(run()?);
            best[side] = best[side].min(started.elapsed().as_secs_f64());
            Ok(())
        };
        while started.elapsed() < DURATION {
            time(0, &candle)?;
            time(1, &ours)?;
        }
        let [candle, ours] = best;
        let rate = flops as f64 / ours / 1e9;
        println!("{name:40}{:>12.3}{:>12.3}{:>8.2}{rate:>12.1}", candle * 1e3, ours * 1e3, ours / candle);
        Ok(())
    }
}

fn random(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

fn convolutions(bench: &Bench) -> anyhow::Result<()> {
    for (batch, inputs, outputs, side, kernel, stride) in [
        (2, 4, 320, 64, 3, 1),
        (2, 320, 320, 64, 3, 1),
        (2, 960, 320, 64, 3, 1),
        (2, 640, 640, 32, 3, 1),
        (2, 1280, 1280, 16, 3, 1),
        (2, 2560, 1280, 8, 3, 1),
        (2, 320, 320, 64, 3, 2),
        (2, 320, 320, 64, 1, 1),
        (1, 512, 512, 64, 3, 1),
        (1, 256, 128, 256, 3, 1),
        (1, 128, 3, 256, 3, 1),
        (2, 64, 64, 24, 3, 1),
        (2, 128, 128, 12, 3, 1),
        (2, 160, 160, 6, 3, 1),
        (2, 64, 64, 24, 3, 2),
    ] {
        let name = format!("conv {kernel}×{kernel} /{stride}, {batch}×{inputs}→{outputs}, {side}²");
        if !bench.is_selected(&name) {
            continue;
        }
        let x = random(&[batch, inputs, side, side])?;
        let weight = random(&[outputs, inputs, kernel, kernel])?;
        let bias = random(&[outputs])?;
        let plain = bias.reshape((1, outputs, 1, 1))?;
        let conv = Conv2d::new(weight.clone(), Some(bias), stride, kernel / 2)?;
        let flops = 2 * batch * inputs * outputs * (side / stride).pow(2) * kernel * kernel;
        let candle = || x.conv2d(&weight, kernel / 2, stride, 1, 1)?.broadcast_add(&plain);
        bench.line(&name, flops, candle, || conv.forward(&x))?;
    }
    Ok(())
}

fn linear_layers(bench: &Bench) -> anyhow::Result<()> {
    for (tokens, inputs, outputs) in [
        (8192, 320, 320),
        (8192, 320, 2560),
        (2048, 2560, 640),
        (512, 1280, 10240),
        (154, 768, 1280),
        (1, 1280, 1280),
        (288, 128, 1024),
        (72, 640, 160),
    ] {
        let name = format!("linear {tokens}×{inputs}→{outputs}");
        if !bench.is_selected(&name) {
            continue;
        }
        let (x, weight, bias) = (random(&[1, tokens, inputs])?, random(&[outputs, inputs])?, random(&[outputs])?);
        let plain = candle_nn::Linear::new(weight.clone(), Some(bias.clone()));
        let linear = Linear::new(weight, Some(bias))?;
        bench.line(&name, 2 * tokens * inputs * outputs, || plain.forward(&x), || linear.forward(&x))?;
    }
    Ok(())
}

fn attentions(bench: &Bench) -> anyhow::Result<()> {
    for (batch, queries, keys, heads, size) in [
        (2, 4096, 4096, 8, 40),
        (2, 1024, 1024, 8, 80),
        (2, 256, 256, 8, 160),
        (2, 4096, 77, 8, 40),
        (2, 4096, 4, 8, 40),
        (1, 4096, 4096, 1, 512),
        (2, 144, 144, 4, 32),
        (2, 36, 77, 4, 40),
    ] {
        let name = format!("attention {batch}×{queries}×{keys}, {heads} of {size}");
        if !bench.is_selected(&name) {
            continue;
        }
        let inner = heads * size;
        let (q, k) = (random(&[batch, queries, inner])?, random(&[batch, keys, inner])?);
        let v = random(&[batch, keys, inner])?;
        let candle = || {
            let split = |x: &Tensor, rows| x.reshape((batch, rows, heads, size))?.transpose(1, 2)?.contiguous();
            let (q, k, v) = (split(&q, queries)?, split(&k, keys)?, split(&v, keys)?);
            let scores = ((q * (1.0 / (size as f64).sqrt()))?.matmul(&k.t()?))?;
            let weights = candle_nn::ops::softmax_last_dim(&scores)?;
            weights.matmul(&v)?.transpose(1, 2)?.reshape((batch, queries, inner))
        };
        bench.line(&name, 4 * batch * queries * keys * inner, candle, || ops::attention(&q, &k, &v, heads, false))?;
    }
    Ok(())
}

fn rows(bench: &Bench) -> anyhow::Result<()> {
    for (batch, channels, side) in [(2, 320, 64), (1, 128, 256), (2, 64, 24)] {
        let name = format!("group norm and SiLU, {batch}×{channels}, {side}²");
        if !bench.is_selected(&name) {
            continue;
        }
        let x = random(&[batch, channels, side, side])?;
        let (weight, bias) = (random(&[channels])?, random(&[channels])?);
        let plain = candle_nn::GroupNorm::new(weight.clone(), bias.clone(), channels, 32, 1e-5)?;
        let norm = GroupNorm::new(weight, bias, 32, 1e-5)?;
        bench.line(&name, 0, || plain.forward(&x)?.silu(), || norm.forward_silu(&x))?;
    }
    for (tokens, size) in [(8192, 320), (288, 128)] {
        let (x, weight, bias) = (random(&[tokens, size])?, random(&[size])?, random(&[size])?);
        let plain = candle_nn::LayerNorm::new(weight.clone(), bias.clone(), 1e-5);
        let norm = LayerNorm::new(weight, bias, 1e-5)?;
        let name = format!("layer norm, {tokens}×{size}");
        if bench.is_selected(&name) {
            bench.line(&name, 0, || plain.forward(&x), || norm.forward(&x))?;
        }
        let x = random(&[tokens, 8 * size])?;
        let name = format!("GEGLU, {tokens}×{size}·8");
        if bench.is_selected(&name) {
            let candle = || {
                let halves = x.chunk(2, D::Minus1)?;
                &halves[0] * halves[1].contiguous()?.gelu_erf()?
            };
            bench.line(&name, 0, candle, || ops::geglu(&x))?;
        }
        let name = format!("quick GELU, {tokens}×{size}·8");
        if bench.is_selected(&name) {
            let candle = || &x * candle_nn::ops::sigmoid(&(&x * 1.702f64)?)?;
            bench.line(&name, 0, candle, || Activation::QuickGelu.forward(&x))?;
        }
    }
    Ok(())
}
