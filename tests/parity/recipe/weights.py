"""Random weights with which every part of a tiny network affects the result.

Each tensor has its own generator, seeded by the tensor's name. So adding a tensor does not change the
others, and the script always writes the same bytes.
"""

import hashlib

import torch

# Factors on 1/sqrt(fan_in) for parts that would otherwise hardly affect the result.
GAINS = [
    ("to_k_ip", 1.5),
    ("to_v_ip", 1.5),
    ("attn2.to_q", 1.5),
    ("attn2.to_k", 1.5),
    ("attn2.to_v", 1.5),
    ("q_proj", 1.5),
    ("k_proj", 1.5),
    ("decoder.conv_out", 0.35),
    ("conv_out", 1.2),
]


def generator(name: str) -> torch.Generator:
    digest = hashlib.sha256(name.encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:6], "little"))


def tensor(name: str, shape, norm: bool = False) -> torch.Tensor:
    """A random tensor for the parameter `name`. `norm` marks parameters of normalisation layers."""
    shape = tuple(shape)
    noise = torch.randn(shape, generator=generator(f"{name} {shape}"))
    if norm and name.endswith("weight"):
        return 1 + 0.25 * noise.clamp(-2, 2)
    if norm:
        return 0.25 * noise
    if len(shape) <= 1 or name.endswith("bias"):
        return 0.15 * noise
    if "token_embedding" in name or name.endswith("latents"):
        return 0.7 * noise
    if "position_embedding" in name:
        return 0.4 * noise
    fan_in = noise[0].numel()
    gain = next((g for part, g in GAINS if part in name), 1.0)
    return gain * noise * fan_in**-0.5


def fill(module: torch.nn.Module, label: str) -> torch.nn.Module:
    """Overwrites all parameters of `module` with random values."""
    norms = (torch.nn.LayerNorm, torch.nn.GroupNorm)
    with torch.no_grad():
        for path, child in module.named_modules():
            for leaf, parameter in child.named_parameters(recurse=False):
                name = f"{path}.{leaf}"
                value = tensor(f"{label} {name}", parameter.shape, isinstance(child, norms))
                parameter.copy_(value)
    return module.eval()


def fill_state(state: dict[str, tuple], label: str) -> dict[str, torch.Tensor]:
    """Random tensors for a dictionary of name → shape."""
    norms = ("norm", "proj.3.", ".1.0.")
    return {
        name: tensor(f"{label} {name}", shape, any(part in name for part in norms))
        for name, shape in state.items()
    }
