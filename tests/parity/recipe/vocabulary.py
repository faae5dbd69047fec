"""A small byte-level BPE vocabulary in CLIP's file layout, learned from a page of captions.

As in the vocab.json of openai/clip-vit-large-patch14, it has 256 byte symbols, the same with `</w>`,
one symbol per merge, then the two markers. So any text can be encoded.
"""

import json
from collections import Counter
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"

CAPTIONS = """
a portrait of a woman with short grey hair and round glasses, soft window light, photograph
portrait of an old man with a white beard, golden hour, shallow depth of field, detailed skin
a close-up of a young person laughing, neon light at night, film grain, the background blurred
watercolour painting of a girl with red braids, looking to the left, plain background
the same face in profile, low key light, black and white, high contrast, studio photograph
a man in a blue coat standing in the rain, medium shot, natural colours, sharp focus on the eyes
comic drawing of a smiling woman with curly hair, flat colours, thick outlines
blurry, low quality, deformed hands, extra fingers, watermark, text, bad anatomy, out of frame
an oil portrait in the manner of the old masters, dark background, warm light from the side
it's the person's favourite photo; they're happy and we've kept 3 of 12 prints from 1998
""".strip()


def byte_symbols() -> dict[int, str]:
    """A printable character for each byte: printable bytes map to themselves, others to 256 and up."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in symbols]
    symbols.update({byte: chr(256 + place) for place, byte in enumerate(others)})
    return symbols


def learn_merges(text: str, count: int) -> list[tuple[str, str]]:
    words = Counter()
    for word in text.lower().replace(",", " , ").split():
        words[(*word[:-1], word[-1] + "</w>")] += 1
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({joined(word, best): times for word, times in words.items()})
    return merges


def joined(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out, place = [], 0
    while place < len(word):
        if word[place : place + 2] == pair:
            out.append(pair[0] + pair[1])
            place += 2
        else:
            out.append(word[place])
            place += 1
    return tuple(out)


def write(folder: Path, merges_wanted: int, max_length: int, pad: str) -> int:
    """Writes vocab.json, merges.txt and the two settings files. Returns the number of tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges(CAPTIONS, merges_wanted)
    # CLIP numbers the printable bytes first, then the others.
    alphabet = list(byte_symbols().values())
    tokens = [*alphabet, *(symbol + "</w>" for symbol in alphabet)]
    tokens += ["".join(pair) for pair in merges] + [START, END]
    assert len(set(tokens)) == len(tokens)
    vocab = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    settings = {**special, "do_lower_case": True, "model_max_length": max_length, "tokenizer_class": "CLIPTokenizer"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return len(tokens)
