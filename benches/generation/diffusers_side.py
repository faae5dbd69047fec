"""Runs one generation with diffusers and prints its figures as JSON. Arguments: FOLDER STEPS PICTURE DTYPE THREADS."""

import json
import sys
import time

folder, steps, picture, dtype, threads = sys.argv[1:]

import torch

torch.set_num_threads(int(threads))

from diffusers import StableDiffusionPipeline

PROMPT = "a portrait photo of a woman with red hair, soft light"

started = time.perf_counter()
pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=getattr(torch, dtype), safety_checker=None)
load_s = time.perf_counter() - started
pipe.set_progress_bar_config(disable=True)

# As in pentimento, a step starts at the end of the previous one.
step_s = []
mark = None
forward = pipe.unet.forward


def begin(*args, **kwargs):
    global mark
    mark = mark or time.perf_counter()
    return forward(*args, **kwargs)


def end(pipe, index, timestep, tensors):
    global mark
    now = time.perf_counter()
    step_s.append(now - mark)
    mark = now
    return tensors


decode_s = 0.0
decode = pipe.vae.decode


def timed_decode(*args, **kwargs):
    global decode_s
    begun = time.perf_counter()
    result = decode(*args, **kwargs)
    decode_s += time.perf_counter() - begun
    return result


pipe.unet.forward = begin
pipe.vae.decode = timed_decode
result = pipe(
    PROMPT,
    negative_prompt="",
    num_inference_steps=int(steps),
    guidance_scale=7.5,
    generator=torch.Generator("cpu").manual_seed(7),
    callback_on_step_end=end,
)
with open(picture, "wb") as file:
    file.write(result.images[0].convert("RGB").tobytes())
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
print(json.dumps({"load_s": load_s, "step_s": step_s, "decode_s": decode_s, "peak_bytes": peak}))
