"""What every training stage shares: resumable state, a moving average of the weights, and a
learning rate that depends on the step alone, so that a paused run loses nothing."""
import math
import os
import time

import torch


def cosine(step, steps, warmup=100, floor=.03):
    return min(1, (step + 1) / warmup) * (floor + (1 - floor) * .5 * (1 + math.cos(math.pi * min(1, step / steps))))


class Ema:
    """Exponential moving average of parameters; short at first so that early exports are usable."""

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
        """Exchange live and averaged weights; call again to go back."""
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
    """A running mean and one log line every so many steps, with wall and CPU time."""

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
