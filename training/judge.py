"""Evaluates a trained model on people it never saw, with the classifier trained on renders only.

Half of the pictures show any scene and test the text's control. The other half are plain enough
that the classifier can read a face, and test identity as well. The first rows are the classifier's
own accuracy: on renders of the same people and scenes, and on those renders after the autoencoder.
`other` is the identity score against somebody else's reference: the level of chance.
    python judge.py [--out table.json] [--only scales guidance steps words style weak] [--markdown]
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
import tokenizer
import train_encoders
import train_vae
from portraits import weak
from portraits.captions import STYLES, held_out_caption, plain_caption
from portraits.draw import render
from portraits.people import EXPRESSION, GENDER, IDENTITY_LABELS, SCENE_LABELS, STYLE, sample_scene

COUNT = 64
PLAIN = slice(COUNT // 2, COUNT)  # the half in which identity is read
FEW = 8  # steps in the sections that only compare rows with each other
SECTIONS = ["renders", "scales", "guidance", "steps", "words", "style", "weak"]


def cases():
    """(reference row in the held-out pictures, person, scene) for each picture to evaluate."""
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
        self.somebody = self.identity.roll(1, 0)
        self.scene = torch.tensor([[s[k] for k in SCENE_LABELS] for _, _, s in self.cases])
        self.embedding = train_encoders.embed(trained.vision, pictures[rows])
        self.prompts = [plain_caption(s, GENDER[p["gender"]]) for _, p, s in self.cases]

    @torch.no_grad()
    def figures(self, pictures, prompts=None):
        pictures = pictures.clamp(-1, 1)
        features = self.eye(pictures)
        scene = self.eye.heads.accuracy(features, self.scene, self.identity)
        scene = {k: scene[k] for k in SCENE_LABELS}
        who, other = self.read_identity(features[PLAIN])
        seen = self.trained.vision(pixel_values=train_encoders.normalise(pictures)).image_embeds
        like = F.cosine_similarity(seen[PLAIN], self.embedding[PLAIN], dim=1).mean()
        words = self.trained.text(input_ids=tokenizer.encode(self.trained.tokenizer, prompts or self.prompts))
        clip = F.cosine_similarity(words.pooler_output, seen, dim=1).mean()
        return {"text": np.mean(list(scene.values())), "identity": np.mean(list(who.values())), "other": other,
                "likeness": float(like), "clip": float(clip),
                "saturated": float((pictures.abs() > .97).float().mean()), **scene, **who}

    def read_identity(self, features):
        """The share of correct traits, by trait, and the mean share that matches somebody else."""
        read = torch.stack([head(features).argmax(1) for head in self.eye.heads.identity], 1)
        right = (read == self.identity[PLAIN]).float().mean(0)
        other = (read == self.somebody[PLAIN]).float().mean()
        return dict(zip(IDENTITY_LABELS, right.tolist())), float(other)

    def renders(self):
        return dataset.to_tensor(np.stack([render(p, s, dataset.SIZE) for _, p, s in self.cases]))

    def draw(self, prompts=None, embedding=None, rows=slice(0, COUNT), scale=1., guidance=3., steps=20):
        prompts = (self.prompts if prompts is None else prompts)[rows]
        embedding = (self.embedding if embedding is None else embedding)[rows]
        seeds = range(500 + (rows.start or 0), 500 + rows.stop)
        out = []
        for start in range(0, len(prompts), 16):
            part = slice(start, start + 16)
            out.append(self.trained.sample(prompts[part], embedding[part], scale, guidance, steps, seeds=seeds[part]))
        return torch.cat(out)

    @torch.no_grad()
    def expression_left_open(self):
        """Prompts with and without a word for the expression: the share of each expression in the pictures."""
        found = {}
        for name in ("with words", "without words"):
            scenes = [dict(s) for _, _, s in self.cases[PLAIN]]
            prompts = [plain_caption(s, GENDER[p["gender"]], say_expression=name == "with words")
                       for s, (_, p, _) in zip(scenes, self.cases[PLAIN])]
            pictures = self.draw([""] * (COUNT // 2) + prompts, rows=PLAIN, steps=FEW).clamp(-1, 1)
            index = list(SCENE_LABELS).index("expression")
            read = self.eye.heads.scene[index](self.eye(pictures)).argmax(1)
            asked = self.scene[PLAIN, index]
            found[name] = {"right": float((read == asked).float().mean()),
                           **{e: float((read == k).float().mean()) for k, e in enumerate(EXPRESSION)}}
        return found

    @torch.no_grad()
    def style_against_reference(self, style, scale):
        """The plain portraits with a strong style clause: how certain the style is, and how correct the identity."""
        clause = ", ".join(STYLES[style])
        prompts = [p.replace(STYLES[0][0], clause) for p in self.prompts]
        pictures = self.draw(prompts, rows=PLAIN, scale=scale, steps=FEW).clamp(-1, 1)
        features = self.eye(pictures)
        index = list(SCENE_LABELS).index("style")
        sure = self.eye.heads.scene[index](features).softmax(1)[:, style].mean()
        who, other = self.read_identity(features)
        seen = self.trained.vision(pixel_values=train_encoders.normalise(pictures)).image_embeds
        like = F.cosine_similarity(seen, self.embedding[PLAIN], dim=1).mean()
        return {"identity": np.mean(list(who.values())), "other": other, "likeness": float(like),
                "style confidence": float(sure)}

    def weak_reference(self, kind):
        people = [p for _, p, _ in self.cases]
        pictures = np.stack([weak.KINDS[kind](p, dataset.SIZE) for p in people[PLAIN]])
        embedding = torch.zeros_like(self.embedding)
        embedding[PLAIN] = train_encoders.embed(self.trained.vision, pictures)
        pictures = self.draw(embedding=embedding, rows=PLAIN, steps=FEW).clamp(-1, 1)
        with torch.no_grad():
            who, other = self.read_identity(self.eye(pictures))
        return {"identity": np.mean(list(who.values())), "other": other, **who}


def rounded(figures):
    return {k: rounded(v) if isinstance(v, dict) else round(float(v), 3) for k, v in figures.items()}


def markdown(table, columns):
    lines = ["| | " + " | ".join(c.replace("_", " ") for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in table.items():
        cells = [f"{figures[c]:.3f}" if c == "saturated" else f"{figures[c]:.2f}" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tables(table):
    """The tables of the model card, from figures measured earlier."""
    means = {k: v for s in ("renders", "scales", "guidance", "steps") for k, v in table.get(s, {}).items()}
    yield "Averages", markdown(means, ["text", "identity", "other", "likeness", "clip", "saturated"])
    yield "Attributes set by the prompt", markdown(means, list(SCENE_LABELS))
    yield "Attributes taken from the reference", markdown(means, list(IDENTITY_LABELS))
    if "style" in table:
        yield "Style against reference", markdown(table["style"], ["identity", "other", "likeness", "style confidence"])
    if "weak" in table:
        yield "Weak references", markdown(table["weak"], ["identity", "other", *IDENTITY_LABELS])
    if "words" in table:
        expressions = {k: v for k, v in table["words"].items() if k != "unseen wordings"}
        yield "Expression", markdown(expressions, ["right", *EXPRESSION])
        yield "Unseen wordings", markdown({"unseen wordings": table["words"]["unseen wordings"]},
                                          ["text", *SCENE_LABELS])


def sections(judge):
    """A generator of rows for each section."""
    def renders():
        drawn = judge.renders()
        yield "renders", judge.figures(drawn)
        yield "after the autoencoder", judge.figures(train_vae.reconstruct(judge.trained.vae, drawn))

    def scales():
        for scale in (0., .25, .5, .75, 1.):
            yield f"adapter scale {scale}", judge.figures(judge.draw(scale=scale))

    def guidance():
        for value in (1., 3., 5., 7.5, 12., 20.):
            yield f"guidance {value}", judge.figures(judge.draw(guidance=value))

    def steps():
        for count in (4, 8, 15, 25):
            yield f"{count} steps", judge.figures(judge.draw(steps=count))

    def words():
        yield from judge.expression_left_open().items()
        rng = np.random.default_rng(6)
        prompts = [held_out_caption(rng, s, GENDER[p["gender"]]) for _, p, s in judge.cases]
        yield "unseen wordings", judge.figures(judge.draw(prompts), prompts)

    def style():
        for name, scale in ((0, 1.), (0, .3), (1, 1.), (1, .3), (2, 1.), (2, .3), (3, 1.), (3, .3)):
            yield f"{STYLE[name]}, adapter scale {scale}", judge.style_against_reference(name, scale)

    def weak_ones():
        for kind in weak.KINDS:
            yield kind, judge.weak_reference(kind)

    return dict(zip(SECTIONS, (renders, scales, guidance, steps, words, style, weak_ones)))


def run(only, out):
    judge = Judge(model.Model())
    print(f"step {judge.trained.step}, {judge.trained.samples} samples")
    table = {}
    if os.path.exists(out):
        with open(out) as f:
            table = json.load(f)
    if table.get("step") != judge.trained.step:
        table = {"step": judge.trained.step, "samples": judge.trained.samples}
    for section, rows in sections(judge).items():
        if only and section not in only:
            continue
        table[section] = {}
        for name, figures in rows():
            table[section][name] = rounded(figures)
            print(name, table[section][name], flush=True)
            with open(out, "w") as f:
                json.dump(table, f, indent=1)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--out", default=os.path.join(paths.WORK, "judge.json"))
    options.add_argument("--only", nargs="+", choices=SECTIONS)
    options.add_argument("--markdown", action="store_true", help="print the tables measured earlier")
    options.add_argument("--threads", type=int, default=1)
    args = options.parse_args()
    if args.markdown:
        with open(args.out) as f:
            for title, lines in tables(json.load(f)):
                print(f"### {title}\n\n{lines}\n")
        raise SystemExit
    torch.set_num_threads(args.threads)
    run(args.only, args.out)
