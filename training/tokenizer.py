"""Learns a byte-pair vocabulary from the captions and writes it in CLIP's file format.

Merges are learned inside words, as in CLIP, until every word of the captions (and of a list of
words that people may type) is one token. Other words fall back to bytes.
    python tokenizer.py      writes vocab.json, merges.txt and the two config files
"""
import collections
import json
import os
import re

import numpy as np

import paths
from portraits.captions import caption
from portraits.people import person_from_seed, sample_scene

FOLDER = paths.checkpoint("tokenizer")
LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"
PIECES = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]+")
EXTRA_WORDS = """image painting picture drawing background hair eyes skin freckles hat face the an of and with without
no not very bright dark light style girl boy lady gentleman old elderly night day sun sunset sunny street mountains sea
smile smiling frown angry pink purple orange brown blonde gray grey black white blue green red yellow low high quality
blurry deformed ugly text watermark bad glasses round square moustache beard bald bob bun curly long short parted""".split()


def byte_alphabet():
    """CLIP's printable characters for the 256 byte values, in CLIP's order."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    hidden = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(hidden))]


def count_words(samples=6000):
    rng = np.random.default_rng(0)
    counts = collections.Counter({word: 3 for word in EXTRA_WORDS})
    for index in range(samples):
        person, _ = person_from_seed(0, index)
        counts.update(PIECES.findall(caption(rng, person, sample_scene(rng), identity_words=.5)))
    return counts


def learn_merges(counts):
    words = {w: list(w[:-1]) + [w[-1] + "</w>"] for w in counts}
    merges = []
    while True:
        pairs = collections.Counter()
        for word, pieces in words.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, pieces in words.items():
            merged = []
            for piece in pieces:
                if merged and (merged[-1], piece) == best:
                    merged[-1] += piece
                else:
                    merged.append(piece)
            words[word] = merged


def build():
    merges = learn_merges(count_words())
    alphabet = byte_alphabet()
    tokens = alphabet + [c + "</w>" for c in alphabet] + [a + b for a, b in merges] + [START, END]
    os.makedirs(FOLDER, exist_ok=True)

    def write(name, value):
        with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as f:
            json.dump(value, f, ensure_ascii=False, indent=None if name == "vocab.json" else 1)

    specials = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    write("vocab.json", {token: i for i, token in enumerate(dict.fromkeys(tokens))})
    write("special_tokens_map.json", specials)
    write("tokenizer_config.json", dict(specials, tokenizer_class="CLIPTokenizer", model_max_length=LENGTH,
                                        do_lower_case=True, add_prefix_space=False, errors="replace"))
    with open(os.path.join(FOLDER, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def load():
    """The tokenizer loaded by stock transformers, so that training and use cannot differ."""
    from transformers import CLIPTokenizer
    return CLIPTokenizer.from_pretrained(FOLDER)


def encode(tokenizer, texts):
    return tokenizer(list(texts), padding="max_length", max_length=LENGTH, truncation=True,
                     return_tensors="pt").input_ids


if __name__ == "__main__":
    build()
    tokenizer = load()
    text = "portrait of a smiling woman, close-up, golden hour, 85mm bokeh, astronaut"
    ids = tokenizer(text).input_ids
    print(len(tokenizer), "tokens;", tokenizer.convert_ids_to_tokens(ids))
    assert ids[0] == len(tokenizer) - 2 and ids[-1] == len(tokenizer) - 1, "start and end must be the last two tokens"
