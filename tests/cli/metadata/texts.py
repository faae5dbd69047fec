"""Writes texts.json: the texts in the images, as ExifTool and Pillow decode them. Run it after make.py.

    pip install pillow==13.0.0
    python texts.py          # with ExifTool 12.57
"""

import json
import subprocess
from pathlib import Path

from PIL import Image, PngImagePlugin

HERE = Path(__file__).parent
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 1 << 22


def pillow(path):
    """The text chunks of a PNG, also those after the pixels."""
    with Image.open(path) as image:
        if image.format != "PNG":
            return {}
        image.load()
        return {name: str(text) for name, text in image.text.items()}


def exiftool(path):
    tags = ["UserComment", "ImageDescription", "Make", "Model", "Software"]
    command = ["exiftool", "-j", "-b", "-charset", "exif=utf8", *[f"-EXIF:{tag}" for tag in tags], str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]
    return {tag: str(found[tag]) for tag in tags if tag in found}


if __name__ == "__main__":
    assert subprocess.run(["exiftool", "-ver"], check=True, capture_output=True, text=True).stdout.strip() == "12.57"
    paths = sorted(path for folder in ["reports", "made"] for path in (HERE / folder).iterdir())
    texts = {f"{path.parent.name}/{path.name}": {**pillow(path), **exiftool(path)} for path in paths}
    (HERE / "texts.json").write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n")
