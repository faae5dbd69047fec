"""Unsuitable references: small, dark, compressed or seen from the side.

Each function draws a person the way a bad photograph might show them. Training never uses them. They measure what a
weak reference costs, and they can test a quality check.
"""
import io

import numpy as np
from PIL import Image

from .draw import render
from .people import studio_scene


def clean(person, size):
    return render(person, studio_scene(), size)


def small(person, size, pixels=20):
    """A thumbnail, enlarged again."""
    picture = Image.fromarray(clean(person, size))
    return np.asarray(picture.resize((pixels, pixels), Image.BILINEAR).resize((size, size), Image.BICUBIC))


def dark(person, size, gain=.13):
    """Underexposed, with sensor noise."""
    rng = np.random.default_rng(3)
    picture = clean(person, size) * gain + rng.normal(0, 6, (size, size, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def compressed(person, size, quality=6):
    """A low-contrast picture, saved as JPEG with very low quality."""
    grey = clean(person, size).astype(np.float32) * .5 + 70
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def side_on(person, size):
    """The head turned away, with the features at the edge of the face."""
    return render(person, dict(studio_scene(), turn=1.), size)


KINDS = {"clean": clean, "small": small, "dark": dark, "compressed": compressed, "side-on": side_on}
