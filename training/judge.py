"""Measures a trained model on people it never saw, with the classifier trained on renders.

Half of the pictures are any scene (text controls); the other half are plain enough that a face
can be read (identity as well). Every figure stands beside what the classifier itself can do: on
renders of the same people and scenes, and on those renders after the autoencoder.
    python judge.py [--out table.json] [--only scales|guidance] [--markdown]
"""
import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

import classifier
import dataset
import model
import paths
import train_encoders
import train_vae
from portraits.captions import plain_caption
from portraits.draw import render
from portraits.people import GENDER, IDENTITY_LABELS, SCENE_LABELS, sample_scene

COUNT = 64


def cases():
    """(reference row in the held-out pictures, person, scene) for each picture to judge."""
    _, records = dataset.load("heldout")
    rng = np.random.default_rng(42)
    chosen = []
    for k in range(COUNT):
        scene = sample_scene(rng)
        if k >= COUNT // 2:
            scene.update(style=0, light=0, camera=int(rng.integers(2)))
        chosen.append((k * dataset.PER_IDENTITY, records[k * dataset.PER_IDENTITY][0], scene))
    return chosen


class Judge:
    def __init__(self, trained):
        self.trained, self.eye = trained, classifier.load()
        self.cases = cases()
        rows = [row for row, _, _ in self.cases]
        pictures, records = dataset.load("heldout")
        _, self.identity, _ = dataset.labels([records[r] for r in rows])
        self.scene = torch.tensor([[s[k] for k in SCENE_LABELS] for _, _, s in self.cases])
        self.embedding = train_encoders.embed(trained.vision, pictures[rows])
        self.prompts = [plain_caption(s, GENDER[p["gender"]]) for _, p, s in self.cases]

    @torch.no_grad()
    def figures(self, pictures):
        pictures = pictures.clamp(-1, 1)
        features = self.eye(pictures)
        half = slice(COUNT // 2, COUNT)
        scene = self.eye.heads.accuracy(features, self.scene, self.identity)
        scene = {k: scene[k] for k in SCENE_LABELS}
        who = {name: float((head(features[half]).argmax(1) == self.identity[half, k]).float().mean())
               for k, (name, head) in enumerate(zip(IDENTITY_LABELS, self.eye.heads.identity))}
        seen = self.trained.vision(pixel_values=train_encoders.normalise(pictures)).image_embeds
        like = F.cosine_similarity(seen[half], self.embedding[half], dim=1).mean()
        table = {"text": np.mean(list(scene.values())), "identity": np.mean(list(who.values())),
                 "likeness": float(like), "saturated": float((pictures.abs() > .97).float().mean()), **scene, **who}
        return {k: round(float(v), 3) for k, v in table.items()}

    def renders(self):
        return dataset.to_tensor(np.stack([render(p, s, dataset.SIZE) for _, p, s in self.cases]))

    def floor(self):
        """What identity scores when every picture is compared with somebody else's reference."""
        half = self.identity[COUNT // 2:]
        order = torch.randperm(len(half), generator=torch.Generator().manual_seed(0))
        same = (half == half[order]).float().mean(0)
        return {"identity": round(float(same.mean()), 3),
                **{k: round(float(v), 3) for k, v in zip(IDENTITY_LABELS, same)}}

    def draw(self, scale=1., guidance=3., steps=12):
        out = []
        for start in range(0, COUNT, 16):
            part = slice(start, start + 16)
            out.append(self.trained.sample(self.prompts[part], self.embedding[part], scale, guidance, steps,
                                           seeds=range(500 + start, 516 + start)))
        return torch.cat(out)


def markdown(table):
    """The table of the model card, from the figures that runs have written."""
    columns = ["text", *SCENE_LABELS, "identity", *IDENTITY_LABELS, "likeness", "saturated"]
    lines = ["| | " + " | ".join(c.replace("_", " ") for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in table.items():
        if isinstance(figures, dict):
            cells = [f"{figures[c]:.2f}" if c != "saturated" and c in figures else
                     f"{figures[c]:.3f}" if c in figures else "–" for c in columns]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(only, out):
    judge = Judge(model.Model())
    print(f"step {judge.trained.step}, {judge.trained.samples} samples")
    table = {"step": judge.trained.step, "samples": judge.trained.samples}

    def note(name, figures):
        table[name] = figures
        print(name, figures, flush=True)
        if out:
            with open(out, "w") as f:
                json.dump(table, f, indent=1)

    if only in (None, "scales"):
        renders = judge.renders()
        note("renders", judge.figures(renders))
        note("after the autoencoder", judge.figures(train_vae.reconstruct(judge.trained.vae, renders)))
        note("reference shuffled", judge.floor())
        for scale in (0., .25, .5, .75, 1.):
            note(f"adapter scale {scale}", judge.figures(judge.draw(scale=scale)))
    if only in (None, "guidance"):
        for guidance in (1., 3., 5., 7.5, 12., 20.):
            note(f"guidance {guidance}", judge.figures(judge.draw(guidance=guidance)))


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--out", default=os.path.join(paths.WORK, "judge.json"))
    options.add_argument("--only", choices=["scales", "guidance"])
    options.add_argument("--markdown", action="store_true", help="print the table already measured")
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    if args.markdown:
        with open(args.out) as f:
            print(markdown(json.load(f)))
        raise SystemExit
    torch.set_num_threads(args.threads)
    run(args.only, args.out)
