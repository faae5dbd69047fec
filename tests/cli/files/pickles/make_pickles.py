"""Writes the small pickles that the tests convert. Made with torch 2.15.0 on Python 3.11:

    python make_pickles.py

Each file has a .json beside it with the names, types, shapes and bytes of its tensors, as safetensors stores them.
"""

import collections
import json
import os
import pickle

import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def facts(tensor):
    tensor = tensor.contiguous()
    data = bytes(tensor.flatten().view(torch.uint8).tolist()) if tensor.numel() else b""
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape), "bytes": data.hex()}


def write(name, content, flat, **options):
    torch.save(content, os.path.join(HERE, name), **options)
    with open(os.path.join(HERE, name + ".json"), "w") as file:
        json.dump({key: facts(value) for key, value in sorted(flat.items())}, file, indent=0)


def main():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(4, 6, generator=generator)
    tensors = {
        "plain": base.clone(),
        "transposed": base.t(),
        "column": base[:, 2],
        "rows": base[1:3],
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "double": base.double(),
        "long": torch.arange(5),
        "bool": torch.tensor([True, False]),
        "tied": base,
    }
    write("types.bin", collections.OrderedDict(tensors), tensors)
    write("legacy.ckpt", tensors, tensors, _use_new_zipfile_serialization=False)
    nested = {"image_proj": {"norm.bias": base[0]}, "ip_adapter": {"1.to_k_ip.weight": base}, "step": 3}
    write("nested.bin", nested, {"image_proj.norm.bias": base[0], "ip_adapter.1.to_k_ip.weight": base})
    module = torch.nn.Linear(3, 2, bias=False)
    module.weight.data = base[:2, :3].clone()
    write("module.pt", module.state_dict(), {"weight": module.weight.data})

    class Hostile:
        def __reduce__(self):
            return (os.system, ("echo hostile > hostile-was-here",))

    torch.save({"weight": base, "other": Hostile()}, os.path.join(HERE, "hostile.bin"))
    torch.save({"weight": base[:1].expand(4096, 6)}, os.path.join(HERE, "expanded.bin"))
    torch.save(torch.nn.Linear(2, 2), os.path.join(HERE, "whole-module.bin"))
    with open(os.path.join(HERE, "bare.pkl"), "wb") as file:
        pickle.dump(Hostile(), file)

    fp8 = {}
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        values = torch.arange(256, dtype=torch.int32).to(torch.uint8).view(dtype).float()
        fp8[str(dtype).removeprefix("torch.")] = values.view(torch.int32).tolist()
    with open(os.path.join(HERE, "float8.json"), "w") as file:
        json.dump(fp8, file)


main()
