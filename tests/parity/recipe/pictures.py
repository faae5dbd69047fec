"""Reference pictures, drawn with the smooth shading, edges and grain of a photograph."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZES = {
    "landscape": (61, 47),
    "portrait": (43, 86),
    "small": (23, 19),  # smaller than the encoder's input
    "grey": (50, 40),
    "alpha": (45, 58),
}
REFERENCE = "landscape"  # the reference of the runs


def draw(width: int, height: int, seed: int) -> np.ndarray:
    """A face in front of a bright window, [height, width, 3] in 0..255."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / width, y / height
    background = np.stack([0.25 + 0.6 * u, 0.35 + 0.4 * u * v, 0.55 + 0.3 * (1 - v)], -1)
    window = ((u > 0.62) & (u < 0.95) & (v > 0.1) & (v < 0.55))[..., None]
    picture = np.where(window, [0.97, 0.95, 0.88], background)
    distance = np.hypot((u - 0.4) / 0.22, (v - 0.55) / 0.36)[..., None]
    shade = np.clip(0.55 + 0.5 * (u[..., None] - 0.3) - 0.2 * v[..., None], 0, 1)
    skin = shade * np.array([1.0, 0.78, 0.64])
    picture = np.where(distance < 1, skin, picture)
    hair = (distance < 1.25) & (distance > 0.9) & (v[..., None] < 0.5)
    picture = np.where(hair, [0.16, 0.1, 0.08], picture)
    for eye in (0.33, 0.47):
        near = np.hypot((u - eye) / 0.035, (v - 0.5) / 0.03)[..., None]
        picture = np.where(near < 1, [0.05, 0.1, 0.15], picture)
    mouth = (np.abs(v - 0.7) < 0.018) & (np.abs(u - 0.4) < 0.08)
    picture = np.where(mouth[..., None], [0.6, 0.15, 0.18], picture)
    grain = np.random.default_rng(seed).normal(0, 0.04, picture.shape)
    return np.clip(np.round(255 * (picture + grain)), 0, 255).astype(np.uint8)


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (width, height)) in enumerate(SIZES.items()):
        pixels = draw(width, height, seed)
        picture = Image.fromarray(pixels)
        if name == "grey":
            picture = picture.convert("L")
        if name == "alpha":
            ramp = np.linspace(0, 255, width * height).reshape(height, width).astype(np.uint8)
            picture.putalpha(Image.fromarray(ramp))
        picture.save(folder / f"{name}.png")


def load(folder: Path, name: str) -> Image.Image:
    return Image.open(folder / f"{name}.png")
