"""The two encoders, before the denoiser is trained.

The image encoder learns who is in the picture: identity labels, face shape, and a contrast that
pulls two pictures of one person together. The text encoder learns what a caption says of the
scene; the denoiser's training goes on tuning it.
    python train_encoders.py vision --steps 1700
    python train_encoders.py text --steps 1500
"""
import argparse

import numpy as np
import torch
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


def make_vision():
    return CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=160, intermediate_size=480, num_hidden_layers=4, num_attention_heads=4, image_size=dataset.SIZE,
        patch_size=12, projection_dim=WIDTH, hidden_act="quick_gelu", attn_implementation="eager"))


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
    """Mirror, shift, zoom and dim a batch a little: references are not always framed alike."""
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


def vision_loss(model, heads, pictures, identity, shape, rng, people=32):
    chosen = rng.choice(len(pictures) // dataset.PER_IDENTITY, people, replace=False) * dataset.PER_IDENTITY
    first = chosen + rng.integers(0, dataset.REFERENCES, people)
    second = chosen + rng.integers(0, dataset.PER_IDENTITY, people)
    rows = np.concatenate([first, second])
    picture = vary(dataset.to_tensor(pictures[rows]), rng)
    with torch.autocast("cpu", torch.bfloat16):
        embedding = model(pixel_values=normalise(picture)).image_embeds.float()
    weight = torch.tensor(np.where(rows % dataset.PER_IDENTITY < dataset.REFERENCES, 1., .4), dtype=torch.float32)
    unit = F.normalize(embedding, dim=1)
    likeness = unit @ unit.T / .1
    likeness.fill_diagonal_(-1e4)
    partner = torch.cat([torch.arange(people, 2 * people), torch.arange(people)])
    return (heads.loss(embedding, None, identity[rows], shape[rows], weight)
            + .15 * F.cross_entropy(likeness, partner))


def text_loss(model, heads, tokenizer, records, scene, rng, batch=64):
    rows = rng.integers(0, len(records), batch)
    ids = words.encode(tokenizer, [caption(rng, *records[k]) for k in rows])
    with torch.autocast("cpu", torch.bfloat16):
        pooled = model(input_ids=ids).pooler_output.float()
    return heads.loss(pooled, scene[rows], None, None)


@torch.no_grad()
def embed(vision, pictures):
    parts = [vision(pixel_values=normalise(dataset.to_tensor(pictures[k:k + 100]))).image_embeds
             for k in range(0, len(pictures), 100)]
    return torch.cat(parts)


def report_vision(model, heads):
    pictures, records = dataset.load("heldout")
    _, identity, _ = dataset.labels(records)
    embedding = embed(model, pictures)
    reference = torch.arange(len(pictures)) % dataset.PER_IDENTITY < dataset.REFERENCES
    for name, rows in (("references", reference), ("scenes", ~reference)):
        print("held-out", name, rounded(heads.accuracy(embedding[rows], None, identity[rows])))
    unit = F.normalize(embedding, dim=1).view(-1, dataset.PER_IDENTITY, WIDTH)[:100]
    like = unit[:, 0] @ unit[:, 1].T
    hit = (like.argmax(1) == torch.arange(len(like))).float().mean()
    other = (like.sum() - like.trace()) / (like.numel() - len(like))
    print(f"cosine: same person {like.diagonal().mean():.3f}, others {other:.3f}; found first among 100: {hit:.2f}")


def report_text(model, heads, tokenizer):
    _, records = dataset.load("heldout")
    scene, _, _ = dataset.labels(records)
    rng = np.random.default_rng(9)
    ids = words.encode(tokenizer, [caption(rng, *r) for r in records])
    with torch.no_grad():
        pooled = torch.cat([model(input_ids=part).pooler_output for part in ids.split(100)])
    print("held-out captions", rounded(heads.accuracy(pooled, scene, None)))


def train(which, steps):
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    pictures, records = dataset.load("train")
    scene, identity, shape = dataset.labels(records)
    tokenizer = words.load()
    vision = which == "vision"
    model = make_vision() if vision else make_text(len(tokenizer))
    heads = LabelHeads(WIDTH, scene=not vision, identity=vision)
    rate = 1.5e-3
    parameters = list(model.parameters()) + list(heads.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=.02, betas=(.9, .98), fused=True)
    path = paths.checkpoint(which + ".state")
    state, step = progress.resume(path), 0
    if state:
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        optimizer.load_state_dict(state["optimizer"])
        rng, step = state["rng"], state["step"]
    print(which, sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    meter = progress.Meter(50)
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = rate * progress.cosine(step, steps)
        loss = (vision_loss(model, heads, pictures, identity, shape, rng) if vision
                else text_loss(model, heads, tokenizer, records, scene, rng))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.)
        optimizer.step()
        step += 1
        meter.add(step, loss=loss)
        if step % 500 == 0 or step == steps:
            progress.save(path, model=model.state_dict(), heads=heads.state_dict(), optimizer=optimizer.state_dict(),
                          rng=rng, step=step)
    model.eval()
    if vision:
        report_vision(model, heads)
        model.save_pretrained(VISION)
        for split in ("train", "heldout"):
            torch.save(embed(model, dataset.load(split)[0]), paths.checkpoint(f"embeddings-{split}.pt"))
    else:
        report_text(model, heads, tokenizer)
        model.save_pretrained(TEXT)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("which", choices=["vision", "text"])
    options.add_argument("--steps", type=int, default=1700)
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    train(args.which, args.steps)
