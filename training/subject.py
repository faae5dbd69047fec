"""Draws the reference portraits shipped with the model: held-out people, chosen by eye among those
that the model reproduces well.
    python subject.py
"""
import os

from PIL import Image

import paths
from samples import reference

SUBJECT = 14
OTHERS = [7, 12, 19, 21, 57, 33, 48]

if __name__ == "__main__":
    folder = os.path.join(paths.MODEL, "subject")
    os.makedirs(folder, exist_ok=True)
    for name, index in [("reference", SUBJECT)] + [(f"other-{k + 1}", index) for k, index in enumerate(OTHERS)]:
        Image.fromarray(reference(index)).save(os.path.join(folder, name + ".png"), optimize=True)
