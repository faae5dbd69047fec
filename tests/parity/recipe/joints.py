"""Goldens of each stage of the pipeline for one checkpoint, from the prompt to the decoded picture."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from . import adapters, pictures
from .checkpoints import Checkpoint

PROMPTS = [
    "",
    "a portrait of a woman with red hair",
    "A PORTRAIT,  of\ta   woman\n",
    "it's the person's photo; they're 12 years old, we've 3.5 left & I'll stay, I'd say",
    "Café naïve — Ångström… “quoted” ¿qué?",
    "肖像画、黒い髪の女性 и портрет женщины पोर्ट्रेट",
    "emoji 🙂👩‍🦰 flags 🇨🇭 and symbols ½ ² ™ ∑",
    "<|startoftext|> odd <|endoftext|> markers !",
    "!!! wow!!! (masterpiece:1.2), [low] {quality} a_b-c/d\\e #tag @me 50% 1998",
    "ΑΣΣΟΣ İstanbul straße ﬁne ǅ",
    "zero\u200bwidth nbsp\u00a0here \u3000wide\u2028line",
    "ends with a space ",
    "cafe\u0301 and e\u0301te\u0301 in two parts",
    "'s 't're don't rock'n'roll o'clock d'accord",
    " ".join(f"word{number} of a very long prompt," for number in range(30)),
    "photograph " * 74 + "last",
    "photograph " * 75 + "last",
]
ENCODED = [0, 1, 5, 14]  # indices of the prompts whose text states are recorded
TIMESTEPS = [1.0, 500.0, 981.0]


class Recorder:
    """Collects named tensors and the settings that made them."""

    def __init__(self):
        self.tensors, self.facts = {}, {}

    def add(self, name: str, value: torch.Tensor) -> str:
        assert name not in self.tensors, name
        if value.is_floating_point():
            assert torch.isfinite(value).all(), name
        self.tensors[name] = value.detach().clone().contiguous()
        return name


def goldens(checkpoint: Checkpoint, pipe: StableDiffusionPipeline, data: Path) -> tuple[dict, dict]:
    record = Recorder()
    with torch.no_grad():
        record.facts["tokens"] = [token_case(pipe, prompt) for prompt in PROMPTS]
        for place in ENCODED:
            record.add(f"text.{place}", pipe.encode_prompt(PROMPTS[place], "cpu", 1, False)[0])
        record.facts["texts"] = [{"prompt": PROMPTS[place], "tensor": f"text.{place}"} for place in ENCODED]
        decoder(pipe, record)
        plain_unet(pipe, record)
        folder = data / f"{checkpoint.name}-adapters"
        record.facts["adapters"] = []
        for kind in adapters.KINDS:
            adapters.attach(pipe, folder, kind)
            if kind == adapters.KINDS[0]:
                image_features(pipe, data, record)
            record.facts["adapters"].append(adapter_case(pipe, kind, data, record))
        adapters.detach(pipe)
    return record.tensors, record.facts


def token_case(pipe: StableDiffusionPipeline, prompt: str) -> dict:
    """Token ids as in `encode_prompt`, and the dropped part that it warns about."""
    length = pipe.tokenizer.model_max_length
    ids = pipe.tokenizer(prompt, padding="max_length", max_length=length, truncation=True).input_ids
    whole = pipe.tokenizer(prompt, padding="longest").input_ids
    dropped = whole[length - 1 : -1] if len(whole) > length else []
    return {
        "prompt": prompt,
        "ids": ids,
        "count": len(whole) - 2,
        "dropped_ids": dropped,
        "dropped": pipe.tokenizer.batch_decode([dropped])[0] if dropped else None,
    }


def image_features(pipe: StableDiffusionPipeline, data: Path, record: Recorder) -> None:
    """Pixel values of each picture, and features of the reference and of zeros (the unconditional branch)."""
    for name in pictures.SIZES:
        picture = pictures.load(data / "pictures", name)
        record.add(f"pixels.{name}", pipe.feature_extractor(picture, return_tensors="pt").pixel_values)
    reference = pictures.load(data / "pictures", pictures.REFERENCE)
    embeds, zeros = pipe.encode_image(reference, "cpu", 1, output_hidden_states=False)
    assert not zeros.any()
    record.add("image_embeds", embeds)
    states, blank = pipe.encode_image(reference, "cpu", 1, output_hidden_states=True)
    record.add("hidden_states", states)
    record.add("hidden_states.unconditional", blank)


def adapter_case(pipe: StableDiffusionPipeline, kind: str, data: Path, record: Recorder) -> dict:
    reference = pictures.load(data / "pictures", pictures.REFERENCE)
    embeds = pipe.prepare_ip_adapter_image_embeds(reference, None, "cpu", 1, True)
    tokens = pipe.unet.encoder_hid_proj(embeds)[0].squeeze(1)  # [negative, positive] × tokens × width
    record.add(f"{kind}.tokens", tokens)
    numbers = [n for n, name in enumerate(pipe.unet.attn_processors) if name.endswith("attn2.processor")]
    case = {"kind": kind, "layers": numbers, "attentions": cross_attentions(pipe, kind, embeds, record)}
    text = torch.cat(pipe.encode_prompt(PROMPTS[1], "cpu", 1, True, PROMPTS[3])[::-1])
    case |= {"positive": PROMPTS[1], "negative": PROMPTS[3], "steps": []}
    for place, (scale, prefixes, timestep) in enumerate(unet_settings(pipe)):
        pipe.set_ip_adapter_scale(scale)
        sample = latents(pipe, f"{kind} step {place}", 2, odd=place % 2 == 1)
        output = pipe.unet(sample, timestep, text, added_cond_kwargs={"image_embeds": embeds}).sample
        name = f"{kind}.unet.{place}"
        record.add(f"{name}.sample", sample)
        record.add(f"{name}.output", output)
        case["steps"].append({"tensor": name, "timestep": timestep, "scale": prefixes})
    pipe.set_ip_adapter_scale(1.0)
    return case


def unet_settings(pipe: StableDiffusionPipeline):
    """(argument of set_ip_adapter_scale, the same as one number or by prefixes of names, timestep)"""
    up = next(i for i, block in enumerate(pipe.unet.up_blocks) if hasattr(block, "attentions"))
    layers = len(pipe.unet.up_blocks[up].attentions)
    style = [0.0] * (layers - 1) + [1.0]
    down = next(i for i, block in enumerate(pipe.unet.down_blocks) if hasattr(block, "attentions"))
    yield 1.0, 1.0, TIMESTEPS[2]
    yield 0.5, 0.5, TIMESTEPS[1]
    yield 0.0, 0.0, TIMESTEPS[1]
    yield {"up": {f"block_{up}": style}}, {f"up_blocks.{up}.attentions.{layers - 1}": 1.0}, TIMESTEPS[0]
    both = {"down": {f"block_{down}": 0.7}, "mid": 0.4}
    yield both, {f"down_blocks.{down}": 0.7, "mid_block": 0.4}, TIMESTEPS[1]


def cross_attentions(pipe: StableDiffusionPipeline, kind: str, embeds, record: Recorder) -> list[dict]:
    """Single cross-attentions: the first of the down blocks, the last of the up blocks and the middle one.
    The text is the states of PROMPTS[0], then those of PROMPTS[1]."""
    names = [name.removesuffix(".processor") for name in pipe.unet.attn_processors if "attn2" in name]
    chosen = [names[0], [name for name in names if name.startswith("up")][-1], names[-1]]
    tokens = pipe.unet.encoder_hid_proj(embeds)
    text = torch.cat(pipe.encode_prompt(PROMPTS[1], "cpu", 1, True)[::-1])
    cases = []
    for name in chosen:
        attention = pipe.unet.get_submodule(name)
        generator = torch.Generator("cpu").manual_seed(len(cases))
        query = torch.randn(2, 6, attention.to_q.in_features, generator=generator)
        record.add(f"{kind}.{name}.input", query)
        for scale in (0.0, 0.5, 1.0):
            pipe.set_ip_adapter_scale(scale)
            record.add(f"{kind}.{name}.{scale}", attention(query, encoder_hidden_states=(text, tokens)))
        cases.append({"name": name, "heads": attention.heads, "scales": [0.0, 0.5, 1.0]})
    pipe.set_ip_adapter_scale(1.0)
    return cases


def latents(pipe: StableDiffusionPipeline, label: str, batch: int, odd: bool) -> torch.Tensor:
    """Noise as latents. `odd` gives a size that the UNet cannot halve evenly."""
    height, width = (5, 3) if odd else (4, 6)
    generator = torch.Generator("cpu").manual_seed(sum(label.encode()))
    return torch.randn(batch, pipe.unet.config.in_channels, height, width, generator=generator)


def plain_unet(pipe: StableDiffusionPipeline, record: Recorder) -> None:
    record.facts["plain"] = []
    text = pipe.encode_prompt(PROMPTS[1], "cpu", 1, False)[0]
    for place, timestep in enumerate([*TIMESTEPS, 333.25]):
        sample = latents(pipe, f"plain {place}", 1, odd=place % 2 == 1)
        record.add(f"plain.{place}.sample", sample)
        record.add(f"plain.{place}.output", pipe.unet(sample, timestep, text).sample)
        record.facts["plain"].append({"tensor": f"plain.{place}", "timestep": timestep, "prompt": PROMPTS[1]})


def decoder(pipe: StableDiffusionPipeline, record: Recorder) -> None:
    """Final latents, the VAE's output for them, and the 8-bit picture."""
    for place, odd in enumerate([False, True]):
        # Larger than real final latents, so that some values are clipped.
        sample = 1.2 * latents(pipe, f"vae {place}", 1, odd)
        decoded = pipe.vae.decode(sample / pipe.vae.config.scaling_factor).sample
        picture = pipe.image_processor.postprocess(decoded, output_type="pil")[0]
        record.add(f"vae.{place}.latents", sample)
        record.add(f"vae.{place}.decoded", decoded)
        record.add(f"vae.{place}.picture", picture_tensor(picture))
    record.facts["vae"] = ["vae.0", "vae.1"]


def picture_tensor(picture) -> torch.Tensor:
    """[height, width, 3], 8 bits."""
    width, height = picture.size
    return torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8).reshape(height, width, 3)
