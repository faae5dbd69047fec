"""A canvas with normalised coordinates and antialiased coverage from signed distances. It paints
two pictures at once: the lit one, and a flat one from which the comic style traces its ink lines."""
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=4)
def grid(size):
    axis = ((np.arange(size, dtype=np.float32) + .5) / size * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def colour(r, g, b):
    return np.array([r, g, b], np.float32)


def smooth(x, low, high):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(u, v, width, height):
    """A soft round spot with value 1 at the origin."""
    return np.exp(-((u / width) ** 2 + (v / height) ** 2))


def ellipse(u, v, rx, ry):
    """Approximate signed distance to an axis-parallel ellipse, accurate near the outline."""
    r = np.sqrt((u / rx) ** 2 + (v / ry) ** 2)
    return (r - 1) * min(rx, ry)


class Canvas:
    def __init__(self, size):
        self.size = size
        self.x, self.y = grid(size)
        self.pixel = 2.0 / size
        self.lit = np.zeros((size, size, 3), np.float32)
        self.flat = np.zeros((size, size, 3), np.float32)

    def cover(self, distance, softness=1.0, scale=1.0):
        """Coverage of a shape from its signed distance. `scale` is the size of one unit of the
        shape's coordinates. `softness` widens the edge. The edge is at least 1/192 of the
        picture's width, so that small and large renders of a person look alike."""
        edge = max(self.pixel, 2.0 / 192) * softness / scale
        return np.clip(.5 - distance / edge, 0, 1)

    def paint(self, mask, albedo, shade=None, inked=True):
        """Paints one shape. Small dark features are not `inked`, because comic lines around them
        would fill them."""
        mask = mask[..., None]
        if inked:
            self.flat += (albedo - self.flat) * mask
        shaded = albedo if shade is None else albedo * shade
        self.lit += (shaded - self.lit) * mask
