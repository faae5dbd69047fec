"""Makes the pictures that diffusers makes of folders that contradict themselves, and of 8-bit weights.

Made with diffusers 0.42.0, transformers 5.23.0 and torch 2.15.0 on Python 3.11:

    python make_pictures.py

`twice`: model_index.json and scheduler_config.json name different classes. `stale`: an index with shards beside a whole
file. `fp8`: a UNet in F8_E4M3. `two-encoders`: a text encoder with a whole file and an index.
"""

import os
import shutil
import tempfile

import torch
from diffusers import StableDiffusionPipeline

HERE = os.path.dirname(os.path.abspath(__file__))
REPORTS = os.path.join(HERE, "..", "reports")
CHECKPOINT = os.path.join(HERE, "..", "..", "..", "parity", "data", "sd1")
UNET = "unet/diffusion_pytorch_model.safetensors"


def write(name, files=(), index="", without_shards=False):
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model")
        shutil.copytree(CHECKPOINT, model)
        for source, target in files:
            shutil.copy(os.path.join(REPORTS, source), os.path.join(model, target))
        if index:
            with open(os.path.join(model, index), "w") as file:
                file.write('{"weight_map": {"a": "b"}}')
        if without_shards:
            for file in os.listdir(os.path.join(model, "unet")):
                if "index" in file or "-of-" in file:
                    os.remove(os.path.join(model, "unet", file))
        pipeline = StableDiffusionPipeline.from_pretrained(model, safety_checker=None, requires_safety_checker=False)
        picture = pipeline(
            "a small red house by the sea",
            num_inference_steps=4,
            guidance_scale=5.0,
            width=64,
            height=64,
            generator=torch.Generator("cpu").manual_seed(7),
        ).images[0]
        picture.save(os.path.join(HERE, f"{name}.png"))


write("twice", [("model_index.json", "."), ("scheduler_config.json", "scheduler")])
write("stale", [("fp8-unet.safetensors", UNET)])
write("fp8", [("fp8-unet.safetensors", UNET)], without_shards=True)
write("two-encoders", index="text_encoder/model.safetensors.index.json")
