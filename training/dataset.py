"""Draws the training pictures in shards and reads them back.

A shard is one hundred identities, each with two reference pictures and six scenes. Existing
shards are not drawn again, so an interrupted run resumes. Two processes can share the work, each
taking every other shard:  python dataset.py --worker 0 --workers 2
"""
import argparse
import json
import os
import time

import numpy as np
import torch

import paths
from portraits.draw import render
from portraits.people import (IDENTITY_LABELS, SCENE_LABELS, SHAPE, person_from_seed, sample_reference_scene,
                              sample_scene)

SIZE = 128
REFERENCES, SCENES = 2, 6
PER_IDENTITY = REFERENCES + SCENES
SHARD = 100
TRAIN_SEED, HELD_OUT_SEED = 1, 2
TRAIN_SHARDS, HELD_OUT_SHARDS = 23, 2


def shard_path(split, index):
    return os.path.join(paths.DATA, f"{split}-{index:03d}")


def draw_shard(split, index):
    """Writes the pictures as one .npy and their attributes as one .json. The .json marks completion."""
    base = shard_path(split, index)
    if os.path.exists(base + ".json"):
        return
    seed = TRAIN_SEED if split == "train" else HELD_OUT_SEED
    pictures = np.empty((SHARD * PER_IDENTITY, SIZE, SIZE, 3), np.uint8)
    records = []
    for k in range(SHARD):
        person, rng = person_from_seed(seed, index * SHARD + k)
        for j in range(PER_IDENTITY):
            scene = sample_reference_scene(rng) if j < REFERENCES else sample_scene(rng)
            pictures[len(records)] = render(person, scene, SIZE)
            records.append((person, scene))
    np.save(base + ".npy", pictures)
    with open(base + ".tmp", "w") as f:
        json.dump(records, f)
    os.replace(base + ".tmp", base + ".json")


def load(split):
    """All finished pictures of a split (uint8, N x H x W x 3) and their (person, scene) records."""
    count = TRAIN_SHARDS if split == "train" else HELD_OUT_SHARDS
    pictures, records = [], []
    for index in range(count):
        base = shard_path(split, index)
        if os.path.exists(base + ".json"):
            pictures.append(np.load(base + ".npy", mmap_mode="r"))
            with open(base + ".json") as f:
                records += json.load(f)
    return np.concatenate(pictures), records


def labels(records):
    """Class labels of scene and identity, and the continuous traits of face shape scaled to -1..1."""
    scene = torch.tensor([[s[k] for k in SCENE_LABELS] for _, s in records])
    identity = torch.tensor([[p[k] for k in IDENTITY_LABELS] for p, _ in records])
    low = np.array([a for a, _ in SHAPE.values()])
    high = np.array([b for _, b in SHAPE.values()])
    shape = np.array([[p[k] for k in SHAPE] for p, _ in records])
    return scene, identity, torch.tensor((shape - low) / (high - low) * 2 - 1, dtype=torch.float32)


def to_tensor(pictures):
    """Bytes (N x H x W x 3) to the model's range (N x 3 x H x W in -1..1)."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(tensor):
    return ((tensor.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--worker", type=int, default=0)
    options.add_argument("--workers", type=int, default=1)
    args = options.parse_args()
    os.makedirs(paths.DATA, exist_ok=True)
    jobs = [("heldout", i) for i in range(HELD_OUT_SHARDS)] + [("train", i) for i in range(TRAIN_SHARDS)]
    for split, index in jobs[args.worker::args.workers]:
        draw_shard(split, index)
        print(split, index, f"CPU {time.process_time():.0f} s", flush=True)
