"""The folders of data, checkpoints and the finished model. Only the exported model belongs to the
repository. PORTRAIT_WORK moves the folder of intermediate files."""
import os

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.environ.get("PORTRAIT_WORK", os.path.join(HERE, "work"))
DATA = os.path.join(WORK, "data")
CHECKPOINTS = os.path.join(WORK, "checkpoints")
SHEETS = os.path.join(WORK, "sheets")
MODEL = os.environ.get("PORTRAIT_MODEL", os.path.join(HERE, "..", "models", "mini"))
for folder in (DATA, CHECKPOINTS, SHEETS):
    os.makedirs(folder, exist_ok=True)


def checkpoint(name):
    return os.path.join(CHECKPOINTS, name)
