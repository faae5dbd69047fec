"""Whole generations with the stock pipeline: the latents after each step, and the picture."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from . import adapters, pictures
from .checkpoints import Checkpoint
from .joints import PROMPTS, picture_tensor
from .samplers import KARRAS, CLASSES

PROMPT = "a portrait of an old man with a white beard, golden hour"
NEGATIVE = "blurry, low quality, text"
# (width, height, seed). The latents have 64 values; 60, not a multiple of 16; and 12, fewer than 16.
SIZES = {
    "sd1": [(32, 32, 42), (24, 40, 2**31 + 5), (24, 8, 0)],
    "vpred": [(16, 16, 42), (32, 16, 2**63 - 25), (8, 24, 1)],
}


def plan(checkpoint: Checkpoint):
    """All runs of a checkpoint: every adapter × scheduler × size, then one change at a time."""
    sizes = SIZES[checkpoint.name]
    # `vpred` has no skip_prk_steps, without which PNDM is a different scheduler.
    known = [name for name in CLASSES if name != "pndm" or checkpoint.scheduler.get("skip_prk_steps")]
    samplers = [*((name, None) for name in known), ("dpmpp-2m", True)]
    for kind in adapters.KINDS:
        for sampler, karras in samplers:
            for width, height, seed in sizes:
                yield run(kind, sampler, width, height, seed, karras=karras)
    width, height, seed = sizes[1]
    for sampler in known:
        yield run(None, sampler, width, height, seed, label="no adapter")
    for sampler in KARRAS:
        yield run("linear", sampler, width, height, seed, karras=True, label="karras")
    for scale in (0.0, 0.5):
        yield run("linear", "euler", width, height, seed, scale=scale, label=f"scale {scale}")
    for kind in adapters.KINDS:
        yield run(kind, "ddim", width, height, seed, guidance=1.0, label="no guidance")
        yield run(kind, "unipc", width, height, seed, scale="style", label="one block")
        yield run(kind, "dpmpp-2m", width, height, seed, scale="two", label="two blocks")
    yield run("plus", "euler", width, height, seed, negative=None, label="no negative prompt")
    yield run("linear", "euler-a", width, height, seed, prompt=PROMPTS[14], label="long prompt")
    yield run("linear", "ddim", width, height, seed, prompt="", negative=PROMPTS[5], label="empty prompt")
    yield run("full", "ddim", width, height, seed, active=[0.15, 0.65], label="adapter in the middle only")
    for sampler in ("euler-a", "lcm", "ddim"):
        yield run("plus", sampler, width, height, seed, seeds=[seed, 0, 7], label="three seeds at once")
    yield run("linear", "dpmpp-2m", 64, 48, 7, label="larger")
    yield run("full", "euler-a", 40, 64, 2**32 + 7, label="larger")
    yield run("plus", "ddim", width, height, seed, reference="portrait", label="another reference")


def run(kind, sampler, width, height, seed, karras=None, label="grid", **changes) -> dict:
    return {
        "label": label,
        "adapter": kind,
        "sampler": sampler,
        "karras": karras,
        "width": width,
        "height": height,
        "seeds": [seed],
        "steps": 4 if sampler == "lcm" else 5,
        "guidance": 7.5,
        "scale": 1.0,
        "active": [0.0, 1.0],
        "prompt": PROMPT,
        "negative": NEGATIVE,
        "reference": pictures.REFERENCE,
        **changes,
    }


def scales(pipe: StableDiffusionPipeline, scale):
    """(argument of set_ip_adapter_scale, the same as one number or by prefixes of names)"""
    if not isinstance(scale, str):
        return scale, scale
    up = [i for i, block in enumerate(pipe.unet.up_blocks) if hasattr(block, "attentions")][-1]
    down = [i for i, block in enumerate(pipe.unet.down_blocks) if hasattr(block, "attentions")][-1]
    style = [0.0, 1.0] + [0.0] * (len(pipe.unet.up_blocks[up].attentions) - 2)
    if scale == "style":
        return {"up": {f"block_{up}": style}}, {f"up_blocks.{up}.attentions.1": 1.0}
    both = {"up": {f"block_{up}": style}, "down": {f"block_{down}": 0.6}}
    return both, {f"up_blocks.{up}.attentions.1": 1.0, f"down_blocks.{down}": 0.6}


def goldens(checkpoint: Checkpoint, pipe: StableDiffusionPipeline, data: Path) -> tuple[dict, dict]:
    own_config = pipe.scheduler.config
    tensors, cases, attached = {}, [], None
    for place, case in enumerate(sorted(plan(checkpoint), key=lambda case: str(case["adapter"]))):
        if case["adapter"] != attached:
            attached = case["adapter"]
            adapters.attach(pipe, data / f"{checkpoint.name}-adapters", attached)
        extra = {} if case["karras"] is None else {"use_karras_sigmas": case["karras"]}
        pipe.scheduler = CLASSES[case["sampler"]].from_config(own_config, **extra)
        latents, outputs = generate(pipe, case, data)
        tensors[f"{place}.latents"] = latents
        tensors[f"{place}.pictures"] = outputs
        prefixes = scales(pipe, case["scale"])[1] if attached else 0.0
        # As strings, because the largest do not fit JSON's numbers.
        seeds = [str(seed) for seed in case["seeds"]]
        cases.append({"tensor": f"{place}", **case, "scale": prefixes, "seeds": seeds})
    return tensors, {"cases": cases}


def generate(pipe: StableDiffusionPipeline, case: dict, data: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """([steps, seeds, 4, h, w] latents after each step, [seeds, H, W, 3] pictures)"""
    settings = {"prompt": [case["prompt"]] * len(case["seeds"])}
    if case["negative"] is not None:
        settings["negative_prompt"] = [case["negative"]] * len(case["seeds"])
    # PNDM repeats one of its steps.
    steps, after = case["steps"] + (case["sampler"] == "pndm"), []
    weight = scales(pipe, case["scale"])[0] if case["adapter"] else None
    start, end = case["active"]

    def prepare(step: int) -> None:
        if case["adapter"]:
            # As in diffusers for control_guidance_start and _end.
            on = step / steps >= start and (step + 1) / steps <= end
            pipe.set_ip_adapter_scale(weight if on else 0.0)

    def watch(pipe, step, timestep, state):
        after.append(state["latents"].clone())
        prepare(step + 1)
        return state

    if case["adapter"]:
        # One reference for all seeds: one list entry per adapter, each for the whole batch.
        embeds = pipe.prepare_ip_adapter_image_embeds(
            pictures.load(data / "pictures", case["reference"]), None, "cpu", 1, case["guidance"] > 1
        )
        settings["ip_adapter_image_embeds"] = [repeat(embeds[0], len(case["seeds"]), case["guidance"] > 1)]
    prepare(0)
    made = pipe(
        **settings,
        width=case["width"],
        height=case["height"],
        num_inference_steps=case["steps"],
        guidance_scale=case["guidance"],
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in case["seeds"]],
        callback_on_step_end=watch,
    ).images
    latents = torch.stack(after)
    assert torch.isfinite(latents).all(), case
    return latents.contiguous(), torch.stack([picture_tensor(picture) for picture in made])


def repeat(embeds: torch.Tensor, times: int, guidance: bool) -> torch.Tensor:
    """[negative, positive] repeated for `times` seeds in the pipeline's order, all negatives first."""
    parts = embeds.chunk(2) if guidance else (embeds,)
    return torch.cat([part.repeat_interleave(times, dim=0) for part in parts])
