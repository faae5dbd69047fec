"""Trains the autoencoder: AutoencoderKL, a quarter of the size in each direction, twelve channels.

With eight channels, a network of this size reached only what the best linear code of 4 x 4 pixels
does (28.4 dB). Twelve leave room for the lines of a face. Two things keep the result from staying
soft: initial weights times the square root of three, because the default initialisation shrinks the
signal at each convolution, and a loss on colour differences. Fixed noise on the latents and a penalty
on their size give broad shapes large latents and fine detail small ones, which is the order in which
the denoiser draws.
    python train_vae.py --steps 5000 --world 2 --rank 0 &  python train_vae.py ... --rank 1
"""
import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image

import dataset
import paths
import progress

FOLDER = paths.checkpoint("vae")
STATE = paths.checkpoint("vae.state")
CROP, BATCH, RATE = 48, 8, 2e-3
CHANNELS, LATENT_CHANNELS = (32, 32, 64), 12
LOG_VARIANCE = -5.


def make_vae():
    vae = AutoencoderKL(in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 3,
                        up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=CHANNELS, layers_per_block=1,
                        latent_channels=LATENT_CHANNELS, norm_num_groups=4, sample_size=dataset.SIZE)
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.weight.mul_(3 ** .5)
        vae.quant_conv.weight[LATENT_CHANNELS:] = 0
        vae.quant_conv.bias[LATENT_CHANNELS:] = LOG_VARIANCE
    return vae.to(memory_format=torch.channels_last)


def loss_of(picture, result, mean, progress_made):
    d = result - picture
    edges = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
    chroma = F.avg_pool2d(torch.stack([d[:, 0] - d[:, 1], d[:, 2] - d[:, 1]], 1), 2).abs().mean()
    loss = (d.abs().mean() + 4 * (d * d).mean() + F.avg_pool2d(d, 8).abs().mean() + 2 * chroma
            + (.5 * edges if progress_made > .4 else 0) + 1e-3 * (mean ** 2).mean())
    return loss, d.abs().mean()


def crops(pictures, rng):
    """Random crops. Half of them are on the face, where people look first."""
    chosen = rng.integers(0, len(pictures), BATCH)
    span = dataset.SIZE - CROP
    corners = np.where(rng.random((BATCH, 1)) < .5, rng.integers(0, span + 1, (BATCH, 2)),
                       np.stack([rng.integers(12, 48, BATCH), rng.integers(24, 56, BATCH)], 1))
    picture = np.stack([pictures[k, i:i + CROP, j:j + CROP] for k, (i, j) in zip(chosen, corners)])
    return dataset.to_tensor(picture).contiguous(memory_format=torch.channels_last)


def train(args):
    steps = args.steps
    torch.manual_seed(0)
    progress.join(args)
    pictures, _ = dataset.load("train")
    vae = make_vae()
    parameters = list(vae.parameters())
    average = progress.Ema(parameters, .995)
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(.9, .98), weight_decay=0, fused=True)
    rng = np.random.default_rng([3, args.rank])
    state, step = progress.resume(STATE), 0
    if state:
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        average.average, step = state["average"], state["step"]
        rng = np.random.default_rng([3, args.rank, step])
    noise = torch.Generator().manual_seed(args.rank + 2 * step)
    meter = progress.Meter(100)
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = RATE * progress.cosine(step, steps, 60)
        picture = crops(pictures, rng)
        mean = vae.quant_conv(vae.encoder(picture))[:, :LATENT_CHANNELS]
        latent = mean + torch.randn(mean.shape, generator=noise) * np.exp(.5 * LOG_VARIANCE)
        result = vae.decoder(vae.post_quant_conv(latent))
        loss, error = loss_of(picture, result, mean, step / steps)
        optimizer.zero_grad()
        loss.backward()
        vae.quant_conv.weight.grad[LATENT_CHANNELS:] = vae.quant_conv.bias.grad[LATENT_CHANNELS:] = 0
        progress.average_gradients(parameters, args.world)
        torch.nn.utils.clip_grad_norm_(parameters, 1.)
        optimizer.step()
        step += 1
        average.update(step)
        if args.rank:
            continue
        meter.add(step, loss=loss, error=error)
        if step % 500 == 0:
            progress.save(STATE, vae=vae.state_dict(), optimizer=optimizer.state_dict(), average=average.average,
                          step=step)
            average.swap()
            vae.save_pretrained(FOLDER)
            print("held-out PSNR", round(psnr(vae, 48), 2), flush=True)
            average.swap()
    average.swap()
    return vae


@torch.no_grad()
def reconstruct(vae, pictures):
    return torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in pictures.split(16)])


def psnr(vae, count=160):
    pictures, _ = dataset.load("heldout")
    pictures = dataset.to_tensor(pictures[::len(pictures) // count][:count])
    error = ((reconstruct(vae, pictures).clamp(-1, 1) - pictures) ** 2).mean((1, 2, 3))
    return float((10 * torch.log10(4 / error)).mean())


@torch.no_grad()
def encode_all(vae, args):
    """Computes the latents of all pictures, divided among the processes, and the scale that gives unit variance."""
    for split in ("train", "heldout"):
        pictures, _ = dataset.load(split)
        first, last = (len(pictures) * k // args.world for k in (args.rank, args.rank + 1))
        latents = torch.cat([vae.encode(dataset.to_tensor(pictures[k:min(k + 32, last)])).latent_dist.mean.half()
                             for k in range(first, last, 32)])
        latents = progress.gathered(latents, args.world)
        if split == "train":
            vae.register_to_config(scaling_factor=round(1 / float(latents.float().std()), 5))
        if args.rank == 0:
            torch.save(latents, paths.checkpoint(f"latents-{split}.pt"))
            print(split, latents.shape, "channel std", latents.float().std((0, 2, 3)), flush=True)


def sheet(vae, path):
    pictures, _ = dataset.load("heldout")
    rows = []
    for k in range(6):
        picture = dataset.to_tensor(pictures[k * 8 + 2:k * 8 + 8])
        pairs = torch.stack([picture, reconstruct(vae, picture)], 1).flatten(0, 1)
        rows.append(np.concatenate(list(dataset.to_bytes(pairs)), 1))
    Image.fromarray(np.concatenate(rows)).save(path)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=5000)
    progress.add_processes(options)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    vae = train(args).eval()
    encode_all(vae, args)
    if args.rank == 0:
        vae.save_pretrained(FOLDER)
        print("held-out PSNR, 160 pictures:", round(psnr(vae), 2), flush=True)
        sheet(vae, os.path.join(paths.SHEETS, "vae.png"))
