"""Draws a sheet of samples: one held-out reference per row, one prompt per column.
    python samples.py sheet.png [--scale 1] [--guidance 3] [--people 0 1 2 3 4 5] [--demo]
With --demo the prompts are those of models/mini/subject/prompts.toml.
"""
import argparse
import os
import tomllib

import numpy as np
import torch
from PIL import Image

import dataset
import model
import paths
import train_encoders
from portraits.draw import render
from portraits.people import person_from_seed, studio_scene

PROMPTS = [
    "portrait of a calm person in a studio, head and shoulders, soft light, natural photo, looking at the camera",
    "portrait of a smiling person wearing a yellow sweater on a beach, close-up, sharp background, warm golden light, natural photo",
    "portrait of a person wearing a blue shirt in a forest, head and shoulders, soft light, watercolor, looking left",
    "portrait of a person in a city at night, close-up, shallow depth of field, neon light, natural photo, looking at the camera",
    "portrait of a surprised person wearing a red top in the mountains, close-up, comic",
    "portrait of a sad person in a library, head and shoulders, hard side light, noir",
    "portrait of a smiling person wearing a green sweater in a library, close-up, blurred background, soft light, natural photo, looking right",
    "portrait of a serious person wearing a white shirt in a studio, head and shoulders, low-key light, natural photo",
]


def reference(index, size=256):
    """The plain portrait of a held-out person, as shipped with the model."""
    person, _ = person_from_seed(dataset.HELD_OUT_SEED, index)
    return render(person, studio_scene(), size)


def as_seen(picture):
    """A reference at the size that the encoder reads."""
    return np.asarray(Image.fromarray(picture).resize((dataset.SIZE, dataset.SIZE), Image.BICUBIC))


def demo_prompts():
    with open(os.path.join(paths.MODEL, "subject", "prompts.toml"), "rb") as f:
        return [(p["prompt"], p.get("negative", "")) for p in tomllib.load(f)["prompt"]]


def sheet(trained, people, prompts, scale, guidance, steps, seed):
    rows = []
    for index in people:
        seen = as_seen(reference(index))
        embedding = train_encoders.embed(trained.vision, seen[None]).expand(len(prompts), -1)
        pictures = trained.sample([p for p, _ in prompts], embedding, scale, guidance, steps,
                                  seeds=[seed] * len(prompts))
        rows.append(np.concatenate([seen, *dataset.to_bytes(pictures)], 1))
    return np.concatenate(rows)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("path")
    options.add_argument("--scale", type=float, default=1.)
    options.add_argument("--guidance", type=float, default=3.)
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--people", type=int, nargs="+", default=[0, 1, 2, 3, 4, 5])
    options.add_argument("--demo", action="store_true")
    args = options.parse_args()
    prompts = demo_prompts() if args.demo else [(p, "") for p in PROMPTS]
    picture = Image.fromarray(sheet(model.Model(), args.people, prompts, args.scale, args.guidance, args.steps, args.seed))
    picture.resize((picture.width * 2, picture.height * 2), Image.BICUBIC).save(args.path)
