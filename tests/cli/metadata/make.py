"""Makes the images in made/: metadata as other programs write it, in the forms that the reported files lack.

    pip install pillow==13.0.0 piexif==1.1.3
    python make.py && python texts.py

The forms follow the sources of the programs, which README.md names.
"""

import json
import struct
import zlib
from pathlib import Path

import piexif
from PIL import Image
from PIL.PngImagePlugin import PngInfo

HERE = Path(__file__).parent / "made"
PICTURE = Image.linear_gradient("L").resize((32, 24)).convert("RGB")
WEBUI = (
    "portrait of a baker, flour on her hands, weiches Licht – 窓辺\n"
    "Negative prompt: blurry, größer\n"
    "Steps: 21, Sampler: Euler a, CFG scale: 6.5, Seed: 271828, Size: 32x24, Model: bakery_v1, Version: v1.10.1"
)
ASCII = (
    "portrait of a baker\nNegative prompt: blurry\n"
    "Steps: 21, Sampler: Euler, CFG scale: 6.5, Seed: 271828, Size: 32x24, Model: bakery_v1, Version: v1.10.1"
)


def png(name, **texts):
    info = PngInfo()
    for keyword, text in texts.items():
        keyword = {"sd_metadata": "sd-metadata", "xmp": "XML:com.adobe.xmp"}.get(keyword, keyword)
        if all(ord(c) < 128 for c in text) and keyword != "XML:com.adobe.xmp":
            info.add_text(keyword, text)
        else:
            info.add_itxt(keyword, text)
    PICTURE.save(HERE / name, pnginfo=info)


def tiff(order, tags, exif_tags=()):
    """EXIF with ASCII and undefined values: tag, type, bytes."""
    endian = {"II": "<", "MM": ">"}[order]

    def directory(tags, at):
        entries, data, end = b"", b"", at + 2 + 12 * len(tags) + 4
        for tag, kind, value in tags:
            if kind == 4:
                entries += struct.pack(endian + "HHII", tag, 4, 1, value)
            elif len(value) <= 4:
                entries += struct.pack(endian + "HHI", tag, kind, len(value)) + value.ljust(4, b"\0")
            else:
                entries += struct.pack(endian + "HHII", tag, kind, len(value), end + len(data))
                data += value + b"\0" * (len(value) % 2)
        return struct.pack(endian + "H", len(tags)) + entries + struct.pack(endian + "I", 0) + data

    head = order.encode() + struct.pack(endian + "HI", 42, 8)
    if exif_tags:
        size = len(directory(tags + [(0x8769, 4, 0)], 8))
        first = directory(tags + [(0x8769, 4, 8 + size)], 8)
        return head + first + directory(list(exif_tags), 8 + size)
    return head + directory(tags, 8)


def comment(order, code, text):
    return tiff(order, [], [(0x9286, 7, code + text)])


def jpeg(name, exif=b"", before=b""):
    """A JPEG with EXIF, and other segments before it."""
    PICTURE.save(HERE / name, quality=85)
    data = (HERE / name).read_bytes()
    segments, rest = before, exif
    while rest:
        # EXIF of more than one segment continues in the next.
        part, rest = rest[:65000], rest[65000:]
        segments += b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part
    end = 4 + struct.unpack(">H", data[4:6])[0]
    (HERE / name).write_bytes(data[:end] + segments + data[end:])


def webp(name, exif):
    PICTURE.save(HERE / name, lossless=True, exif=exif)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_chunks(name, before=b"", after=b""):
    PICTURE.save(HERE / name)
    data = (HERE / name).read_bytes()
    (HERE / name).write_bytes(data[:33] + before + data[33:-12] + after + data[-12:])


UNICODE, ASCII_CODE, JIS, UNDEFINED = b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"\0" * 8


