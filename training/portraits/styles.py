"""Turns the lit picture into a photograph, a watercolour, a comic or a noir picture."""
import numpy as np
from PIL import Image, ImageFilter

from .canvas import colour, smooth

GREY = colour(.35, .5, .15)


def _photo(canvas, picture):
    return picture * (1 - .10 * (canvas.x ** 2 + canvas.y ** 2))[..., None]


def _noir(canvas, picture):
    grey = picture @ GREY
    grey = np.clip(grey * min(1.9, .80 / max(float(np.percentile(grey, 95)), .05)), 0, 1)
    grey = smooth(grey, .02, .88) * (1 - .32 * (canvas.x ** 2 + canvas.y ** 2))
    return np.repeat(grey[..., None], 3, 2)


def _watercolor(canvas, picture):
    """Flat washed areas, colour that runs a little, and unpainted paper at the edge."""
    size = canvas.size
    x, y = canvas.x, canvas.y
    u8 = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)).filter(
        ImageFilter.ModeFilter(max(3, size // 96 * 2 + 1)))
    wash = np.asarray(u8, np.float32) / 255
    mean = wash.mean(-1, keepdims=True)
    wash = np.clip(mean + (wash - mean) * 1.25, 0, 1)
    wash = 1 - (1 - wash) * (.80 + .06 * np.sin(x * 5 + 2 * np.sin(y * 4)))[..., None]
    edge = np.maximum(np.abs(x), np.abs(y)) + .05 * np.sin(x * 11 + 1) * np.cos(y * 9) + .03 * np.sin(y * 21 + x * 17)
    paper = smooth(edge, .85, .94)[..., None]
    rim = np.exp(-((edge - .85) / .035) ** 2)[..., None]
    wash = wash * (1 - .18 * rim)
    return wash + (colour(.985, .975, .945) - wash) * paper


def _comic(canvas, picture):
    """Three flat tones, strong colours, and ink lines where the unlit colours change."""
    tone = picture @ colour(.3, .59, .11)
    steps = tone * 3.4
    level = (np.floor(steps) + smooth(steps - np.floor(steps), .82, 1.) + .35) / 3.4
    flat = picture * ((level + .05) / (tone + .05))[..., None]
    mean = flat.mean(-1, keepdims=True)
    flat = mean + (flat - mean) * 1.5
    reach = max(1, round(canvas.size / 96))
    ink_source = np.clip(canvas.flat, 0, 1) @ colour(.42, .38, .20)
    dx = np.abs(np.roll(ink_source, -reach, 1) - np.roll(ink_source, reach, 1))
    dy = np.abs(np.roll(ink_source, -reach, 0) - np.roll(ink_source, reach, 0))
    dx[:, :reach] = dx[:, -reach:] = 0
    dy[:reach] = dy[-reach:] = 0
    ink = smooth(dx + dy, .13, .32)
    return flat * (1 - .92 * ink)[..., None] * 1.05 + .01


FINISH = {"photo": _photo, "noir": _noir, "watercolor": _watercolor, "comic": _comic}


def finish(canvas, style):
    """The finished picture as bytes."""
    picture = np.clip(canvas.lit, 0, 1.2)
    picture = np.clip(picture - .5 * np.maximum(picture - .85, 0), 0, 1)
    return (np.clip(FINISH[style](canvas, picture), 0, 1) * 255 + .5).astype(np.uint8)
