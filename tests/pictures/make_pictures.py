"""Makes odd.zip: JPEG and WebP files of every structure that is allowed, and odd.json with what must be read from them.
odd.json also has the values of the files in field/, which are from bug reports of other programs.

    python -m venv env && env/bin/pip install -r tests/pictures/requirements.txt
    env/bin/python tests/pictures/make_pictures.py

Also needs cjpeg, jpegtran and cwebp; odd.json records the versions. The values are those of Pillow's libjpeg-turbo and
libwebp: the BLAKE3 hash of the upright RGB pixels over white, or "refused". A file with a changed container has the
pixels of the file that it was made from.
"""

import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import zipfile

import blake3
import imagecodecs
import numpy
import PIL
from PIL import Image, ImageOps, features

HERE = os.path.dirname(os.path.abspath(__file__))
files, expected = {}, {}


def picture(width, height, seed):
    """Waves, a ramp and noise: smooth parts and hard ones."""
    y, x = numpy.mgrid[0:height, 0:width]
    noise = numpy.random.default_rng(seed).standard_normal((height, width))
    channels = [127 + 100 * numpy.sin(x / 7 + seed) + 20 * noise, 127 + 90 * numpy.cos(y / 5), (x * 5 + y * 3) % 256]
    return numpy.clip(numpy.stack(channels, -1), 0, 255).astype("uint8")


def pixels(data):
    """What the reference decoders read: upright, 8-bit RGB, composited over white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if "A" in image.getbands():
        values = numpy.asarray(image.convert("RGBA")).astype(int)
        alpha = values[..., 3:]
        return ((values[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype("uint8")
    return numpy.asarray(image.convert("RGB"))


def add(name, data, same_as=None):
    assert name not in files, name
    values = pixels(data if same_as is None else same_as)
    files[name] = data
    expected[name] = {"size": [values.shape[1], values.shape[0]], "blake3": blake3.blake3(values.tobytes()).hexdigest()}


def refuse(name, data, word):
    assert name not in files, name
    files[name] = data
    expected[name] = {"refused": word}


def tool(arguments, data):
    """Runs a command of libjpeg-turbo or libwebp on `data`."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("in", "out")]
        open(paths[0], "wb").write(data)
        command = [argument.format(*paths) for argument in arguments]
        done = subprocess.run(command, capture_output=True, check=False)
        return open(paths[1], "rb").read() if done.returncode == 0 and os.path.exists(paths[1]) else None


def cjpeg(values, *options):
    grey = values.ndim == 2
    header = b"P%d %d %d 255\n" % (5 if grey else 6, values.shape[1], values.shape[0])
    return tool(["cjpeg", *options, "-outfile", "{1}", "{0}"], header + values.tobytes())


def cwebp(values, *options):
    png = io.BytesIO()
    Image.fromarray(values).save(png, "png")
    return tool(["cwebp", "-quiet", *options, "{0}", "-o", "{1}"], png.getvalue())


def script(text):
    path = os.path.join(tempfile.gettempdir(), "scans-%d.txt" % (hash(text) & 0xFFFFFF))
    open(path, "w").write(text)
    return path


SCANS = {
    "one-each": "0;\n1;\n2;\n",
    "chroma-first": "2;\n1;\n0;\n",
    "pair": "0;\n1 2;\n",
    "spectral": "0 1 2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
    "refined": "0 1 2: 0-0, 0, 1;\n0: 1-63, 0, 2;\n1: 1-63, 0, 1;\n2: 1-63, 0, 1;\n0: 1-63, 2, 1;\n"
    "0 1 2: 0-0, 1, 0;\n0: 1-63, 1, 0;\n1: 1-63, 1, 0;\n2: 1-63, 1, 0;\n",
    "dc-only": "0 1 2: 0-0, 0, 0;\n",
}


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def before_frame(data, inserted):
    """Inserts bytes after the start of the image."""
    return data[:2] + inserted + data[2:]


def position(data, *markers):
    """Where the first segment with one of these markers starts."""
    at = 2
    while data[at + 1] not in markers:
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return at


