"""Adapter files of three kinds in the layout of h94/IP-Adapter, and their image encoder."""

import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from . import weights
from .checkpoints import SD1, Checkpoint, write_json

KINDS = ["linear", "plus", "full"]
LINEAR_TOKENS = 4  # the only number that diffusers supports
RESAMPLER_LAYERS = 4  # the only depth that diffusers supports
HEAD = 64


def file_name(kind: str) -> str:
    return f"ip-adapter_{kind}.safetensors"


def image_projection(kind: str, checkpoint: Checkpoint) -> dict[str, tuple]:
    """Name → shape of the `image_proj.` tensors."""
    context = checkpoint.unet["cross_attention_dim"]
    hidden = checkpoint.image_encoder["hidden_size"]
    if kind == "linear":
        rows = LINEAR_TOKENS * context
        return {
            "proj.weight": (rows, checkpoint.image_encoder["projection_dim"]),
            "proj.bias": (rows,),
            "norm.weight": (context,),
            "norm.bias": (context,),
        }
    if kind == "full":
        return {
            "proj.0.weight": (hidden, hidden),
            "proj.0.bias": (hidden,),
            "proj.2.weight": (context, hidden),
            "proj.2.bias": (context,),
            "proj.3.weight": (context,),
            "proj.3.bias": (context,),
        }
    width, inner = checkpoint.resampler["width"], HEAD * checkpoint.resampler["heads"]
    shapes = {
        "latents": (1, checkpoint.resampler["tokens"], width),
        "proj_in.weight": (width, hidden),
        "proj_in.bias": (width,),
        "proj_out.weight": (context, width),
        "proj_out.bias": (context,),
        "norm_out.weight": (context,),
        "norm_out.bias": (context,),
    }
    for layer in range(RESAMPLER_LAYERS):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            shapes[f"layers.{layer}.{norm}.weight"] = (width,)
            shapes[f"layers.{layer}.{norm}.bias"] = (width,)
        shapes[f"layers.{layer}.0.to_q.weight"] = (inner, width)
        shapes[f"layers.{layer}.0.to_kv.weight"] = (2 * inner, width)
        shapes[f"layers.{layer}.0.to_out.weight"] = (width, inner)
        shapes[f"layers.{layer}.1.1.weight"] = (4 * width, width)
        shapes[f"layers.{layer}.1.3.weight"] = (width, 4 * width)
    return shapes


def attention_layers(pipe: StableDiffusionPipeline, context: int) -> dict[str, tuple]:
    """Name → shape of the `ip_adapter.N.` tensors. The cross-attentions have odd N among the UNet's processors."""
    shapes = {}
    for number, name in enumerate(pipe.unet.attn_processors):
        if name.endswith("attn2.processor"):
            hidden = pipe.unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
            assert number % 2 == 1
            shapes[f"{number}.to_k_ip.weight"] = (hidden, context)
            shapes[f"{number}.to_v_ip.weight"] = (hidden, context)
    return shapes


def storage(kind: str, checkpoint: Checkpoint, part: str) -> torch.dtype:
    """The type of a part's tensors. Published files mix types: here one is float32, one float16, the others both."""
    half = {
        "sd1": {"linear": (), "plus": ("ip_adapter",), "full": ("image_proj", "ip_adapter")},
        "vpred": {"linear": ("image_proj",), "plus": (), "full": ("ip_adapter",)},
    }
    return torch.float16 if part in half[checkpoint.name][kind] else torch.float32


def write(checkpoint: Checkpoint, pipe: StableDiffusionPipeline, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    context = checkpoint.unet["cross_attention_dim"]
    for kind in KINDS:
        parts = {
            "image_proj": image_projection(kind, checkpoint),
            "ip_adapter": attention_layers(pipe, context),
        }
        state = {}
        for part, shapes in parts.items():
            label = f"{checkpoint.name} {kind} {part}"
            for name, value in weights.fill_state(shapes, label).items():
                state[f"{part}.{name}"] = value.to(storage(kind, checkpoint, part)).contiguous()
        save_file(state, folder / file_name(kind), metadata={"format": "pt"})
    write_image_encoder(checkpoint, folder / "image_encoder")


def write_image_encoder(checkpoint: Checkpoint, folder: Path) -> None:
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**checkpoint.image_encoder))
    weights.fill(model, f"{checkpoint.name} image encoder").save_pretrained(folder)
    if checkpoint is SD1:  # like an older export, with the position_ids buffer
        state = load_file(folder / "model.safetensors")
        positions = state["vision_model.embeddings.position_embedding.weight"].shape[0]
        state["vision_model.embeddings.position_ids"] = torch.arange(positions)[None]
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "preprocessor_config.json", preprocessor_config(checkpoint))


def preprocessor_config(checkpoint: Checkpoint) -> dict:
    """The keys of the published files in laion's and openai's CLIP repositories."""
    defaults = CLIPImageProcessorPil()
    return {
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": list(defaults.image_mean),
        "image_processor_type": "CLIPImageProcessor",
        "image_std": list(defaults.image_std),
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": 224},
        **checkpoint.preprocessor,
    }


def attach(pipe: StableDiffusionPipeline, folder: Path, kind: str) -> None:
    """Loads an adapter with diffusers' loader, with PIL preprocessing instead of torchvision's."""
    if pipe.image_encoder is None:
        encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder", local_files_only=True)
        processor = CLIPImageProcessorPil.from_pretrained(folder / "image_encoder", local_files_only=True)
        assert processor.backend == "pil"
        pipe.register_modules(image_encoder=encoder.eval(), feature_extractor=processor)
    else:
        detach(pipe)
    pipe.load_ip_adapter(str(folder), subfolder="", weight_name=file_name(kind), local_files_only=True)
    pipe.set_ip_adapter_scale(1.0)


def detach(pipe: StableDiffusionPipeline) -> None:
    """Restores the plain UNet and keeps the image encoder."""
    encoder, processor = pipe.image_encoder, pipe.feature_extractor
    pipe.unload_ip_adapter()
    pipe.register_modules(image_encoder=encoder, feature_extractor=processor)
