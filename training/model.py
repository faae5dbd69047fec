"""The denoiser, its scheduler, loading of a trained state, and sampling with guidance."""
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPVisionModelWithProjection

import dataset
import paths
import tokenizer as words
import train_encoders
from train_vae import LATENT_CHANNELS
from adapter import Adapter

LATENT = dataset.SIZE // 4
CHANNELS = (32, 64, 160, 176)
STATE = paths.checkpoint("unet.state")      # everything that training needs to resume
AVERAGE = paths.checkpoint("unet.average")  # only the averaged weights, which are exported


def make_unet():
    return UNet2DConditionModel(
        sample_size=LATENT, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, layers_per_block=1,
        block_out_channels=CHANNELS,
        cross_attention_dim=train_encoders.WIDTH, attention_head_dim=4, norm_num_groups=8,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3 + ("UpBlock2D",))


def scheduler():
    """Ends in more noise than Stable Diffusion's schedule (beta 0.02, not 0.012) and samples from that end
    ("trailing"). Otherwise the picture's light and colour would be visible even at the noisiest training step, and
    the network would not know the pure noise that sampling starts from (Lin et al. 2023, arXiv:2305.08891). The
    network predicts clean latents, because with twelve channels and few features it has no capacity to pass noise
    through (Li and He 2025, arXiv:2511.13720)."""
    return DDIMScheduler(num_train_timesteps=1000, beta_start=.00085, beta_end=.02, beta_schedule="scaled_linear",
                         clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="sample",
                         timestep_spacing="trailing")


class Model:
    """All parts of a trained model, ready to sample from."""

    def __init__(self, path=AVERAGE):
        state = torch.load(path, weights_only=True)
        self.unet = make_unet()
        self.adapter = Adapter(self.unet)
        self.text = CLIPTextModel.from_pretrained(train_encoders.TEXT, attn_implementation="eager")
        for name in ("unet", "adapter", "text"):
            part = getattr(self, name)
            part.load_state_dict(state[name])
            part.requires_grad_(False).eval()
        self.step, self.samples = state["step"], state["samples"]
        self.vae = AutoencoderKL.from_pretrained(paths.checkpoint("vae")).eval()
        self.vision = CLIPVisionModelWithProjection.from_pretrained(
            train_encoders.VISION, attn_implementation="eager").eval()
        self.tokenizer = words.load()

    @torch.no_grad()
    def read(self, prompts):
        return self.text(input_ids=words.encode(self.tokenizer, prompts)).last_hidden_state

    @torch.no_grad()
    def sample(self, prompts, embedding=None, scale=1.0, guidance=5.0, steps=25, seeds=None, negative="", noise=None):
        """Pictures (N x 3 x H x W in -1..1). As in diffusers, the unconditional branch gets the
        projection of a zero embedding. Without `embedding` the adapter is off."""
        n = len(prompts)
        if noise is None:
            generators = [torch.Generator().manual_seed(s) for s in (seeds or range(n))]
            noise = torch.cat([torch.randn(1, LATENT_CHANNELS, LATENT, LATENT, generator=g) for g in generators])
        guided = guidance > 1
        context = self.read(prompts)
        if guided:
            context = torch.cat([self.read([negative] * n), context])
        self.adapter.scale, self.adapter.image_tokens = scale, None
        if embedding is not None and scale:
            both = torch.cat([torch.zeros_like(embedding), embedding]) if guided else embedding
            self.adapter.image_tokens = self.adapter.image_proj(both)
        plan = scheduler()
        plan.set_timesteps(steps)
        x = noise
        for t in plan.timesteps:
            clean = self.unet(torch.cat([x, x]) if guided else x, t, encoder_hidden_states=context).sample
            if guided:
                without, asked = clean.chunk(2)
                clean = without + guidance * (asked - without)
            x = plan.step(clean, t, x).prev_sample
        parts = (x / self.vae.config.scaling_factor).split(16)
        return torch.cat([self.vae.decode(part).sample for part in parts])