def exif_files():
    jpeg("exif-utf16be-little-endian.jpg", comment("II", UNICODE, WEBUI.encode("utf-16-be")))
    jpeg("exif-utf16-bom.jpg", comment("MM", UNICODE, b"\xff\xfe" + WEBUI.encode("utf-16-le")))
    jpeg("exif-utf8-undefined.jpg", comment("II", UNDEFINED, WEBUI.encode()))
    jpeg("exif-ascii.jpg", comment("MM", ASCII_CODE, ASCII.encode()))
    jpeg("exif-jis.jpg", comment("MM", JIS, "\x1b$B;n83\x1b(B".encode()))
    jpeg("exif-description.jpg", tiff("II", [(0x10E, 2, ASCII.encode() + b"\0")]))
    icc = b"\xff\xe2" + struct.pack(">H", 16) + b"ICC_PROFILE\0\x01"
    jpeg("exif-after-others.jpg", comment("MM", UNICODE, WEBUI.encode("utf-16-be")), before=icc + b"\xff\xff")
    long_prompt = ", ".join(f"word {number}" for number in range(3000))
    jpeg("exif-two-segments.jpg", comment("MM", UNICODE, WEBUI.replace("flour", long_prompt + ", flour").encode("utf-16-be")))
    webp("exif.webp", b"Exif\0\0" + comment("II", UNICODE, WEBUI.encode("utf-16-le")))
    webp("exif-prefix.webp", b"Exif\0\0Exif\0\0" + comment("MM", UNICODE, WEBUI.encode("utf-16-be")))
    png_chunks("exif-chunk.png", before=chunk(b"eXIf", comment("MM", UNICODE, WEBUI.encode("utf-16-be"))))
    exif = b"Exif\0\0" + comment("II", UNICODE, WEBUI.encode("utf-16-le"))
    profile = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    png_chunks("exif-raw-profile.png", after=chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)))
    png_chunks("ztxt-utf8.png", after=chunk(b"zTXt", b"parameters\0\0" + zlib.compress(WEBUI.encode())))
    png_chunks("itxt-compressed.png", after=chunk(b"iTXt", b"parameters\0\1\0de\0\0" + zlib.compress(WEBUI.encode())))


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def comfy_files():
    two_passes = {
        "1": node("CheckpointLoaderSimple", ckpt_name="bakery/v1.safetensors"),
        "2": node("LoraLoader", lora_name="flour.safetensors", strength_model=0.7, strength_clip=1, model=["1", 0], clip=["1", 1]),
        "3": node("CLIPTextEncode", text=["10", 0], clip=["2", 1]),
        "4": node("CLIPTextEncode", text="blurry, embedding:bad_hands", clip=["2", 1]),
        "5": node("EmptyLatentImage", width=["12", 0], height=24, batch_size=2),
        "6": node("KSampler", seed=["11", 0], steps=21, cfg=6.5, sampler_name="euler", scheduler="normal", denoise=1,
                  model=["2", 0], positive=["9", 0], negative=["4", 0], latent_image=["5", 0]),
        "7": node("LatentUpscale", upscale_method="nearest-exact", width=64, height=48, crop="disabled", samples=["6", 0]),
        "8": node("KSampler", seed=5, steps=10, cfg=4, sampler_name="dpmpp_sde", scheduler="karras", denoise=0.5,
                  model=["2", 0], positive=["9", 0], negative=["4", 0], latent_image=["7", 0]),
        "9": node("ControlNetApply", strength=0.8, conditioning=["3", 0], control_net=["14", 0], image=["15", 0]),
        "10": node("StringConcatenate", string_a="portrait of a baker", string_b="(flour:1.2)", delimiter=", "),
        "11": node("PrimitiveInt", value=18446744073709551615),
        "12": node("PrimitiveInt", value=32),
        "13": {**node("SaveImage", filename_prefix="ComfyUI", images=["16", 0]), "is_changed": [float("nan")]},
        "14": node("ControlNetLoader", control_net_name="canny.safetensors"),
        "15": node("LoadImage", image="edges.png"),
        "16": node("VAEDecode", samples=["8", 0], vae=["1", 2]),
    }
    png("comfyui-two-passes.png", prompt=json.dumps(two_passes), workflow='{"nodes": [], "links": []}')

    custom = {
        "1": node("CheckpointLoaderSimple", ckpt_name="bakery_v1.safetensors"),
        "2": node("CLIPTextEncode", text="portrait of a baker", clip=["1", 1]),
        "3": node("CLIPTextEncode", text="blurry", clip=["1", 1]),
        "4": node("RandomNoise", noise_seed=271828),
        "5": node("KSamplerSelect", sampler_name="dpmpp_2m"),
        "6": node("BasicScheduler", scheduler="karras", steps=21, denoise=1.0, model=["1", 0]),
        "7": node("CFGGuider", cfg=6.5, model=["1", 0], positive=["2", 0], negative=["3", 0]),
        "8": node("EmptyLatentImage", width=32, height=24, batch_size=1),
        "9": node("SamplerCustomAdvanced", noise=["4", 0], guider=["7", 0], sampler=["5", 0], sigmas=["6", 0], latent_image=["8", 0]),
        "10": node("VAEDecode", samples=["9", 1], vae=["1", 2]),
        "11": node("SaveImage", filename_prefix="ComfyUI", images=["10", 0]),
    }
    png("comfyui-custom.png", prompt=json.dumps(custom))
    # ComfyUI writes WebP with the graph in the camera's model and the workflow in the maker.
    exif = piexif.dump({"0th": {0x0110: ("prompt:" + json.dumps(custom)).encode(), 0x010F: b'workflow:{"nodes":[]}'}})
    webp("comfyui.webp", exif)

    advanced = {
        "1": node("CheckpointLoaderSimple", ckpt_name="base.safetensors"),
        "2": node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
        "3": node("CLIPTextEncodeSDXL", width=1024, height=1024, crop_w=0, crop_h=0, target_width=1024, target_height=1024,
                  text_g="portrait of a baker", text_l="a baker, close", clip=["1", 1]),
        "4": node("CLIPTextEncode", text="blurry", clip=["1", 1]),
        "5": node("EmptyLatentImage", width=32, height=24, batch_size=1),
        "6": node("KSamplerAdvanced", add_noise="enable", noise_seed=271828, steps=25, cfg=8, sampler_name="euler_ancestral",
                  scheduler="karras", start_at_step=0, end_at_step=20, return_with_leftover_noise="enable",
                  model=["1", 0], positive=["3", 0], negative=["4", 0], latent_image=["5", 0]),
        "7": node("KSamplerAdvanced", add_noise="disable", noise_seed=0, steps=25, cfg=8, sampler_name="euler_ancestral",
                  scheduler="karras", start_at_step=20, end_at_step=10000, return_with_leftover_noise="disable",
                  model=["2", 0], positive=["3", 0], negative=["4", 0], latent_image=["6", 0]),
        "8": node("VAEDecode", samples=["7", 0], vae=["1", 2]),
        "9": node("PreviewImage", images=["8", 0]),
    }
    png("comfyui-advanced.png", prompt=json.dumps(advanced))
    png("comfyui-no-sampler.png", prompt=json.dumps({"1": node("LoadImage", image="a.png"), "2": node("SaveImage", images=["1", 0])}))
    computed = {**custom, "2": node("CLIPTextEncode", text=["12", 0], clip=["1", 1]),
                "12": node("WildcardWriter", seed=3, text_a="a __job__", text_b="flour")}
    png("comfyui-computed.png", prompt=json.dumps(computed))

    def editor(number, kind, widgets, inputs=(), outputs=(), mode=0):
        return {"id": number, "type": kind, "mode": mode, "widgets_values": widgets,
                "inputs": [{"name": n, "type": t, "link": l} for n, t, l in inputs],
                "outputs": [{"name": t, "type": t} for t in outputs]}

    workflow = {
        "nodes": [
            editor(1, "CheckpointLoaderSimple", ["bakery_v1.safetensors"], outputs=["MODEL", "CLIP", "VAE"]),
            editor(2, "LoraLoader", ["off.safetensors", 1, 1], [("model", "MODEL", 1), ("clip", "CLIP", 2)], ["MODEL", "CLIP"], mode=4),
            editor(3, "CLIPTextEncode", ["portrait of a baker"], [("clip", "CLIP", 3)], ["CONDITIONING"]),
            editor(4, "CLIPTextEncode", ["blurry"], [("clip", "CLIP", 4)], ["CONDITIONING"]),
            editor(5, "EmptyLatentImage", [32, 24, 1], outputs=["LATENT"]),
            editor(6, "KSampler", [271828, "randomize", 21, 6.5, "dpmpp_2m", "karras", 1],
                   [("model", "MODEL", 5), ("positive", "CONDITIONING", 10), ("negative", "CONDITIONING", 7), ("latent_image", "LATENT", 8)],
                   ["LATENT"]),
            editor(7, "VAEDecode", [], [("samples", "LATENT", 9), ("vae", "VAE", 11)], ["IMAGE"]),
            editor(8, "SaveImage", ["ComfyUI"], [("images", "IMAGE", 12)]),
            editor(9, "Reroute", None, [("", "*", 6)], ["CONDITIONING"]),
            editor(10, "FreeU", [1.1, 1.2, 0.9, 0.2], [("model", "MODEL", 13)], ["MODEL"]),
        ],
        "links": [
            [1, 1, 0, 2, 0, "MODEL"], [2, 1, 1, 2, 1, "CLIP"], [3, 2, 1, 3, 0, "CLIP"], [4, 2, 1, 4, 0, "CLIP"],
            [13, 2, 0, 10, 0, "MODEL"], [5, 10, 0, 6, 0, "MODEL"], [6, 3, 0, 9, 0, "CONDITIONING"],
            [10, 9, 0, 6, 1, "CONDITIONING"], [7, 4, 0, 6, 2, "CONDITIONING"], [8, 5, 0, 6, 3, "LATENT"],
            [9, 6, 0, 7, 0, "LATENT"], [11, 1, 2, 7, 1, "VAE"], [12, 7, 0, 8, 0, "IMAGE"],
        ],
        "version": 0.4,
    }
    png("comfyui-workflow.png", workflow=json.dumps(workflow))

    settings = {"prompt": "portrait of a baker", "negativePrompt": "blurry", "steps": 21, "cfgScale": 6.5,
                "sampler": "dpmpp_2m", "scheduler": "karras", "seed": 271828, "workflowId": "txt2img",
                "resources": [{"modelVersionId": 128078, "strength": 1}]}
    urn = "urn:air:sdxl:checkpoint:civitai:101055@128078"
    graph = {**custom, "1": node("CheckpointLoaderSimple", ckpt_name=urn), "extra": {"airs": [urn]},
             "extraMetadata": json.dumps(settings)}
    jpeg("civitai-comfyui.jpg", comment("MM", UNICODE, json.dumps(graph).encode("utf-16-be")))
    generator = (
        "portrait of a baker\nNegative prompt: blurry\nSteps: 21, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 271828, "
        'Size: 32x24, Clip skip: 2, Created Date: 2024-05-05T10:11:12.1314Z, Civitai resources: [{"type":"checkpoint",'
        '"modelVersionId":1,"modelName":"Bakery","modelVersionName":"v1"},{"type":"lora","weight":0.7,"modelVersionId":2,'
        '"modelName":"Flour: fine","modelVersionName":"Seed: 9, Steps: 4"}], Civitai metadata: {"remixOfId":1234}'
    )
    jpeg("civitai.jpg", comment("MM", UNICODE, generator.encode("utf-16-be")))


