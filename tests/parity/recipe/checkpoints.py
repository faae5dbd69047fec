"""Two tiny Stable Diffusion checkpoints that differ wherever real ones do.

`sd1` has the layout of runwayml's v1-5: PNDM settings, epsilon, float32 safetensors, a sharded
UNet. `vpred` has the layout of an SD 2 derivative: v-prediction, linear projections, a list of
head counts, only tokenizer.json, only float16 variants.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from . import vocabulary, weights

# As published with v1-5. Missing keys mean each scheduler's default.
PNDM_AS_IN_V1_5 = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
DDIM_V_PREDICTION = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.20.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "timestep_spacing": "trailing",
}


@dataclass
class Checkpoint:
    name: str
    unet: dict
    vae: dict
    text: dict
    scheduler: dict
    merges: int
    pad: str
    image_encoder: dict
    preprocessor: dict
    resampler: dict = field(default_factory=dict)


SD1 = Checkpoint(
    name="sd1",
    unet=dict(
        sample_size=8,
        block_out_channels=(8, 16, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=2,  # despite its name, the number of heads
        cross_attention_dim=24,
        norm_num_groups=4,
    ),
    vae=dict(
        block_out_channels=(4, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        scaling_factor=0.18215,
        sample_size=64,
    ),
    text=dict(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        projection_dim=16,
    ),
    scheduler=PNDM_AS_IN_V1_5,
    merges=130,
    pad="<|endoftext|>",
    image_encoder=dict(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        projection_dim=20,
        hidden_act="gelu",
    ),
    preprocessor=dict(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
    resampler=dict(tokens=6, width=16, heads=2),
)

V_PREDICTION = Checkpoint(
    name="vpred",
    unet=dict(
        sample_size=16,
        block_out_channels=(8, 12, 24),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 3, 4),
        cross_attention_dim=32,
        norm_num_groups=4,
        use_linear_projection=True,
    ),
    vae=dict(
        block_out_channels=(4, 8, 12),
        layers_per_block=2,
        norm_num_groups=2,
        scaling_factor=0.65,
        sample_size=64,
    ),
    text=dict(
        hidden_size=32,
        intermediate_size=56,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=40,
        hidden_act="gelu",
        projection_dim=32,
    ),
    scheduler=DDIM_V_PREDICTION,
    merges=90,
    pad="!",
    image_encoder=dict(
        hidden_size=24,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=3,
        image_size=30,
        patch_size=6,
        projection_dim=28,
        hidden_act="quick_gelu",
    ),
    preprocessor=dict(
        size={"shortest_edge": 36},
        crop_size={"height": 30, "width": 30},
        image_mean=[0.5, 0.45, 0.4],
        image_std=[0.25, 0.3, 0.35],
    ),
    resampler=dict(tokens=5, width=20, heads=1),
)

ALL = [SD1, V_PREDICTION]


def write(checkpoint: Checkpoint, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    tokens = vocabulary.write(folder / "tokenizer", checkpoint.merges, checkpoint.text["max_position_embeddings"], checkpoint.pad)
    text = CLIPTextModel(
        CLIPTextConfig(vocab_size=tokens, bos_token_id=tokens - 2, eos_token_id=tokens - 1, pad_token_id=0, **checkpoint.text)
    )
    unet = UNet2DConditionModel(**checkpoint.unet)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(checkpoint.vae["block_out_channels"]),
        up_block_types=("UpDecoderBlock2D",) * len(checkpoint.vae["block_out_channels"]),
        latent_channels=4,
        **checkpoint.vae,
    )
    parts = {"text_encoder": text, "unet": unet, "vae": vae}
    for name, module in parts.items():
        weights.fill(module, f"{checkpoint.name} {name}")
    if checkpoint is SD1:
        text.save_pretrained(folder / "text_encoder")
        name_as_before_transformers_5(folder / "text_encoder/model.safetensors", checkpoint.text["max_position_embeddings"])
        unet.save_pretrained(folder / "unet", max_shard_size="120KB")
        vae.save_pretrained(folder / "vae")
    else:
        tokenizer_json_alone(folder / "tokenizer")
        for name, module in parts.items():
            module.half().save_pretrained(folder / name, variant="fp16")
    (folder / "scheduler").mkdir()
    write_json(folder / "scheduler/scheduler_config.json", checkpoint.scheduler)
    write_json(folder / "model_index.json", model_index(checkpoint))


def name_as_before_transformers_5(file: Path, positions: int) -> None:
    """Adds the `text_model.` prefix and the position_ids buffer of published text encoders."""
    state = {f"text_model.{name}": value for name, value in load_file(file).items()}
    state["text_model.embeddings.position_ids"] = torch.arange(positions)[None]
    save_file(state, file, metadata={"format": "pt"})


def tokenizer_json_alone(folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    for file in folder.iterdir():
        file.unlink()
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    kept = {key: value for key, value in settings.items() if key not in ("is_local", "local_files_only")}
    write_json(folder / "tokenizer_config.json", kept)


def model_index(checkpoint: Checkpoint) -> dict:
    return {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.20.0",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", checkpoint.scheduler["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def write_json(file: Path, value) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def load(checkpoint: Checkpoint, folder: Path) -> StableDiffusionPipeline:
    """Loads the written files with the stock pipeline, in float32."""
    variant = None if checkpoint is SD1 else "fp16"
    pipe = StableDiffusionPipeline.from_pretrained(
        folder, variant=variant, torch_dtype=torch.float32, local_files_only=True, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
