"""A small convolutional classifier of scene and identity for judge.py. It is trained on renders
only and never on generated pictures.
    python classifier.py --steps 1200
"""
import argparse

import numpy as np
import torch
import torch.nn as nn

import dataset
import paths
import progress
from labelheads import LabelHeads, rounded

STATE = paths.checkpoint("classifier.state")


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        channels, layers = [3, 32, 48, 96, 160, 192], []
        for k in range(5):
            layers += [nn.Conv2d(channels[k], channels[k + 1], 3 if k else 5, 2, 1 if k else 2),
                       nn.GroupNorm(8, channels[k + 1]), nn.SiLU()]
            if k:
                layers += [nn.Conv2d(channels[k + 1], channels[k + 1], 3, 1, 1), nn.GroupNorm(8, channels[k + 1]), nn.SiLU()]
        side = dataset.SIZE // 32
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(192 * side * side, 256), nn.SiLU())
        self.heads = LabelHeads(256)

    def forward(self, picture):
        return self.features(picture)


def load():
    model = Classifier()
    model.load_state_dict(progress.resume(STATE)["model"])
    return model.eval()


def train(steps, batch=48):
    torch.manual_seed(2)
    rng = np.random.default_rng(2)
    pictures, records = dataset.load("train")
    scene, identity, shape = dataset.labels(records)
    model = Classifier().to(memory_format=torch.channels_last)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1.5e-3, weight_decay=.02, betas=(.9, .98), fused=True)
    state, step = progress.resume(STATE), 0
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        rng, step = state["rng"], state["step"]
    meter = progress.Meter(50)
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * progress.cosine(step, steps)
        rows = rng.integers(0, len(pictures), batch)
        features = model(dataset.to_tensor(pictures[rows]).contiguous(memory_format=torch.channels_last))
        loss = model.heads.loss(features, scene[rows], identity[rows], shape[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.)
        optimizer.step()
        step += 1
        meter.add(step, loss=loss)
        if step % 500 == 0 or step == steps:
            progress.save(STATE, model=model.state_dict(), optimizer=optimizer.state_dict(), rng=rng, step=step)
    return model.eval()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=1500)
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    model = train(args.steps)
    pictures, records = dataset.load("heldout")
    scene, identity, _ = dataset.labels(records)
    with torch.no_grad():
        features = torch.cat([model(part) for part in dataset.to_tensor(pictures).split(100)])
    print("held-out renders", rounded(model.heads.accuracy(features, scene, identity)))