def other_files():
    swarm = {
        "sui_image_params": {"prompt": "portrait of a baker <lora:flour:0.7>", "negativeprompt": "blurry", "seed": 271828,
                             "steps": "21", "cfgscale": "6.5", "aspectratio": "Custom", "width": 32, "height": 24,
                             "model": "bakery/v1", "sampler": "dpmpp_2m", "scheduler": "karras", "loras": ["flour"],
                             "loraweights": ["0.7"], "automaticvae": True, "swarm_version": "0.9.7.0"},
        "sui_extra_data": {"date": "2025-01-25", "prep_time": "6.11 sec", "generation_time": "4.84 sec"},
        "sui_models": [{"name": "bakery/v1.safetensors", "param": "model", "hash": "0x" + "ab" * 32}],
    }
    jpeg("swarmui.jpg", comment("II", UNICODE, json.dumps(swarm, indent=2).encode("utf-16-le")))

    fooocus = {
        "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "bakery_v1", "base_model_hash": "aeb7e9e689", "clip_skip": 2,
        "full_negative_prompt": ["blurry", "worst quality"], "full_prompt": ["portrait of a baker", "cinematic still"],
        "guidance_scale": 6.5, "lora_combined_1": "flour : 0.1", "loras": [["flour", 0.1, "4852686128"]],
        "metadata_scheme": "fooocus", "negative_prompt": "blurry", "performance": "Speed", "prompt": "portrait of a baker",
        "refiner_model": "None", "refiner_switch": 0.5, "resolution": "(32, 24)", "sampler": "dpmpp_2m",
        "scheduler": "karras", "seed": "271828", "sharpness": 2, "steps": 21, "styles": "['Fooocus Cinematic']",
        "vae": "Default (model)", "version": "Fooocus v2.5.5",
    }
    exif = Image.Exif()
    exif[0x9286], exif[0x0131], exif[0x927C] = json.dumps(fooocus), "Fooocus v2.5.5", "fooocus"
    PICTURE.save(HERE / "fooocus.jpg", quality=85, progressive=True, exif=exif)
    PICTURE.save(HERE / "fooocus.webp", lossless=True, exif=exif)

    invoke = {
        "app_version": "5.6.0", "generation_mode": "txt2img", "positive_prompt": "portrait of a baker",
        "negative_prompt": "blurry", "width": 32, "height": 24, "seed": 271828, "rand_device": "cpu", "cfg_scale": 6.5,
        "cfg_rescale_multiplier": 0, "steps": 21, "scheduler": "unipc_k", "clip_skip": 0,
        "model": {"key": "0e8d", "hash": "blake3:1234", "name": "Bakery", "base": "sd-1", "type": "main"},
        "loras": [{"model": {"key": "1f", "name": "flour"}, "weight": 0.7}],
    }
    png("invokeai-5.png", invokeai_metadata=json.dumps(invoke), invokeai_graph='{"nodes": {}}')
    old = {
        "model": "stable diffusion", "model_weights": "bakery-1.5", "model_hash": "cc6cb2710341", "app_id": "invoke-ai/InvokeAI",
        "app_version": "2.3.5",
        "image": {"prompt": [{"prompt": "portrait of a baker [blurry]", "weight": 1}], "steps": 21, "cfg_scale": 6.5,
                  "threshold": 0, "perlin": 0, "height": 24, "width": 32, "seed": 271828, "type": "txt2img", "sampler": "k_euler_a"},
    }
    dream = '"portrait of a baker [blurry]" -s 21 -S 271828 -W 32 -H 24 -C 6.5 -A k_euler_a'
    png("invokeai-2.png", Dream=dream, sd_metadata=json.dumps(old))
    png("invokeai-1.png", Dream='"portrait of a baker" -s21 -S271828 -W32 -H24 -C6.5 -Aplms -G 0.8')

    novel = {
        "prompt": "portrait of a baker, {{flour}}", "steps": 28, "height": 24, "width": 32, "scale": 5.5, "seed": 271828,
        "n_samples": 1, "noise_schedule": "karras", "sampler": "k_euler", "sm": False, "cfg_rescale": 0.0, "uc": "blurry",
        "request_type": "PromptGenerateRequest", "version": 1,
    }
    png("novelai.png", Title="AI generated image", Description=novel["prompt"], Software="NovelAI",
        Source="Stable Diffusion XL C1E1DE52", Comment=json.dumps(novel))

    draw = {"c": "portrait of a baker & <her> bread", "uc": "blurry", "seed": 271828, "steps": 21, "scale": 6.5, "size": "32x24",
            "sampler": "DPM++ 2M Karras", "model": "bakery_v1_f16.ckpt", "strength": 1, "seed_mode": "Scale Alike"}
    text = json.dumps(draw).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 6.0.0"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/">'
        "<xmp:CreatorTool>Draw Things</xmp:CreatorTool><exif:UserComment><rdf:Alt>"
        f'<rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></exif:UserComment></rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    png("draw-things.png", xmp=xmp)

    sdcpp = (
        "portrait of a baker\nNegative prompt: blurry\nSteps: 21, CFG scale: 6.500000, SLG scale: 2.500000, Skip layers: [7, 8, 9, ], "
        "Guidance: 3.500000, Eta: 0.000000, Seed: 271828, Size: 32x24, Model: bakery_v1.safetensors, RNG: cuda, "
        "Sampler: dpm++2m karras, VAE: mse.safetensors, Version: stable-diffusion.cpp, "
        'SDCPP: {"mode":"img_gen","sample_params":{"sample_steps":99,"seed":1},"prompt":"x, Seed: 7"}'
    )
    png("sdcpp.png", parameters=sdcpp)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    exif_files()
    comfy_files()
    other_files()
