"""Trains the denoiser and the adapter, and fine-tunes the text encoder.

Latents and image embeddings are precomputed. Each sample is a person, one of their pictures as the
target, a different picture as the reference, and a new caption. Errors in the middle of the picture,
where the face is, have more weight. Start one process per core; gradients are averaged:
    python train_unet.py --steps 3600 --world 2 --rank 0 &  python train_unet.py ... --rank 1
The learning rate stays high and falls over the last 40 % of the steps. To change the number of steps
during training, write it to steps.txt in the folder of intermediate files.
"""
import argparse
import os

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel

import dataset
import model
import paths
import progress
import tokenizer as words
import train_encoders
from adapter import Adapter
from portraits.captions import caption, empty_caption

RATE, TEXT_RATE, ADAPTER_RATE = 1e-3, 3e-4, 1e-3
DROP_CAPTION, DROP_IMAGE, ADAPTER_OFF = .10, .08, .15
FAINTEST = .05  # below this share of noise, the weight of errors stops growing
CONTRAST = .02  # weight of the loss that keeps captions and pictures in one space
PLAN = os.path.join(paths.WORK, "steps.txt")


def schedule(step, steps, warmup=120, fall=.4, floor=.02):
    left = max(0., 1 - step / steps) / fall
    return min(1, (step + 1) / warmup) * max(floor, min(1, left))


class Batches:
    """Draws training samples. Some targets are reference pictures, because users try plain portraits
    first."""

    def __init__(self, seed, tokenizer):
        _, self.records = dataset.load("train")
        self.latents = torch.load(paths.checkpoint("latents-train.pt")).float()
        self.latents *= AutoencoderKL.from_pretrained(paths.checkpoint("vae")).config.scaling_factor
        self.embeddings = torch.load(paths.checkpoint("embeddings-train.pt"))
        self.people = len(self.records) // dataset.PER_IDENTITY
        self.tokenizer = tokenizer
        self.rng = np.random.default_rng([11, seed])
        self.noise = torch.Generator().manual_seed(1000 + seed)
        self.kept = model.scheduler().alphas_cumprod

    def draw(self, n):
        rng = self.rng
        person = rng.integers(0, self.people, n) * dataset.PER_IDENTITY
        plain = rng.random(n) < .15
        which = np.where(plain, rng.integers(0, dataset.REFERENCES, n),
                         rng.integers(dataset.REFERENCES, dataset.PER_IDENTITY, n))
        reference = np.where(plain, 1 - which, rng.integers(0, dataset.REFERENCES, n))
        dropped = rng.random(n) < DROP_CAPTION
        texts = [empty_caption(rng) if dropped[i] else caption(rng, *self.records[person[i] + which[i]])
                 for i in range(n)]
        no_image = rng.random(n) < np.where(dropped, .5, DROP_IMAGE)
        embedding = self.embeddings[person + reference] * torch.tensor(~no_image).float()[:, None]
        scale = torch.tensor(rng.random(n) >= ADAPTER_OFF).float()
        clean = self.latents[person + which]
        t = timesteps(n, self.noise)
        noise = torch.randn(clean.shape, generator=self.noise)
        kept = self.kept[t].view(-1, 1, 1, 1)
        noisy = kept.sqrt() * clean + (1 - kept).sqrt() * noise
        # Weights the error of clean latents like an error of velocity (Salimans and Ho 2022), up to a bound at low noise.
        counts = 1 / (1 - kept).clamp(min=FAINTEST)
        described = torch.tensor(~dropped)
        picture = self.embeddings[person + which]
        return noisy, t, clean, counts, words.encode(self.tokenizer, texts), embedding, scale, picture, described


def timesteps(n, generator):
    """Half uniform, half at medium noise, where the face takes shape."""
    anywhere = torch.rand(n, generator=generator)
    middle = torch.sigmoid(torch.randn(n, generator=generator) * .8 - .2)
    half = torch.rand(n, generator=generator) < .5
    return (torch.where(half, anywhere, middle) * 1000).long().clamp(0, 999)


def face_weight():
    """Weight of each latent in the loss (H x W, mean 1), highest on the face."""
    axis = (torch.arange(model.LATENT) + .5) / model.LATENT * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    weight = 1 + 2.5 * torch.exp(-((x / .38) ** 2 + ((y + .02) / .45) ** 2))
    return weight / weight.mean()


def planned(steps):
    try:
        with open(PLAN) as f:
            return int(f.read())
    except (OSError, ValueError):
        return steps


def train(args):
    torch.manual_seed(4)
    progress.join(args)
    tokenizer = words.load()
    unet = model.make_unet().to(memory_format=torch.channels_last)
    adapter = Adapter(unet)
    text = CLIPTextModel.from_pretrained(train_encoders.TEXT, attn_implementation="eager")
    parts = {"unet": unet, "adapter": adapter, "text": text}
    groups = [dict(params=list(parts[k].parameters()), base=rate)
              for k, rate in (("unet", RATE), ("adapter", ADAPTER_RATE), ("text", TEXT_RATE))]
    parameters = [p for g in groups for p in g["params"]]
    names = [(k, n) for k in ("unet", "adapter", "text") for n, _ in parts[k].named_parameters()]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(.9, .98), weight_decay=.01, fused=True)
    average = progress.Ema(parameters)
    step, samples, state = 0, 0, progress.resume(model.STATE)
    if state:
        for k, part in parts.items():
            part.load_state_dict(state[k])
        optimizer.load_state_dict(state["optimizer"])
        average.average, step, samples = state["average"], state["step"], state["samples"]
    batches = Batches(args.rank + 100 * step, tokenizer)
    steps, meter, weight = args.steps, progress.Meter(25), face_weight()
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * schedule(step, steps)
        noisy, t, clean, counts, ids, embedding, scale, picture, described = batches.draw(args.batch)
        read = text(input_ids=ids)
        adapter.image_tokens, adapter.scale = adapter.image_proj(embedding), scale
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        guess = unet(noisy, t, encoder_hidden_states=read.last_hidden_state).sample
        each = ((guess - clean) ** 2 * weight * counts).mean((1, 2, 3))
        same_space = train_encoders.contrast(read.pooler_output[described], picture[described])
        optimizer.zero_grad()
        (each.mean() + CONTRAST * same_space).backward()
        steps = round(progress.average_gradients(parameters, args.world, planned(args.steps)))
        torch.nn.utils.clip_grad_norm_(parameters, 1.)
        optimizer.step()
        step, samples = step + 1, samples + args.batch * args.world
        if args.rank:
            continue
        average.update(step)
        meter.add(step, loss=each.mean(), clip=same_space, late=each[t < 300].mean() if (t < 300).any() else each.mean(),
                  rate=optimizer.param_groups[0]["lr"])
        if step % 100 == 0 or step >= steps:
            out = {k: dict(part.state_dict()) for k, part in parts.items()}
            for (k, n), value in zip(names, average.average):
                out[k][n] = value
            progress.save(model.AVERAGE, step=step, samples=samples, **out)
        if step % 200 == 0 or step >= steps:
            progress.save(model.STATE, optimizer=optimizer.state_dict(), average=average.average, step=step,
                          samples=samples, **{k: part.state_dict() for k, part in parts.items()})


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=3000)
    options.add_argument("--batch", type=int, default=12, help="samples per process")
    progress.add_processes(options)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    train(args)
