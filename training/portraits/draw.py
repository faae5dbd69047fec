"""Draws one person in one scene: signed-distance shapes painted back to front.

Local coordinates (u, v) are centred on the face, and one unit is about the height of a head.
Features are larger than life: big eyes, clear mouths, simple hair. Pictures can have any size;
training uses 128 pixels, shipped references 256.
"""
import numpy as np

from . import backdrop, people, styles
from .canvas import Canvas, bump, colour, ellipse, smooth
from .lighting import shade

SKIN = [colour(.98, .84, .74), colour(.92, .71, .56), colour(.78, .56, .40), colour(.58, .38, .27), colour(.40, .26, .19)]
HAIR = {"black": colour(.10, .09, .10), "brown": colour(.38, .22, .12), "blonde": colour(.93, .76, .38),
        "red": colour(.76, .27, .09), "gray": colour(.74, .74, .77), "blue": colour(.16, .34, .84)}
IRIS = {"brown": colour(.36, .20, .08), "blue": colour(.16, .46, .90), "green": colour(.16, .60, .28)}
CLOTH = {"red": colour(.82, .13, .15), "blue": colour(.14, .32, .80), "green": colour(.12, .56, .27),
         "yellow": colour(.97, .79, .15), "white": colour(.95, .95, .93), "black": colour(.10, .10, .12)}
FRAMING = {"closeup": (1.26, -.07), "portrait": (1.03, -.12), "medium": (.82, -.26)}
# mouth: half-width factor, curvature, opening; eyes: opening; brows: inner lift, overall lift
EXPRESSION = {"neutral": (1.0, -.3, .0, 1.0, .0, .0), "smile": (1.5, -3.0, .105, .80, -.05, .01),
              "sad": (1.15, 5.0, .0, .72, .60, .0), "surprised": (.66, .0, .17, 1.40, -.10, .085)}
FRECKLE_SPOTS = [(-.25, .06), (-.19, .11), (-.13, .07), (-.23, .15), (-.15, .15), (-.07, .10), (.0, .055),
                 (.25, .06), (.19, .11), (.13, .07), (.23, .15), (.15, .15), (.07, .10)]


def render(person, scene, size=96):
    """The picture of a person in a scene: a size x size x 3 array of bytes."""
    return _Portrait(person, scene, size).draw()


