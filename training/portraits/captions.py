"""Captions in the fixed order subject, camera, lighting, style, constraints.

They nearly always describe the scene, with synonyms. They describe the identity only sometimes, so
that the image adapter has something to add.
"""
from .people import BEARD, CLOTHES, GENDER, GLASSES, HAIR_COLOUR

IDENTITY_WORDS = .3  # chance of each identity trait being named

# The first phrase of each list is the one that evaluation prompts use.
EXPRESSIONS = [["calm", "serious", "neutral", ""], ["smiling", "happy", "laughing"],
               ["sad", "unhappy", "melancholic"], ["surprised", "astonished", "shocked"]]
PLACES = [["in a studio", "on a plain grey background"], ["on a beach", "by the sea"],
          ["in a forest", "in the woods"], ["in a city at night", "on a night street"],
          ["in the mountains", "in snowy mountains"], ["in a library", "in front of a bookshelf"]]
CAMERAS = [["close-up", "tight close-up", "face close-up"], ["head and shoulders", "portrait framing"],
           ["medium shot", "half body shot"]]
FOCUSES = [["deep focus", "sharp background"], ["shallow depth of field", "85mm bokeh", "blurred background"]]
LIGHTS = [["soft light", "soft diffused light", "even light"], ["warm golden light", "golden hour"],
          ["hard side light", "dramatic side light"], ["neon light", "magenta and cyan neon"],
          ["low-key light", "dark moody light"]]
STYLES = [["natural photo", "realistic photo", "color photograph"], ["watercolor", "watercolor painting"],
          ["comic", "comic book style", "ink and flat colors"], ["noir", "black and white", "monochrome film noir"]]
GAZES = [["looking at the camera", "eye contact"], ["looking left", "looking to the left"],
         ["looking right", "looking to the right"]]
HAIRS = ["bald head", "short hair", "parted hair", "a bob", "long hair", "curly hair", "a bun"]


def caption(rng, person, scene, identity_words=IDENTITY_WORDS):
    """A random caption of a picture."""
    def one(options):
        return options[rng.integers(len(options))]

    def chance(p):
        return rng.random() < p

    gender = GENDER[person["gender"]]
    who = one([gender, gender, "young " + gender, "person"]) if chance(.8) else "person"
    opening = one(["portrait of a", "a portrait of a", "a"] + (["photo of a"] if scene["style"] == 0 else []))
    expression = one(EXPRESSIONS[scene["expression"]])
    subject = " ".join(word for word in (opening, expression, who) if word)
    traits = []
    if chance(identity_words):
        style, colour = HAIRS[person["hair_style"]], HAIR_COLOUR[person["hair_colour"]]
        if person["hair_style"] == 0:
            traits.append(style)
        elif "hair" in style and chance(.4):
            traits.append(style.replace(" hair", f" {colour} hair"))
        else:
            traits.append(one([style, colour + " hair", colour + " hair"]))
    if chance(identity_words) and person["glasses"]:
        traits.append(one(["glasses", GLASSES[person["glasses"]] + " glasses"]))
    if chance(identity_words) and person["beard"]:
        traits.append({"moustache": "a moustache", "full": "a beard"}[BEARD[person["beard"]]])
    if chance(identity_words * .5) and person["freckles"]:
        traits.append("freckles")
    if traits:
        subject += " with " + " and ".join(traits)
    if chance(.85):
        subject += one([" wearing a ", " in a "]) + CLOTHES[scene["clothes"]] + one([" sweater", " shirt", " top"])
    if chance(.93):
        subject += " " + one(PLACES[scene["place"]])
    parts = [subject]
    for p, phrases in ((.93, CAMERAS[scene["camera"]]), (.85, FOCUSES[scene["focus"]]), (.92, LIGHTS[scene["light"]]),
                       (.93, STYLES[scene["style"]]), (.88, GAZES[scene["gaze"]])):
        if chance(p):
            parts.append(one(phrases))
    if chance(.2):
        parts.append(one(["no text", "no hat", "centered"]))
    return ", ".join(parts)


def plain_caption(scene, who="person", say_expression=True):
    """The full prompt of a scene without any word about identity, used for evaluation."""
    expression = EXPRESSIONS[scene["expression"]][0] + " " if say_expression else ""
    subject = (f"portrait of a {expression}{who} wearing a "
               f"{CLOTHES[scene['clothes']]} sweater {PLACES[scene['place']][0]}")
    return ", ".join([subject, CAMERAS[scene["camera"]][0], FOCUSES[scene["focus"]][0], LIGHTS[scene["light"]][0],
                      STYLES[scene["style"]][0], GAZES[scene["gaze"]][0]])


def held_out_caption(rng, scene, who="person"):
    """A prompt for a scene from known words, in an order and in sentences that no training caption has."""
    def one(options):
        return [option for option in options if option][rng.integers(sum(map(bool, options)))]

    place, light = PLACES[scene["place"]], LIGHTS[scene["light"]]
    orders = (
        "{style} of a {who} {place} with {light}, {gaze}, {expression}, {camera}, {focus}, a {clothes} top",
        "{camera} picture, {light}, {style}: the {who} is {expression} and {gaze}, {place}, in a {clothes} shirt, {focus}",
        "{gaze} and {expression}, {who} in {clothes}, {place}, {focus}, {style}, {camera}, {light}")
    return orders[rng.integers(len(orders))].format(
        who=who, clothes=CLOTHES[scene["clothes"]], place=one(place), light=one(light), style=one(STYLES[scene["style"]]),
        gaze=one(GAZES[scene["gaze"]]), expression=one(EXPRESSIONS[scene["expression"]]),
        camera=one(CAMERAS[scene["camera"]]), focus=one(FOCUSES[scene["focus"]]))


NEGATIVE = ["blurry", "low quality", "bad quality", "text", "watermark", "deformed", "ugly", "hat", "dark", "painting"]


def empty_caption(rng):
    """Replaces a dropped caption: mostly by nothing, sometimes by words that people use in negative
    prompts, so that these words mean "no particular picture" to the model."""
    if rng.random() < .7:
        return ""
    return ", ".join(rng.permutation(NEGATIVE)[:rng.integers(1, 5)])
