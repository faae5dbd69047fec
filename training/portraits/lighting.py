"""The five kinds of light in prompts, each an ambient colour and directed lamps."""
import numpy as np

from .canvas import colour

#        ambient, [(direction, colour)], tint of the background
LIGHTS = {
    "soft": (colour(.64, .64, .65), [(colour(-.35, -.5, .8), colour(.44, .43, .42))], colour(1, 1, 1)),
    "golden": (colour(.58, .42, .28), [(colour(.7, -.35, .6), colour(.80, .56, .26))], colour(1.08, .82, .50)),
    "hard": (colour(.20, .20, .23), [(colour(-.93, -.2, .30), colour(1.15, 1.12, 1.06))], colour(.66, .66, .68)),
    "neon": (colour(.30, .16, .40), [(colour(-.9, -.1, .45), colour(.95, .10, .66)),
                                     (colour(.9, -.1, .45), colour(.05, .72, .95))], colour(.50, .30, .75)),
    "lowkey": (colour(.24, .24, .30), [(colour(.5, -.6, .6), colour(.58, .50, .41))], colour(.26, .26, .31)),
}


def shade(light, nx, ny, nz):
    ambient, lamps, _ = LIGHTS[light]
    total = np.empty(nx.shape + (3,), np.float32)
    total[:] = ambient
    for direction, lamp in lamps:
        d = direction / np.linalg.norm(direction)
        total += np.maximum(nx * d[0] + ny * d[1] + nz * d[2], 0)[..., None] * lamp
    return total


def backdrop_tint(light, x):
    """The colour of the light on the background. Neon comes from both sides."""
    tint = np.empty(x.shape + (3,), np.float32)
    tint[:] = LIGHTS[light][2]
    if light == "neon":
        tint += np.exp(-((x + 1) ** 2) / .5)[..., None] * colour(.55, .02, .35)
        tint += np.exp(-((x - 1) ** 2) / .5)[..., None] * colour(.0, .40, .50)
    return tint
