"""Six places behind the person. Apart from a small shift they never vary: the model would have to
guess what is random in a background, and each guess costs clarity in the face."""
import numpy as np
from PIL import Image, ImageFilter

from .canvas import colour, ellipse, smooth
from .lighting import backdrop_tint

BOOKS = [colour(.66, .20, .15), colour(.20, .36, .46), colour(.78, .62, .32), colour(.27, .44, .28),
         colour(.84, .78, .66), colour(.38, .24, .38)]


def _gradient(canvas, top, bottom, t):
    canvas.flat[:] = top + (bottom - top) * np.clip(t, 0, 1)[..., None]


def _studio(c, x, y):
    _gradient(c, colour(.80, .80, .82), colour(.48, .49, .53), (x * x + (y + .1) ** 2) / 2)


def _beach(c, x, y):
    _gradient(c, colour(.36, .66, .94), colour(.82, .92, .97), (y + 1) / 1.0)
    c.paint(c.cover(ellipse(x + .68, y + .66, .17, .17)), colour(1, .95, .70))
    c.paint(c.cover(-(y + .02)), colour(.08, .50, .68))
    c.paint(c.cover(-(y - .40 - .04 * np.sin(x * 4)), 2), colour(.94, .84, .62))


def _forest(c, x, y):
    _gradient(c, colour(.42, .66, .30), colour(.12, .30, .13), (y + 1) / 1.8)
    for trunk in (-.86, -.52, .56, .90):
        c.paint(c.cover(np.abs(x - trunk) - .075), colour(.30, .19, .12))
    for u, v, r in ((-.95, -.85, .36), (-.45, -1., .30), (.1, -1.05, .3), (.55, -.95, .32), (1., -.8, .34)):
        c.paint(c.cover(ellipse(x - u, y - v, r, r * .8)), colour(.20, .48, .18))
    c.paint(c.cover(-(y - .62 + .05 * np.sin(x * 9))), colour(.17, .38, .14))


def _city(c, x, y):
    _gradient(c, colour(.06, .07, .20), colour(.22, .15, .36), (y + 1) / 1.6)
    for k, (left, right, roof) in enumerate(((-1.1, -.66, -.55), (-.64, -.30, -.20), (-.28, .26, -.75),
                                             (.28, .62, -.35), (.64, 1.1, -.70))):
        house = np.minimum(np.minimum(c.cover(left - x), c.cover(x - right)), c.cover(roof - y))
        c.paint(house, colour(.07, .08, .16) * (1 + .5 * (k % 2)))
        column, row = (x - left) / .17, (y - roof) / .22
        window = np.minimum(c.cover(.22 - np.abs((column % 1) - .5), 1, .17) * 0 + (np.abs((column % 1) - .5) < .26),
                            np.abs((row % 1) - .5) < .28)
        lit = (np.floor(column) * 3 + np.floor(row) * 5 + k) % 3 > 0
        c.paint(house * window * lit, colour(1, .82, .42))


def _mountain(c, x, y):
    _gradient(c, colour(.42, .64, .90), colour(.88, .93, .98), (y + 1) / 1.1)
    for base, period, phase, rock in ((-.10, 1.15, .30, colour(.52, .61, .76)), (.20, .85, .62, colour(.34, .43, .58))):
        ridge = base - .55 * (1 - np.abs(((x / period + phase) % 1) * 2 - 1))
        c.paint(c.cover(ridge - y), rock)
        c.paint(c.cover(ridge - y) * c.cover(y - ridge - .20 - .03 * np.sin(x * 25), 2), colour(.97, .98, 1.))
    c.paint(c.cover(.42 - y, 2), colour(.93, .95, .98))


def _library(c, x, y):
    c.flat[:] = colour(.40, .25, .15)
    for shelf in range(5):
        top = -1.06 + shelf * .46
        slot = (x + 2 + .05 * shelf) / .165
        number = np.floor(slot).astype(int)
        height = .30 + .08 * ((number * 7 + shelf * 3) % 4) / 3
        book = ((np.abs(slot % 1 - .5) < .44) & (y > top + .42 - height) & (y < top + .42)).astype(np.float32)
        c.paint(book, np.stack(BOOKS)[(number * 5 + shelf * 2 + number // 3) % 6])


PLACES = {"studio": _studio, "beach": _beach, "forest": _forest, "city": _city,
          "mountain": _mountain, "library": _library}
# Out-of-focus lights: x, y and radius. They never vary.
DISCS = ((-.78, -.62, .17), (-.50, -.86, .12), (.74, -.70, .18), (.88, -.22, .14), (-.90, -.10, .15),
         (.52, -.90, .11), (-.72, .34, .13), (.78, .30, .15))
DISC_COLOURS = {"studio": colour(.90, .90, .90), "beach": colour(.95, .97, .95), "forest": colour(.75, .90, .45),
                "city": colour(1, .74, .36), "mountain": colour(1, 1, 1), "library": colour(.98, .78, .48)}


def draw(canvas, place, focus, light, shift):
    """Fills the canvas with a place. Shallow focus blurs it and adds discs of out-of-focus light."""
    PLACES[place](canvas, canvas.x + shift, canvas.y)
    if focus == "shallow":
        picture = Image.fromarray((np.clip(canvas.flat, 0, 1) * 255).astype(np.uint8))
        blurred = picture.filter(ImageFilter.GaussianBlur(canvas.size * .055))
        canvas.flat[:] = np.asarray(blurred, np.float32) / 255
        for u, v, r in DISCS:
            d = np.hypot(canvas.x + shift - u, canvas.y - v) - r
            canvas.paint(.55 * np.clip(.5 - d / .04, 0, 1), DISC_COLOURS[place])
    canvas.lit[:] = canvas.flat * backdrop_tint(light, canvas.x)
    if light == "golden" and place != "studio":
        glow = .45 * np.exp(-((canvas.x - .95) ** 2 + (canvas.y + .85) ** 2) / .7)
        canvas.lit += (colour(1, .82, .42) - canvas.lit) * glow[..., None]
