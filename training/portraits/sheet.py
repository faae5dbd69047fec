"""Writes a sheet of renders to check by eye: one person per row, two references, then scenes."""
import sys
import time

import numpy as np
from PIL import Image

from .draw import render
from .people import person_from_seed, sample_reference_scene, sample_scene

if __name__ == "__main__":
    path, size = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 96
    start, rows = time.process_time(), []
    for index in range(9):
        person, rng = person_from_seed(5, index)
        scenes = [sample_reference_scene(rng) for _ in range(2)] + [sample_scene(rng) for _ in range(10)]
        rows.append(np.concatenate([render(person, s, size) for s in scenes], 1))
    print("pictures per CPU-second", 108 / (time.process_time() - start))
    Image.fromarray(np.concatenate(rows, 0)).save(path)