def jpeg_structures():
    samplings = ["1x1", "2x1", "2x2", "1x2", "4x1", "4x2", "1x4", "2x4", "3x1", "1x3", "3x2"]
    samplings += ["2x1,1x2,1x1", "2x2,2x1,1x2", "1x1,2x2,2x2", "2x1,2x1,2x1"]
    modes = {
        "baseline": [],
        "progressive": ["-progressive"],
        "arithmetic": ["-arithmetic"],
        "arithmetic-progressive": ["-arithmetic", "-progressive"],
        "one-each": ["-scans", script(SCANS["one-each"])],
        "one-each-restart": ["-restart", "2B", "-scans", script(SCANS["one-each"])],
        "arithmetic-one-each": ["-arithmetic", "-scans", script(SCANS["one-each"])],
        "restart": ["-restart", "1"],
    }
    for number, sampling in enumerate(samplings):
        for mode, options in modes.items():
            for width, height in ((64, 48), (37, 29)):
                data = cjpeg(picture(width, height, number), "-quality", "80", "-sample", sampling, *options)
                if data:
                    add(f"jpeg/{sampling.replace(',', '-')}-{mode}-{width}.jpg", data)
    values = picture(45, 35, 99)
    for name, text in SCANS.items():
        add(f"jpeg/scans-{name}.jpg", cjpeg(values, "-quality", "80", "-scans", script(text)))
    for quality in (1, 5, 100):
        add(f"jpeg/quality-{quality}.jpg", cjpeg(values, "-quality", str(quality)))
        add(f"jpeg/quality-{quality}-optimised.jpg", cjpeg(values, "-quality", str(quality), "-optimize"))
    for width, height in ((1, 1), (1, 40), (40, 1), (8, 8), (16, 17), (7, 9)):
        for sampling in ("1x1", "2x2"):
            add(f"jpeg/size-{width}x{height}-{sampling}.jpg", cjpeg(picture(width, height, 5), "-sample", sampling))
    for options in ([], ["-progressive"], ["-arithmetic"], ["-restart", "1B"]):
        add(f"jpeg/grey{''.join(options)}.jpg", cjpeg(values[..., 1].copy(), "-grayscale", *options))
    add("jpeg/rgb.jpg", cjpeg(values, "-rgb"))
    add("jpeg/rgb-progressive.jpg", cjpeg(values, "-rgb", "-progressive"))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        saved = io.BytesIO()
        Image.fromarray(values).save(saved, "jpeg", exif=exif)
        add(f"jpeg/orientation-{orientation}.jpg", saved.getvalue())
    saved = io.BytesIO()
    Image.fromarray(values).save(saved, "mpo", save_all=True, append_images=[Image.fromarray(picture(30, 20, 3))])
    add("jpeg/two.mpo.jpg", saved.getvalue())


