"""Results of `torch.Generator("cpu")` and `torch.randn` for seeds and counts around all special cases."""

import torch

SEEDS = [0, 1, 42, 2**31 + 5, 2**32 + 7, 2**63 - 25, 2**64 - 1]
COUNTS = [*range(1, 41), 47, 48, 49, 63, 64, 65, 100, 255, 256, 260]
LONG = (42, 1000)
# Several draws from one generator. A draw of fewer than 16 values can leave half of a pair for the next draw.
SEQUENCE = (7, [3, 5, 16, 1, 1, 20, 12, 12, 33, 15, 64, 7])


def draw(seed: int, counts: list[int]) -> list[torch.Tensor]:
    generator = torch.Generator("cpu").manual_seed(seed)
    return [torch.randn(count, generator=generator) for count in counts]


def goldens() -> tuple[dict[str, torch.Tensor], dict]:
    tensors, cases = {}, []
    for seed in SEEDS:
        fresh = torch.cat([draw(seed, [count])[0] for count in COUNTS])
        tensors[f"seed-{seed}"] = fresh
        cases.append({"tensor": f"seed-{seed}", "seed": str(seed), "counts": COUNTS, "fresh": True})
    tensors["long"] = draw(LONG[0], [LONG[1]])[0]
    cases.append({"tensor": "long", "seed": str(LONG[0]), "counts": [LONG[1]], "fresh": True})
    tensors["sequence"] = torch.cat(draw(*SEQUENCE))
    cases.append({"tensor": "sequence", "seed": str(SEQUENCE[0]), "counts": SEQUENCE[1], "fresh": False})
    return tensors, {"cases": cases}
