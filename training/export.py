"""Writes the model folder: stock classes and float16 safetensors, without pickle files.
    python export.py
"""
import json
import os
import shutil

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from transformers import CLIPVisionModelWithProjection

import dataset
import model
import paths
import tokenizer
import train_encoders

PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor", "feature_extractor_type": "CLIPFeatureExtractor",
    "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": dataset.SIZE}, "resample": 3,
    "do_center_crop": True, "crop_size": {"height": dataset.SIZE, "width": dataset.SIZE},
    "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": train_encoders.MEAN, "image_std": train_encoders.STD,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
    "requires_safety_checker": False, "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def write_json(folder, name, value):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def clean_config(folder):
    """Removes keys that describe where the file came from instead of the model."""
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    for key in ("_name_or_path", "transformers_version"):
        config.pop(key, None)
    if "dtype" in config:
        config["torch_dtype"] = config["dtype"]  # the key that older versions read
    write_json(folder, "config.json", config)


def export(out=paths.MODEL):
    trained = model.Model()
    unet = model.make_unet().half()
    unet.load_state_dict(trained.unet.state_dict())

    def at(name):
        return os.path.join(out, name)

    unet.save_pretrained(at("unet"))
    trained.text.half().save_pretrained(at("text_encoder"))
    AutoencoderKL.from_pretrained(paths.checkpoint("vae")).half().save_pretrained(at("vae"))
    CLIPVisionModelWithProjection.from_pretrained(train_encoders.VISION).half().save_pretrained(at("image_encoder"))
    model.scheduler().save_pretrained(at("scheduler"))
    shutil.copytree(tokenizer.FOLDER, at("tokenizer"), dirs_exist_ok=True)
    for folder in ("unet", "text_encoder", "vae", "image_encoder"):
        clean_config(at(folder))
    write_json(at("image_encoder"), "preprocessor_config.json", PREPROCESSOR)
    write_json(at("feature_extractor"), "preprocessor_config.json", PREPROCESSOR)
    write_json(out, "model_index.json", INDEX)
    weights = {k: v.half().contiguous() for k, v in trained.adapter.state_dict().items()}
    save_file(weights, at("ip_adapter.safetensors"), metadata={"format": "pt"})
    return trained


if __name__ == "__main__":
    trained = export()
    total = 0
    for folder, _, files in os.walk(paths.MODEL):
        for name in files:
            size = os.path.getsize(os.path.join(folder, name))
            total += size
            if name.endswith(".safetensors"):
                print(f"{size / 1e6:8.2f} MB  {os.path.relpath(os.path.join(folder, name), paths.MODEL)}")
    print(f"{total / 1e6:8.2f} MB in total; step {trained.step}, {trained.samples} samples")
