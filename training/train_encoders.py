"""Trains the image encoder and the text encoder together, before the denoiser.

The image encoder learns who is in the picture: identity labels, face shape, and a contrastive loss
that pulls two pictures of one person together. The text encoder learns what a caption says about
the scene. A contrastive loss between captions and pictures, as in CLIP (Radford et al. 2021), puts
both in one space, so that their cosine is meaningful. The denoiser's training fine-tunes the text
encoder and keeps this loss.
    python train_encoders.py --steps 2000
"""
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

import dataset
import paths
import progress
import tokenizer as words
from labelheads import LabelHeads, rounded
from portraits.captions import caption

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
WIDTH = 128  # of image embeddings and of text tokens alike
VISION, TEXT = paths.checkpoint("image_encoder"), paths.checkpoint("text_encoder")
STATE = paths.checkpoint("encoders.state")
RATE, PEOPLE = 1.5e-3, 36
TEMPERATURE = .1


def make_vision():
    return CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=160, intermediate_size=480, num_hidden_layers=4, num_attention_heads=4, image_size=dataset.SIZE,
        patch_size=dataset.SIZE // 8, projection_dim=WIDTH, hidden_act="quick_gelu", attn_implementation="eager"))


def make_text(vocabulary):
    end = vocabulary - 1
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=words.LENGTH, hidden_act="quick_gelu", bos_token_id=end - 1, eos_token_id=end,
        pad_token_id=end, projection_dim=WIDTH, attn_implementation="eager"))


def normalise(picture):
    """From the model's -1..1 to what CLIP encoders expect."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return ((picture + 1) / 2 - mean) / std


def vary(picture, rng):
    """Mirrors, shifts, zooms and dims a batch slightly, because references vary in framing."""
    n = len(picture)
    sign = torch.tensor(np.where(rng.random(n) < .5, -1., 1.), dtype=torch.float32)
    zoom = torch.tensor(rng.uniform(.92, 1.08, n), dtype=torch.float32)
    move = torch.tensor(rng.uniform(-.05, .05, (n, 2)), dtype=torch.float32)
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, :, 2] = sign * zoom, zoom, move
    grid = F.affine_grid(matrix, list(picture.shape), align_corners=False)
    moved = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
    gain = torch.tensor(rng.uniform(.85, 1.1, (n, 1, 1, 1)), dtype=torch.float32)
    return ((moved + 1) * gain - 1).clamp(-1, 1)


def contrast(left, right):
    """Mean cross entropy of finding each row's partner among all rows, in both directions (InfoNCE)."""
    likeness = F.normalize(left, dim=1) @ F.normalize(right, dim=1).T / TEMPERATURE
    partner = torch.arange(len(left))
    return (F.cross_entropy(likeness, partner) + F.cross_entropy(likeness.T, partner)) / 2


class Encoders(nn.Module):
    """Both encoders, and the heads that only training uses."""

    def __init__(self, vocabulary):
        super().__init__()
        self.vision, self.text = make_vision(), make_text(vocabulary)
        self.who = LabelHeads(WIDTH, scene=False)
        self.what = LabelHeads(WIDTH, identity=False)

    def loss(self, data, rng):
        """Loss of one batch: a reference and another picture of each person, and a caption of the latter."""
        chosen = rng.choice(len(data.pictures) // dataset.PER_IDENTITY, PEOPLE, replace=False) * dataset.PER_IDENTITY
        first = chosen + rng.integers(0, dataset.REFERENCES, PEOPLE)
        second = chosen + rng.integers(0, dataset.PER_IDENTITY, PEOPLE)
        rows = np.concatenate([first, second])
        picture = vary(dataset.to_tensor(data.pictures[rows]), rng)
        seen = self.vision(pixel_values=normalise(picture)).image_embeds
        ids = words.encode(data.tokenizer, [caption(rng, *data.records[k]) for k in second])
        read = self.text(input_ids=ids).pooler_output
        weight = torch.tensor(np.where(rows % dataset.PER_IDENTITY < dataset.REFERENCES, 1., .4), dtype=torch.float32)
        return {"who": self.who.loss(seen, None, data.identity[rows], data.shape[rows], weight),
                "what": self.what.loss(read, data.scene[second], None, None),
                "same": .15 * contrast(seen[:PEOPLE], seen[PEOPLE:]),
                "clip": .3 * contrast(read, seen[PEOPLE:])}


class Data:
    def __init__(self, split):
        self.pictures, self.records = dataset.load(split)
        self.scene, self.identity, self.shape = dataset.labels(self.records)
        self.tokenizer = words.load()


@torch.no_grad()
def embed(vision, pictures):
    parts = [vision(pixel_values=normalise(dataset.to_tensor(pictures[k:k + 100]))).image_embeds
             for k in range(0, len(pictures), 100)]
    return torch.cat(parts)


@torch.no_grad()
def report(model, data):
    embedding = embed(model.vision, data.pictures)
    reference = torch.arange(len(embedding)) % dataset.PER_IDENTITY < dataset.REFERENCES
    for name, rows in (("references", reference), ("scenes", ~reference)):
        print("held-out", name, rounded(model.who.accuracy(embedding[rows], None, data.identity[rows])))
    unit = F.normalize(embedding, dim=1)
    people = unit.view(-1, dataset.PER_IDENTITY, WIDTH)[:100]
    like = people[:, 0] @ people[:, 1].T
    hit = (like.argmax(1) == torch.arange(len(like))).float().mean()
    other = (like.sum() - like.trace()) / (like.numel() - len(like))
    print(f"cosine: same person {like.diagonal().mean():.3f}, others {other:.3f}; found first among 100: {hit:.2f}")
    rng = np.random.default_rng(9)
    ids = words.encode(data.tokenizer, [caption(rng, *r) for r in data.records])
    pooled = torch.cat([model.text(input_ids=part).pooler_output for part in ids.split(100)])
    print("held-out captions", rounded(model.what.accuracy(pooled, data.scene, None)))
    scenes = torch.arange(len(unit))[~reference][:100]
    like = F.normalize(pooled[scenes], dim=1) @ unit[scenes].T
    hit = (like.argmax(1) == torch.arange(len(like))).float().mean()
    print(f"a caption's picture found first among 100: {hit:.2f}; cosine {like.diagonal().mean():.3f}, "
          f"others {(like.sum() - like.trace()) / (like.numel() - len(like)):.3f}")


def train(steps):
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    data = Data("train")
    model = Encoders(len(data.tokenizer))
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=.02, betas=(.9, .98), fused=True)
    state, step = progress.resume(STATE), 0
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        rng, step = state["rng"], state["step"]
    for name in ("vision", "text"):
        print(name, sum(p.numel() for p in getattr(model, name).parameters()), "parameters", flush=True)
    meter = progress.Meter(50)
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = RATE * progress.cosine(step, steps)
        losses = model.loss(data, rng)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.)
        optimizer.step()
        step += 1
        meter.add(step, **losses)
        if step % 250 == 0 or step == steps:
            progress.save(STATE, model=model.state_dict(), optimizer=optimizer.state_dict(), rng=rng, step=step)
    model.eval()
    report(model, Data("heldout"))
    model.vision.save_pretrained(VISION)
    model.text.save_pretrained(TEXT)
    for split in ("train", "heldout"):
        torch.save(embed(model.vision, dataset.load(split)[0]), paths.checkpoint(f"embeddings-{split}.pt"))


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=2000)
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    train(args.steps)
