"""Trajectories of diffusers' schedulers with a stand-in for the UNet, over all settings that checkpoints
use. Each scheduler is `XScheduler.from_config(<a checkpoint's scheduler_config.json>)`.
"""

import itertools

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from .checkpoints import DDIM_V_PREDICTION, PNDM_AS_IN_V1_5

CLASSES = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
    "dpmpp-2m": DPMSolverMultistepScheduler,
    "unipc": UniPCMultistepScheduler,
    "lcm": LCMScheduler,
    "pndm": PNDMScheduler,
}
KARRAS = ["euler", "dpmpp-2m", "unipc"]  # those that have use_karras_sigmas
SHAPES = [(1, 4, 3, 2), (1, 4, 3, 1), (1, 4, 2, 2)]  # 24, 12 and 16 values: torch draws each differently

STEADY = 1e-5

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
SDXL = {
    **SD,
    "_class_name": "EulerDiscreteScheduler",
    "clip_sample": False,
    "interpolation_type": "linear",
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}
V_2_1 = {
    **SD,
    "_class_name": "DDIMScheduler",
    "clip_sample": False,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
LCM = {**SD, "_class_name": "LCMScheduler", "original_inference_steps": 50, "timestep_scaling": 10.0}
UNIPC = {**SD, "_class_name": "UniPCMultistepScheduler", "solver_type": "bh2", "solver_order": 2}
MINIMAL = {"_class_name": "DDIMScheduler"}  # all keys at their defaults

GRID = itertools.product(
    ("linear", "scaled_linear", "squaredcos_cap_v2"),
    ("leading", "trailing", "linspace"),
    ("epsilon", "v_prediction"),
)


def build(name: str, config: dict, steps: int, karras: bool | None = None):
    extra = {} if karras is None else {"use_karras_sigmas": karras}
    scheduler = CLASSES[name].from_config(dict(config), **extra)
    scheduler.set_timesteps(steps)
    return scheduler


def stand_in(sample: torch.Tensor, timestep: float, prediction: str) -> torch.Tensor:
    """A plausible UNet output: a share of the input that grows with time, plus waves over the flat index."""
    gain = 0.9 * timestep / 1000 if prediction == "epsilon" else 0.1
    index = torch.arange(sample.numel(), dtype=torch.float64)
    wave = 0.2 * torch.cos(timestep / 90 + index / 2)
    return gain * sample + wave.to(torch.float32).reshape(sample.shape)


def solver_options():
    """The options of the multistep solvers, each with few steps and with many."""
    keys = [
        ("dpmpp-2m", {"solver_order": 1}),
        ("dpmpp-2m", {"solver_order": 3}),
        ("dpmpp-2m", {"solver_order": 3, "lower_order_final": False, "final_sigmas_type": "sigma_min"}),
        ("dpmpp-2m", {"solver_type": "heun"}),
        ("dpmpp-2m", {"solver_type": "bh2"}),
        ("dpmpp-2m", {"lower_order_final": False}),
        ("dpmpp-2m", {"euler_at_final": True}),
        ("dpmpp-2m", {"final_sigmas_type": "sigma_min"}),
        ("dpmpp-2m", {"lambda_min_clipped": -5.1}),
        ("unipc", {"solver_order": 1}),
        ("unipc", {"solver_order": 3}),
        ("unipc", {"solver_order": 3, "lower_order_final": False, "final_sigmas_type": "sigma_min"}),
        ("unipc", {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}),
        ("unipc", {"solver_type": "midpoint"}),
        ("unipc", {"predict_x0": False, "final_sigmas_type": "sigma_min"}),
        ("unipc", {"disable_corrector": [0, 2]}),
        ("euler", {"final_sigmas_type": "sigma_min"}),
        ("euler", {"timestep_type": "continuous"}),
    ]
    for name, key in keys:
        for prediction in ("epsilon", "v_prediction"):
            if (prediction, key.get("timestep_type")) == ("v_prediction", "continuous"):
                continue  # timesteps that the model was not trained on
            for steps in (5, 16):
                config = {**PNDM_AS_IN_V1_5, "prediction_type": prediction, **key}
                yield ", ".join(f"{k}={v}" for k, v in key.items()), config, name, steps, None


def trajectory(scheduler, prediction: str, shape, seed: int, nudge: float = 0.0) -> torch.Tensor:
    """The samples after each step, [steps, ...shape]. `nudge` changes the initial noise by a share of itself."""
    generator = torch.Generator("cpu").manual_seed(seed)
    sample = (1 + nudge) * torch.randn(shape, generator=generator) * scheduler.init_noise_sigma
    draws = {"generator": generator} if "generator" in scheduler.step.__code__.co_varnames else {}
    after = []
    for timestep in scheduler.timesteps:
        output = stand_in(scheduler.scale_model_input(sample, timestep), float(timestep), prediction)
        sample = scheduler.step(output, timestep, sample, **draws).prev_sample
        after.append(sample)
    return torch.stack(after)


def variants():
    """(label, config, sampler, steps, karras)"""
    published = {"v1-5": PNDM_AS_IN_V1_5, "sdxl": SDXL, "v2-1": V_2_1, "trailing": DDIM_V_PREDICTION}
    published |= {"lcm": LCM, "unipc": UNIPC, "minimal": MINIMAL}
    for label, config in published.items():
        for name in CLASSES:
            if name == "pndm" and not config.get("skip_prk_steps"):
                continue  # PNDM with Runge-Kutta steps, which no Stable Diffusion checkpoint uses
            for steps in (1, 2, 3, 5, 14, 15, 25):
                yield label, config, name, steps, None
        for name in KARRAS:
            for steps in (2, 6, 20):
                yield f"{label} karras", config, name, steps, True
    for betas, spacing, prediction in GRID:
        config = {**SD, "beta_schedule": betas, "timestep_spacing": spacing, "prediction_type": prediction}
        config |= {"_class_name": "DDIMScheduler", "steps_offset": 1, "clip_sample": False, "skip_prk_steps": True}
        if betas == "linear":
            config |= {"beta_start": 0.0001, "beta_end": 0.02}
        label = f"{betas} {spacing} {prediction}"
        for name in CLASSES:
            for steps in (4, 11):
                if not beyond_diffusers(name, config, steps):
                    yield label, config, name, steps, None
        for name in KARRAS:
            if name == "euler" or betas != "squaredcos_cap_v2":  # the others fail on repeated timesteps
                yield f"{label} karras", config, name, 7, True
    yield from options()


def beyond_diffusers(name: str, config: dict, steps: int) -> bool:
    """Whether diffusers itself gives no usable values: NaN, or samples that grow past 10⁴."""
    if config["beta_schedule"] != "squaredcos_cap_v2":
        return False
    spacing = config["timestep_spacing"]
    return (name, spacing, steps) == ("euler-a", "linspace", 4) or (name, spacing) == ("pndm", "trailing")


def options():
    """Published configurations with one key changed."""
    for key, value in {"steps_offset": 0, "set_alpha_to_one": True, "clip_sample": True, "num_train_timesteps": 600}.items():
        for prediction in ("epsilon", "v_prediction"):
            config = {**PNDM_AS_IN_V1_5, "prediction_type": prediction, key: value}
            for name in CLASSES:
                yield f"{key}={value} {prediction}", config, name, 6, None
    narrow = {**PNDM_AS_IN_V1_5, "clip_sample": True, "clip_sample_range": 0.7}
    for name in ("ddim", "lcm"):
        yield "clip_sample_range=0.7", narrow, name, 6, None
    for spacing in ("leading", "trailing", "linspace"):
        zero_snr = {**V_2_1, "rescale_betas_zero_snr": True, "timestep_spacing": spacing}
        for name in CLASSES:
            if name != "pndm":  # does not have this option
                yield f"zero snr {spacing}", zero_snr, name, 6, None
    for steps in (10, 30, 50):
        for name in CLASSES:
            yield "long", PNDM_AS_IN_V1_5, name, steps, None
    for original, steps in ((100, 4), (40, 8), (50, 50)):
        yield "original steps", {**LCM, "original_inference_steps": original}, "lcm", steps, None
    for scaling in (5.0, 0.05):  # at the usual 10 the skip connection hardly matters
        yield "timestep scaling", {**LCM, "timestep_scaling": scaling}, "lcm", 4, None
    yield from solver_options()
    for name in CLASSES:
        if name not in ("euler-a", "pndm"):  # these two support only epsilon and v
            yield "sample", {**PNDM_AS_IN_V1_5, "prediction_type": "sample"}, name, 6, None
    betas = [0.0005 + 0.01 * (i / 99) ** 2 for i in range(100)]
    for name in ("ddim", "euler"):
        yield "trained betas", {**SDXL, "num_train_timesteps": 100, "trained_betas": betas}, name, 5, None


def is_steady(after: torch.Tensor, nudged: torch.Tensor) -> bool:
    """Whether a change in the last digit of the initial noise stays small. Otherwise a golden would record diffusers'
    rounding errors. It grows where σ reaches 10⁴ and two such values differ by about 1.
    """
    return all((a - b).abs().max() <= STEADY * a.abs().max() for a, b in zip(after, nudged))


def goldens() -> tuple[dict[str, torch.Tensor], dict]:
    tensors, configs, cases, unsteady = {}, [], [], []
    for place, (label, config, name, steps, karras) in enumerate(variants()):
        prediction = build(name, config, steps, karras).config.prediction_type
        shape, seed = SHAPES[place % len(SHAPES)], place % 5

        def follow(nudge: float) -> torch.Tensor:
            return trajectory(build(name, config, steps, karras), prediction, shape, seed, nudge)

        after = follow(0.0)
        assert torch.isfinite(after).all(), (label, name, steps)
        if not is_steady(after, follow(2**-23)):
            unsteady.append(f"{label}, {name}, {steps} steps")
            continue
        if config not in configs:
            configs.append(config)
        scheduler = build(name, config, steps, karras)
        tensors[f"{place}"] = after.contiguous()
        case = {
            "tensor": f"{place}",
            "label": label,
            "config": configs.index(config),
            "sampler": name,
            "steps": steps,
            "karras": karras,
            "prediction_type": prediction,
            "shape": shape,
            "seed": seed,
            "init_noise_sigma": float(scheduler.init_noise_sigma),
            "timesteps": [float(timestep) for timestep in scheduler.timesteps],
        }
        cases.append(case)
    return tensors, {"configs": configs, "cases": cases, "left_out": unsteady}
