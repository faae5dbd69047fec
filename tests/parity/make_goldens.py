"""Writes `data/`: tiny random checkpoints, adapters, pictures, and diffusers' results for them.

It needs the versions in requirements.txt, but no network and no GPU. The same versions on the same
kind of CPU give the same bytes.
"""

import argparse
import json
import logging
import platform
import shutil
import warnings
from importlib.metadata import version
from pathlib import Path

import diffusers
import torch
import transformers
from safetensors.torch import save_file

from recipe import adapters, checkpoints, joints, noise, pictures, runs, samplers

PACKAGES = ["diffusers", "numpy", "pillow", "safetensors", "tokenizers", "torch", "transformers"]


def save(folder: Path, name: str, goldens: tuple[dict, dict]) -> None:
    tensors, facts = goldens
    save_file(tensors, folder / f"{name}.safetensors")
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    # One case per line, for readable diffs.
    text = text.replace('},{"', '},\n{"')
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(f"{name}: {len(tensors)} tensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    data = parser.parse_args().data
    quiet()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    shutil.rmtree(data, ignore_errors=True)
    goldens = data / "goldens"
    goldens.mkdir(parents=True)
    pictures.write(data / "pictures")
    save(goldens, "noise", noise.goldens())
    save(goldens, "samplers", samplers.goldens())
    for checkpoint in checkpoints.ALL:
        checkpoints.write(checkpoint, data / checkpoint.name)
        pipe = checkpoints.load(checkpoint, data / checkpoint.name)
        adapters.write(checkpoint, pipe, data / f"{checkpoint.name}-adapters")
        save(goldens, f"{checkpoint.name}-joints", joints.goldens(checkpoint, pipe, data))
        save(goldens, f"{checkpoint.name}-runs", runs.goldens(checkpoint, pipe, data))
    made_with = {package: version(package) for package in PACKAGES}
    made_with |= {"python": platform.python_version(), "image processor": "CLIPImageProcessorPil"}
    checkpoints.write_json(goldens / "made-with.json", made_with)


def quiet() -> None:
    warnings.filterwarnings("ignore")
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.disable(logging.WARNING)


if __name__ == "__main__":
    main()
