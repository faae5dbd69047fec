"""The attributes of an identity and of a scene, and how they are sampled.

An *identity* is everything that a generated picture should take from the reference. A *scene* is
everything that the prompt sets. Both are plain dictionaries, so that they can be stored beside the
pictures and used as labels for training and evaluation.
"""
import numpy as np

# Set by the prompt. The order of each list is the order of its labels.
CAMERA = ["closeup", "portrait", "medium"]
FOCUS = ["deep", "shallow"]
LIGHT = ["soft", "golden", "hard", "neon", "lowkey"]
STYLE = ["photo", "watercolor", "comic", "noir"]
EXPRESSION = ["neutral", "smile", "sad", "surprised"]
GAZE = ["camera", "left", "right"]
PLACE = ["studio", "beach", "forest", "city", "mountain", "library"]
CLOTHES = ["red", "blue", "green", "yellow", "white", "black"]

# Taken from the reference.
GENDER = ["woman", "man"]
SKIN = ["fair", "light", "tan", "brown", "dark"]
HAIR_COLOUR = ["black", "brown", "blonde", "red", "gray", "blue"]
HAIR_STYLE = ["bald", "short", "parted", "bob", "long", "curly", "bun"]
GLASSES = ["none", "round", "square"]
BEARD = ["none", "moustache", "full"]
EYES = ["brown", "blue", "green"]
FRECKLES = ["no", "yes"]

SCENE_LABELS = {"camera": CAMERA, "focus": FOCUS, "light": LIGHT, "style": STYLE,
                "expression": EXPRESSION, "gaze": GAZE, "place": PLACE, "clothes": CLOTHES}
IDENTITY_LABELS = {"gender": GENDER, "skin": SKIN, "hair_colour": HAIR_COLOUR,
                   "hair_style": HAIR_STYLE, "glasses": GLASSES, "beard": BEARD,
                   "eyes": EYES, "freckles": FRECKLES}
# Continuous traits of the face, with their ranges.
SHAPE = {"face_width": (.355, .43), "jaw": (1.9, 2.9), "chin": (.49, .57), "eye_gap": (.175, .200),
         "eye_size": (.92, 1.12), "brow": (.7, 1.4), "nose_width": (.055, .095),
         "nose_length": (.13, .18), "mouth_width": (.13, .17), "lips": (.7, 1.3)}


def _pick(rng, weights):
    weights = np.asarray(weights, float)
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def sample_identity(rng):
    """A random person. The probabilities of hair, beard and eye colour depend on gender and skin."""
    gender = _pick(rng, [1, 1])
    skin = _pick(rng, [.22, .22, .2, .18, .18])
    dark = skin >= 3
    person = {
        "gender": gender,
        "skin": skin,
        "hair_colour": _pick(rng, [.40, .22, .08, .10, .10, .10] if dark else [.22, .22, .20, .16, .10, .10]),
        "hair_style": _pick(rng, [.04, .08, .13, .22, .25, .16, .12] if gender == 0
                            else [.15, .30, .25, .03, .09, .16, .02]),
        "glasses": _pick(rng, [.55, .22, .23]),
        "beard": 0 if gender == 0 else _pick(rng, [.45, .22, .33]),
        "eyes": _pick(rng, [.7, .15, .15] if dark else [.4, .32, .28]),
        "freckles": int(skin <= 2 and rng.random() < .18),
        "tint": float(rng.uniform(-1, 1)),
    }
    for name, (low, high) in SHAPE.items():
        person[name] = float(rng.uniform(low, high))
    person["brow"] *= 1.2 if gender else .85
    person["lips"] *= .8 if gender else 1.1
    person["jaw"] += .25 if gender else -.1
    return person


def sample_scene(rng):
    """A scene for a prompt. Every attribute varies; faces are mostly near."""
    return {
        "camera": _pick(rng, [.38, .42, .20]), "focus": _pick(rng, [1, 1]),
        "light": _pick(rng, [.34, .19, .16, .16, .15]), "style": _pick(rng, [.46, .18, .18, .18]),
        "expression": _pick(rng, [.28, .28, .22, .22]), "gaze": _pick(rng, [.4, .3, .3]),
        "place": _pick(rng, [1] * 6), "clothes": _pick(rng, [1] * 6), "jitter": int(rng.integers(1 << 30)),
    }


def sample_reference_scene(rng):
    """A scene for a reference picture. Most are plain; some have a place and light of their own, so
    that prompt and reference can conflict."""
    return {
        "camera": _pick(rng, [.45, .55, 0]), "focus": _pick(rng, [1, 1]),
        "light": _pick(rng, [.85, .15, 0, 0, 0]), "style": 0,
        "expression": _pick(rng, [.6, .25, .08, .07]), "gaze": _pick(rng, [.8, .1, .1]),
        "place": _pick(rng, [.6, .08, .08, .08, .08, .08]), "clothes": _pick(rng, [1] * 6),
        "jitter": int(rng.integers(1 << 30)),
    }


def studio_scene(clothes=1):
    """The scene of the shipped references: a plain frontal portrait."""
    return {"camera": 1, "focus": 0, "light": 0, "style": 0, "expression": 0, "gaze": 0,
            "place": 0, "clothes": clothes, "jitter": 0}


def person_from_seed(seed, index):
    """Identity number `index` of the population `seed`, and the random generator to continue with."""
    rng = np.random.default_rng([seed, index])
    return sample_identity(rng), rng
