"""Checks that stock diffusers reads the exported folder and draws the same picture as our sampler.
    python check_diffusers.py [--out pair.png]
"""
import argparse

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

import dataset
import model
import paths
import train_encoders

PROMPT = ("portrait of a smiling woman wearing a red sweater on a beach, head and shoulders, sharp background, "
          "soft light, natural photo, looking at the camera")


def half_and_back(trained):
    """Rounds our weights to the float16 values of the export."""
    for part in (trained.unet, trained.adapter, trained.text, trained.vae, trained.vision):
        part.half().float()
    return trained


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--out")
    args = options.parse_args()
    pipe = StableDiffusionPipeline.from_pretrained(paths.MODEL, dtype=torch.float32)
    # The folder's image encoder is already loaded, so diffusers must not look for another.
    pipe.load_ip_adapter(paths.MODEL, subfolder="", weight_name="ip_adapter.safetensors", image_encoder_folder=None)
    pipe.set_progress_bar_config(disable=True)
    trained = half_and_back(model.Model())
    pictures, _ = dataset.load("heldout")
    noise = torch.randn(1, model.LATENT_CHANNELS, model.LATENT, model.LATENT, generator=torch.Generator().manual_seed(11))
    pairs = []
    for scale in (0., 1.):
        pipe.set_ip_adapter_scale(scale)
        stock = np.asarray(pipe(PROMPT, ip_adapter_image=Image.fromarray(pictures[0]), num_inference_steps=25,
                                guidance_scale=3., latents=noise.clone(), height=dataset.SIZE,
                                width=dataset.SIZE).images[0])
        embedding = train_encoders.embed(trained.vision, pictures[:1])
        own = dataset.to_bytes(trained.sample([PROMPT], embedding, scale, 3., 25, noise=noise))[0]
        difference = np.abs(stock.astype(int) - own.astype(int))
        print(f"adapter scale {scale}: mean difference {difference.mean():.3f} of 255, largest {difference.max()}")
        pairs += [own, stock]
        assert difference.mean() < 1.5, "stock diffusers draws a different picture"
    if args.out:
        Image.fromarray(np.concatenate([pictures[0], *pairs], 1)).save(args.out)
