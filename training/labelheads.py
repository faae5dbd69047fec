"""Linear heads that predict scene and identity labels from an embedding, and their loss."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from portraits.people import IDENTITY_LABELS, SCENE_LABELS, SHAPE


class LabelHeads(nn.Module):
    def __init__(self, width, scene=True, identity=True):
        super().__init__()
        self.scene = nn.ModuleList([nn.Linear(width, len(v)) for v in SCENE_LABELS.values()] if scene else [])
        self.identity = nn.ModuleList([nn.Linear(width, len(v)) for v in IDENTITY_LABELS.values()] if identity else [])
        self.shape = nn.Linear(width, len(SHAPE)) if identity else None

    def loss(self, embedding, scene, identity, shape, weight=None):
        """Sum of the mean cross entropies. `weight` lowers the weight of pictures whose face is hard to read."""
        total = 0.
        if self.scene:
            total = sum(F.cross_entropy(h(embedding), scene[:, k]) for k, h in enumerate(self.scene)) / len(self.scene)
        if self.identity:
            weight = torch.ones(len(embedding)) if weight is None else weight
            for k, head in enumerate(self.identity):
                each = F.cross_entropy(head(embedding), identity[:, k], reduction="none")
                total = total + (each * weight).mean() / len(self.identity)
            miss = F.smooth_l1_loss(self.shape(embedding), shape, reduction="none").mean(1)
            total = total + .6 * (miss * weight).mean()
        return total

    @torch.no_grad()
    def accuracy(self, embedding, scene, identity):
        """The share of correct predictions, by label."""
        found = {}
        for heads, names, truth in ((self.scene, SCENE_LABELS, scene), (self.identity, IDENTITY_LABELS, identity)):
            for k, (head, name) in enumerate(zip(heads, names)):
                found[name] = float((head(embedding).argmax(1) == truth[:, k]).float().mean())
        return found


def rounded(figures):
    return {k: round(v, 3) for k, v in figures.items()}
