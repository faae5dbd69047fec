"""Shared by all training stages: resumable state, a moving average of the weights, and a learning
rate that depends only on the step, so that a paused run loses nothing."""
import math
import os
import time

import torch
import torch.distributed as dist


def cosine(step, steps, warmup=100, floor=.03):
    return min(1, (step + 1) / warmup) * (floor + (1 - floor) * .5 * (1 + math.cos(math.pi * min(1, step / steps))))


class Ema:
    """Exponential moving average of parameters. Its window is short at first, so that early exports are usable."""

    def __init__(self, parameters, longest=.998):
        self.live = list(parameters)
        self.average = [p.detach().clone() for p in self.live]
        self.longest = longest

    @torch.no_grad()
    def update(self, step):
        keep = min(self.longest, 1 - 1 / (step * .08 + 1))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.live], 1 - keep)

    @torch.no_grad()
    def swap(self):
        """Exchanges live and averaged weights. A second call restores them."""
        for live, average in zip(self.live, self.average):
            held = live.detach().clone()
            live.copy_(average)
            average.copy_(held)


def save(path, **state):
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def resume(path):
    return torch.load(path, weights_only=False) if os.path.exists(path) else None


class Meter:
    """Running means, and one log line every `every` steps with wall and CPU time."""

    def __init__(self, every):
        self.every, self.mean = every, {}
        self.wall, self.cpu = time.time(), time.process_time()

    def add(self, step, **values):
        for name, value in values.items():
            value = float(torch.as_tensor(value).detach())
            self.mean[name] = value if name not in self.mean else .98 * self.mean[name] + .02 * value
        if step % self.every == 0:
            figures = " ".join(f"{k} {v:.4f}" for k, v in self.mean.items())
            print(f"step {step} wall {time.time() - self.wall:.0f} s CPU {time.process_time() - self.cpu:.0f} s {figures}",
                  flush=True)


def add_processes(options):
    """Adds the options of stages that can run as several processes with averaged gradients."""
    options.add_argument("--world", type=int, default=1, help="number of processes")
    options.add_argument("--rank", type=int, default=0, help="number of this process, from 0")
    options.add_argument("--port", type=int, default=29511)
    options.add_argument("--threads", type=int, default=1)


def join(args):
    if args.world > 1:
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{args.port}", rank=args.rank,
                                world_size=args.world)


def average_gradients(parameters, world, extra=0.):
    """Averages the gradients over all processes. Returns the mean of `extra`, so that all processes follow one
    plan although each reads its own."""
    if world == 1:
        return extra
    flat = torch.cat([p.grad.flatten() for p in parameters] + [torch.tensor([float(extra)])])
    dist.all_reduce(flat)
    flat /= world
    start = 0
    for p in parameters:
        p.grad.copy_(flat[start:start + p.numel()].view_as(p))
        start += p.numel()
    return float(flat[-1])


def gathered(rows, world):
    """The rows of all processes, in order of rank."""
    if world == 1:
        return rows
    parts = [None] * world
    dist.all_gather_object(parts, rows)
    return torch.cat(parts)