class _Portrait:
    def __init__(self, person, scene, size):
        self.p = person
        self.light = people.LIGHT[scene["light"]]
        self.style = people.STYLE[scene["style"]]
        self.place = people.PLACE[scene["place"]]
        self.focus = people.FOCUS[scene["focus"]]
        self.expression = people.EXPRESSION[scene["expression"]]
        self.clothes = CLOTH[people.CLOTHES[scene["clothes"]]]
        self.look = {"camera": 0., "left": -1., "right": 1.}[people.GAZE[scene["gaze"]]]
        self.turn = scene.get("turn", 0.)  # 0 faces the camera, 1 is turned as far as these heads can
        self.canvas = c = Canvas(size)
        rng = np.random.default_rng(scene["jitter"])
        self.scale, centre_y = FRAMING[people.CAMERA[scene["camera"]]]
        self.scale *= rng.uniform(.98, 1.02)
        self.shift = rng.uniform(-.03, .03)
        self.u = (c.x - rng.uniform(-.02, .02)) / self.scale
        self.v = (c.y - centre_y - rng.uniform(-.015, .015)) / self.scale
        tint = person["tint"] * .03
        self.skin = np.clip(SKIN[person["skin"]] + colour(tint, tint * .6, tint * .3), .05, 1)
        self.hair = HAIR[people.HAIR_COLOUR[person["hair_colour"]]]
        self.hair_style = people.HAIR_STYLE[person["hair_style"]]
        self.top = .53  # height of the skull above the origin

    def cover(self, distance, softness=1.0):
        return self.canvas.cover(distance, softness, self.scale)

    def draw(self):
        backdrop.draw(self.canvas, self.place, self.focus, self.light, self.shift)
        self.back_hair()
        self.body()
        self.head()
        self.face()
        self.beard()
        self.mouth()
        self.eyes()
        self.glasses()
        self.front_hair()
        return styles.finish(self.canvas, self.style)

    # ------------------------------------------------------------------ hair
    def paint_hair(self, mask):
        u, v, width = self.u, self.v, self.p["face_width"]
        nx = np.clip(u / (width * 1.4), -1, 1) * .9
        ny = np.clip((v + .1) / .8, -1, 1) * .9
        light = shade(self.light, nx, ny, np.sqrt(np.maximum(.1, 1 - nx * nx - ny * ny)))
        gloss = 1 + .35 * np.exp(-((v + .40 - .3 * u * u) / .07) ** 2)
        strands = .93 + .09 * np.sin(np.arctan2(u, v + 1.) * 46)
        if self.hair_style == "curly":
            strands = .84 + .22 * np.sin(u * 26) * np.sin(v * 26)
        self.canvas.paint(mask, self.hair, light * (gloss * strands)[..., None])

    def back_hair(self):
        u, v, width, style = self.u, self.v, self.p["face_width"], self.hair_style
        if style == "long":
            side = width * 1.34 + .06 * smooth(v, 0, .8)
            d = np.where(v < 0, ellipse(u, v, width * 1.34, self.top * 1.18), np.abs(u) - side)
            self.paint_hair(self.cover(d) * self.cover(v - .92, 4))
        elif style == "bob":
            d = (((np.abs(u) / (width * 1.42)) ** 3 + (np.abs(v + .06) / .58) ** 3) ** (1 / 3) - 1) * width
            self.paint_hair(self.cover(d))
        elif style == "curly":
            self.paint_hair(self.cover(self.curls(1.52, 1.34)))
        elif style == "bun":
            self.paint_hair(self.cover(ellipse(u, v + .66, .20, .17)))

    def curls(self, wide, tall):
        angle = np.arctan2(self.u, self.v + .12)
        rx, ry = self.p["face_width"] * wide, self.top * tall
        return ellipse(self.u, self.v + .12, rx, ry) - .028 * np.cos(angle * 14)

    def front_hair(self):
        u, v, width, style = self.u, self.v, self.p["face_width"], self.hair_style
        if style == "bald":
            return
        wide, tall = {"short": (1.07, 1.07), "parted": (1.12, 1.12), "bob": (1.20, 1.13), "long": (1.20, 1.13),
                      "curly": (1.3, 1.2), "bun": (1.07, 1.06)}[style]
        shell = ellipse(u, v, width * wide, self.top * tall)
        if style == "curly":
            shell = self.curls(1.36, 1.22)
        line = {"short": -.28 + .35 * u * u + .018 * np.sin(u * 50),
                "parted": -.40 + np.where(u < -.14, -1.1, .62) * (u + .14),
                "bob": -.235 + .15 * u * u,
                "long": -.45 + 2.1 * u * u,
                "curly": -.27 + .25 * u * u + .03 * np.cos(u * 34),
                "bun": -.38 + 1.1 * u * u}[style]
        mask = self.cover(shell) * self.cover(v - line)
        lock = {"bob": .44, "long": .85, "short": -.06, "parted": -.06, "bun": -.08, "curly": .10}[style]
        inner = width * {"bob": .84, "long": .86, "curly": .93}.get(style, .90)
        side = np.where(v < 0, shell, np.abs(u) - width * wide) if style in ("bob", "long") else shell
        locks = self.cover(side) * self.cover(inner - np.abs(u)) * self.cover(v - lock, 2) * self.cover(-.30 - v)
        self.paint_hair(np.maximum(mask, locks))

    # ------------------------------------------------------------------ body and head
    def body(self):
        u, v, p = self.u, self.v, self.p
        neck = .175 + .025 * p["gender"]
        shoulder = .74 + .10 * p["gender"]
        top = p["chin"] + .12
        n = np.clip(u / .28, -1, 1)
        neck_light = shade(self.light, n, np.full_like(n, .2), np.sqrt(np.maximum(.05, 1 - n * n)) * .9)
        neck_light *= (1 - .34 * np.exp(-np.maximum(v - p["chin"] + .05, 0) / .10))[..., None]
        neck_mask = self.cover(np.abs(u) - neck) * self.cover(.2 - v)
        shape = ((np.abs(u) / shoulder) ** 2.6 + (np.abs(np.minimum(v - top - .60, 0)) / .60) ** 2.6) ** (1 / 2.6)
        torso = self.cover((shape - 1) * .7)
        nx = np.clip(u / (shoulder * 1.05), -1, 1) * .85
        ny = np.clip((v - top - .5) / .9, -1, .3) * .8
        light = shade(self.light, nx, ny, np.sqrt(np.maximum(.08, 1 - nx * nx - ny * ny)))
        self.canvas.paint(neck_mask, self.skin * .93, neck_light)
        neckline = ellipse(u, v - top + .06, neck + .07, .17)
        self.canvas.paint(torso * self.cover(-neckline), self.clothes, light)
        self.canvas.paint(torso * self.cover(np.abs(neckline) - .022), self.clothes * .70, light)

    def head(self):
        u, v, p = self.u, self.v, self.p
        width = p["face_width"]
        for side in (-1, 1):
            if side * self.turn > 0:
                continue  # behind the head
            ear = ellipse(u - side * (width + .01), v - .03, .065, .105)
            n = np.full_like(u, side * .6)
            self.canvas.paint(self.cover(ear), self.skin * .90, shade(self.light, n, n * 0, n * 0 + .7))
        power = np.where(v < 0, 2.2, p["jaw"]).astype(np.float32)
        half = np.where(v < 0, self.top, p["chin"]).astype(np.float32)
        radius = (np.abs(u / width) ** power + np.abs(v / half) ** power) ** (1 / power)
        self.radius = radius
        self.head_mask = self.cover((radius - 1) * width)
        # The face turns with the gaze: its features move sideways, its outline stays.
        self.f = f = (u - .085 * self.look - .24 * self.turn) * (1 + .25 * self.turn)
        nx, ny = u / width * .9, v / half * .8
        ridge = np.exp(-((f - .02 * self.look) / .06) ** 2) * smooth(v, -.12, .08) * (1 - smooth(v, p["nose_length"], p["nose_length"] + .05))
        nx = nx + (f - .02 * self.look) / .06 * ridge * .6
        nz = np.sqrt(np.maximum(.05, 1 - nx * nx - ny * ny))
        light = shade(self.light, nx, ny, nz)
        dim = 1 - .16 * smooth(radius, .86, 1.0)
        for side in (-1, 1):
            dim -= .12 * bump(f - side * p["eye_gap"], v + .08, .13, .07)
        dim -= .12 * bump(f, v - .43, .10, .03)
        if self.hair_style != "bald":
            dim -= .12 * np.exp(-((v + self.top * .58) / .09) ** 2)
        self.face_light = light * dim[..., None]
        self.canvas.paint(self.head_mask, self.skin, self.face_light)

    def on_face(self, mask, albedo, inked=True):
        self.canvas.paint(mask * self.head_mask, albedo, self.face_light, inked)

    # ------------------------------------------------------------------ features
    def face(self):
        f, v, p, skin = self.f, self.v, self.p, self.skin
        blush = colour(.92, .38, .34) * (.45 + skin * .5)
        for side in (-1, 1):
            self.on_face(.26 * bump(f - side * .24, v - .14, .09, .07), blush)
        if p["freckles"]:
            for a, b in FRECKLE_SPOTS:
                self.on_face(.75 * self.cover(np.hypot(f - a, v - b) - .018), skin * colour(.62, .45, .36))
        nose = f - .025 * self.look
        length, wide = p["nose_length"], p["nose_width"]
        self.on_face(.45 * bump(nose, v - length - .005, wide * 1.1, .024), skin * colour(.58, .42, .38), inked=False)
        for side in (-1, 1):
            self.on_face(.85 * self.cover(ellipse(nose - side * wide * .55, v - length - .008, .024, .016), 1.5),
                         skin * colour(.42, .30, .28), inked=False)
        self.on_face(.35 * bump(nose + .012, v - length + .045, .022, .05), np.minimum(skin * 1.25 + .08, 1))

    def beard(self):
        kind = people.BEARD[self.p["beard"]]
        if kind == "none":
            return
        f, v = self.f, self.v
        tache = self.cover(np.abs(v - .245 - .8 * f * f) - .036 + .10 * np.abs(f), 1.5) * self.cover(np.abs(f) - .17)
        albedo = self.hair * .92
        if kind == "full":
            line = .30 - .55 * smooth(np.abs(self.u), .16, .40)
            jaw = self.cover(line - v, 2)
            gap = self.cover(ellipse(f, v - .315, .135, .05))
            self.on_face(.95 * np.maximum(jaw * (1 - gap), tache), albedo)
        else:
            self.on_face(.97 * tache, albedo)

    def mouth(self):
        f, p, skin = self.f, self.p, self.skin
        factor, curve, opening, *_ = EXPRESSION[self.expression]
        wide = p["mouth_width"] * factor
        v = self.v - .32
        red = .25 if p["gender"] else .7
        lip = skin * colour(.74, .44, .42) * (1 - red) + colour(.80, .20, .25) * (.35 + .65 * skin.mean()) * red
        thick = .030 * p["lips"]
        if self.expression == "surprised":
            self.on_face(self.cover(ellipse(f, v - .01, wide + .022, opening * .75 + .022)), lip)
            self.on_face(self.cover(ellipse(f, v - .01, wide, opening * .75)), colour(.22, .06, .07))
            return
        bend = v - curve * (f * f - wide * wide * .45)
        along = np.clip(1 - (f / wide) ** 2, 0, 1)
        inside = along > 0
        if self.expression == "smile":
            self.on_face(self.cover(np.abs(bend) - (opening * .62 + thick) * along) * inside, lip)
            self.on_face(self.cover(np.abs(bend) - opening * .56 * along) * inside, colour(.97, .96, .94))
            return
        self.on_face(self.cover(np.abs(bend) - thick * 1.25 * np.sqrt(along)) * inside, lip)
        self.on_face(.9 * self.cover(np.abs(bend) - .010 * np.sqrt(along)) * inside, skin * colour(.40, .20, .20))

    def eyes(self):
        p = self.p
        _, _, _, open_, inner, lift = EXPRESSION[self.expression]
        wide, high = .122 * p["eye_size"], .072 * p["eye_size"] * open_
        iris = IRIS[people.EYES[p["eyes"]]]
        iris_r = .066 * p["eye_size"]
        brow = self.skin * .45 if self.hair_style == "bald" and people.BEARD[p["beard"]] == "none" else self.hair * .72
        for side in (-1, 1):
            u = self.f - side * p["eye_gap"]
            v = self.v + .03
            along = np.clip(1 - (u / wide) ** 2, 0, 1)
            eye = self.cover(np.abs(v) - high * along) * (along > 0)
            self.on_face(eye, colour(.99, .98, .97), inked=False)
            x = u - .058 * self.look * p["eye_size"]
            r = np.hypot(x, v)
            self.on_face(eye * self.cover(r - iris_r), iris, inked=False)
            self.on_face(eye * self.cover(r - iris_r * .42), colour(.02, .02, .03), inked=False)
            self.on_face(eye * self.cover(np.hypot(x + .018, v + .020) - .014), colour(1.15, 1.15, 1.15), inked=False)
            lash = .016 if p["gender"] == 0 else .011
            self.on_face(self.cover(np.abs(v + high * along) - lash * (along + .2)) * (along > 0), colour(.10, .07, .07), inked=False)
            arch = self.v + .196 + lift - u * side * inner - .9 * u * u
            thick = .021 * p["brow"] * np.clip(1.2 - np.abs(u) / .14, 0, 1)
            self.on_face(self.cover(np.abs(arch) - thick) * (np.abs(u) < .135), brow)

    def glasses(self):
        kind = people.GLASSES[self.p["glasses"]]
        if kind == "none":
            return
        gap = self.p["eye_gap"]
        frame = colour(.07, .06, .07) if kind == "square" else colour(.0, .52, .56)
        for side in (-1, 1):
            u, v = self.f - side * gap, self.v + .025
            if kind == "round":
                d = np.hypot(u, v) - .150
            else:
                d = ((np.abs(u / .152) ** 6 + np.abs(v / .122) ** 6) ** (1 / 6) - 1) * .125
            self.canvas.paint(.10 * self.cover(d), colour(.9, .97, 1.), self.face_light, inked=False)
            self.canvas.paint(self.cover(np.abs(d) - .024), frame, self.face_light, inked=False)
            arm = self.cover(np.abs(self.v + .05) - .016) * self.cover(gap + .15 - side * self.f)
            self.on_face(arm, frame, inked=False)
        bridge = self.cover(np.abs(self.v + .05) - .016) * self.cover(np.abs(self.f) - gap + .145)
        self.on_face(bridge, frame, inked=False)