def jpeg_containers():
    values = picture(45, 35, 7)
    for mode, options in {"baseline": [], "progressive": ["-progressive"], "restart": ["-restart", "1"]}.items():
        whole = cjpeg(values, "-quality", "80", *options)
        body = whole[:-2]
        assert whole[-2:] == b"\xff\xd9"
        add(f"jpeg/{mode}-no-end.jpg", body, whole)
        add(f"jpeg/{mode}-no-end-zeros.jpg", body + bytes(64), whole)
        add(f"jpeg/{mode}-no-end-trailer.jpg", body + b"a trailer of some camera, longer than a few bytes", whole)
        add(f"jpeg/{mode}-half-end.jpg", body + b"\xff", whole)
        add(f"jpeg/{mode}-trailer.jpg", whole + b"a trailer", whole)
        add(f"jpeg/{mode}-second.jpg", whole + cjpeg(picture(20, 20, 2)), whole)
        add(f"jpeg/{mode}-no-end-second.jpg", body + cjpeg(picture(20, 20, 2)), whole)
        add(f"jpeg/{mode}-stray.jpg", body + b"\x12\x34\x56" + whole[-2:], whole)
        add(f"jpeg/{mode}-fill.jpg", body + b"\xff" * 9 + whole[-2:], whole)
        for part in (30, 50, 70, 90):
            cut = max(position(whole, 0xDA) + 16, len(body) * part // 100)
            refuse(f"jpeg/{mode}-cut-{part}.jpg", body[:cut], "truncated")
            refuse(f"jpeg/{mode}-cut-{part}-end.jpg", body[:cut].rstrip(b"\xff") + whole[-2:], "truncated")
        refuse(f"jpeg/{mode}-lost.jpg", body + bytes(range(1, 100)) + whole[-2:], "damaged")
    whole = cjpeg(values, "-quality", "80")
    add("jpeg/fill-bytes.jpg", before_frame(whole, b"\xff" * 5), whole)
    add("jpeg/comment.jpg", before_frame(whole, segment(0xFE, b"x" * 300)), whole)
    add("jpeg/app15.jpg", before_frame(whole, segment(0xEF, b"\xff\xd8\xff\xd9" * 9)), whole)
    add("jpeg/broken-exif.jpg", before_frame(whole, segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")), whole)
    add("jpeg/broken-profile.jpg", before_frame(whole, segment(0xE2, b"ICC_PROFILE\0\x02\x02half")), whole)
    add("jpeg/unknown-adobe.jpg", before_frame(whole, segment(0xEE, b"Adobe\0\x64\0\0\0\0\x07")))
    # A component's scan is missing.
    for mode, options in {"baseline": [], "arithmetic": ["-arithmetic"]}.items():
        scans = cjpeg(values, "-scans", script(SCANS["one-each"]), *options)
        last = scans.rindex(b"\xff\xda")
        refuse(f"jpeg/{mode}-missing-channel.jpg", scans[:last] + b"\xff\xd9", "truncated")
        refuse(f"jpeg/{mode}-missing-channel-no-end.jpg", scans[:last], "truncated")
    progressive = cjpeg(values, "-progressive")
    refuse("jpeg/progressive-missing-scan-no-end.jpg", progressive[: progressive.rindex(b"\xff\xda")], "truncated")
    arithmetic = cjpeg(values, "-arithmetic")
    refuse("jpeg/arithmetic-cut.jpg", arithmetic[: len(arithmetic) * 2 // 3], "truncated")
    frame = position(whole, 0xC0)
    huge = whole[: frame + 5] + struct.pack(">HH", 7400, 11999) + whole[frame + 9 :]
    refuse("jpeg/huge.jpg", huge, "truncated")
    refuse("jpeg/no-lines.jpg", whole[: frame + 5] + bytes(2) + whole[frame + 7 :], "zero pixels")
    refuse("jpeg/twelve-bits.jpg", imagecodecs.jpeg8_encode(values.astype("uint16") * 16, bitspersample=12), "12 bits")
    refuse("jpeg/lossless.jpg", imagecodecs.ljpeg_encode(values[..., 0].copy()), "lossless")
    for name, mode in {"cmyk": "CMYK", "ycck": "CMYK"}.items():
        saved = io.BytesIO()
        Image.fromarray(values).convert(mode).save(saved, "jpeg", keep_rgb=name == "cmyk")
        refuse(f"jpeg/{name}.jpg", saved.getvalue(), "CMYK")
    bad = bytearray(cjpeg(values, "-restart", "1"))
    restart = bad.index(b"\xff\xd0", position(bad, 0xDA))
    bad[restart + 1] = 0xD5
    refuse("jpeg/restart-out-of-order.jpg", bytes(bad), "damaged")


def chunks(data):
    at, found = 12, []
    while at + 8 <= len(data):
        length = struct.unpack("<I", data[at + 4 : at + 8])[0]
        found.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


def riff(parts, size=None):
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in parts)
    return b"RIFF" + struct.pack("<I", len(body) + 4 if size is None else size) + b"WEBP" + body


def extended(flags, width, height):
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def webp_structures():
    lossy = {"plain": [], "unfiltered": ["-f", "0"], "filtered": ["-f", "100", "-sharpness", "7"]}
    lossy |= {"simple-filter": ["-nostrong", "-f", "60"], "one-segment": ["-segments", "1"], "slow": ["-m", "6"]}
    for number, (width, height) in enumerate(((1, 1), (2, 3), (16, 16), (17, 33), (63, 48))):
        values = picture(width, height, number)
        steps = numpy.add.outer(numpy.arange(height) * 7, numpy.arange(width) * 11)
        soft = numpy.dstack([values, (steps % 256).astype("uint8")])
        name = f"{width}x{height}"
        for quality in ("5", "80"):
            for kind, options in lossy.items():
                add(f"webp/lossy-{kind}-{quality}-{name}.webp", cwebp(values, "-q", quality, *options))
        add(f"webp/lossless-{name}.webp", cwebp(values, "-lossless"))
        add(f"webp/lossless-small-{name}.webp", cwebp(values, "-lossless", "-z", "9"))
        add(f"webp/near-lossless-{name}.webp", cwebp(values, "-near_lossless", "20"))
        add(f"webp/palette-{name}.webp", cwebp(values // 128 * 255, "-lossless"))
        add(f"webp/alpha-lossless-{name}.webp", cwebp(soft, "-lossless", "-exact"))
        for filtered in ("none", "fast", "best"):
            for method in ("0", "1"):
                options = ["-q", "60", "-alpha_filter", filtered, "-alpha_method", method]
                add(f"webp/alpha-{filtered}-{method}-{name}.webp", cwebp(soft, *options))
        add(f"webp/alpha-lossy-{name}.webp", cwebp(soft, "-q", "60", "-alpha_q", "20"))
        webp_containers(name, cwebp(values, "-q", "80"), cwebp(soft, "-q", "60"), cwebp(soft, "-lossless"), width, height)
        frames = [Image.fromarray(picture(width, height, 50 + frame)) for frame in range(3)]
        for lossless in (False, True):
            saved = io.BytesIO()
            frames[0].save(saved, "webp", save_all=True, append_images=frames[1:], lossless=lossless)
            add(f"webp/animation-{'lossless' if lossless else 'lossy'}-{name}.webp", saved.getvalue())


def webp_containers(name, plain, alpha, lossless, width, height):
    coded = chunks(plain)[0]
    add(f"webp/trailer-{name}.webp", plain + b"trailing bytes", plain)
    add(f"webp/chunk-after-{name}.webp", riff([coded, (b"abcd", b"xyz")]), plain)
    for flags in (0x00, 0x04, 0x08, 0x20, 0x2C):
        add(f"webp/flags-{flags:02x}-{name}.webp", riff([extended(flags, width, height), coded]), plain)
    add(f"webp/flags-alpha-{name}.webp", riff([extended(0x10, width, height), coded]), plain)
    odd = [extended(0, width, height), (b"\xff\x01\0\x80", b"xyz"), coded, (b"EXIF", b"junk"), (b"zzzz", b"")]
    add(f"webp/odd-names-{name}.webp", riff(odd), plain)
    add(f"webp/profile-late-{name}.webp", riff([extended(0x20, width, height), coded, (b"ICCP", b"junk")]), plain)
    # A wrong length of the whole file changes no pixel. libwebp refuses some of these.
    for label, size in (("zero", 0), ("large", len(coded[1]) + 500), ("largest", 0xFFFFFFFF)):
        add(f"webp/length-{label}-{name}.webp", riff([coded], size), plain)
    parts = dict(chunks(alpha))
    if b"ALPH" in parts:
        pair = [(b"ALPH", parts[b"ALPH"]), (b"VP8 ", parts[b"VP8 "])]
        add(f"webp/alpha-unannounced-{name}.webp", riff([extended(0, width, height), *pair]), alpha)
        between = [extended(0x10, width, height), pair[0], (b"abcd", b"1"), pair[1]]
        add(f"webp/alpha-chunk-between-{name}.webp", riff(between), alpha)
    bits = [chunk for chunk in chunks(lossless) if chunk[0] == b"VP8L"]
    add(f"webp/lossless-unannounced-{name}.webp", riff([extended(0, width, height), *bits]), lossless)
    for part in (30, 60, 90):
        refuse(f"webp/cut-{part}-{name}.webp", plain[: max(len(plain) * part // 100, 24)], "damaged")
    refuse(f"webp/other-size-{name}.webp", riff([extended(0, width + 3, height), coded]), "another size")
    refuse(f"webp/empty-{name}.webp", riff([extended(0, width, height)]), "no image")
    if width > 16:
        # A frame that covers a part of the canvas.
        frame = struct.pack("<I", 1)[:3] + struct.pack("<I", 2)[:3] + struct.pack("<I", width - 1)[:3]
        frame += struct.pack("<I", height - 1)[:3] + bytes(4)
        inner = coded[0] + struct.pack("<I", len(coded[1])) + coded[1] + bytes(len(coded[1]) % 2)
        parts = [extended(0x12, width + 9, height + 7), (b"ANIM", bytes(6)), (b"ANMF", frame + inner)]
        add(f"webp/small-frame-{name}.webp", riff(parts))


def field():
    """The files stay in the folder."""

    def read(name):
        with open(os.path.join(HERE, "field", name), "rb") as file:
            return file.read()

    for name in sorted(os.listdir(os.path.join(HERE, "field"))):
        if name == "half.jpg":
            refuse(f"field/{name}", read(name), "truncated")
        elif name.endswith("-named.jpg"):
            what = {"avif": "AVIF image", "mp4-": "MP4", "jxl-": "JPEG XL"}[name[:4]]
            refuse(f"field/{name}", read(name), what)
        else:
            add(f"field/{name}", read(name), read("whole.jpg") if name.startswith("no-eoi") else None)


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stderr or done.stdout).strip().splitlines()[0]


jpeg_structures()
jpeg_containers()
webp_structures()
field()
with zipfile.ZipFile(os.path.join(HERE, "odd.zip"), "w", zipfile.ZIP_STORED) as archive:
    for name in sorted(name for name in files if not name.startswith("field/")):
        archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), files[name])
made_with = {
    "pillow": PIL.__version__,
    "libjpeg-turbo": features.version("libjpeg_turbo"),
    "libwebp": features.version("webp"),
    "cjpeg": version("cjpeg", "-version"),
    "cwebp": version("cwebp", "-version"),
    "numpy": numpy.__version__,
    "imagecodecs": imagecodecs.__version__,
}
with open(os.path.join(HERE, "odd.json"), "w", encoding="utf-8") as out:
    out.write('{\n"made_with": ' + json.dumps(made_with) + ',\n"files": {\n')
    out.write(",\n".join(json.dumps(name) + ": " + json.dumps(expected[name]) for name in sorted(files)) + "\n}}\n")
print(len(files), "files,", sum(map(len, files.values())), "bytes,", file=sys.stderr)
