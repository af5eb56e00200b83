"""Pictures for calibration and tests, as the network wants them."""

import csv
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 224
GROUND = (120, 135, 105)
STAMPS = Path("/usr/share/tuxpaint/stamps/animals")
DRAWN = {"cartoon", "toys", "dinosaur"}
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def tensor(picture):
    """[3,224,224] float32 from a picture or from [224,224,3] bytes."""
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    return ((picture.astype(np.float32) - 127) / 128).transpose(2, 0, 1)


def synthetic():
    """Name -> [224,224,3] bytes by integer formulas that any language can repeat; x runs right, y down."""
    y, x, c = np.mgrid[0:SIZE, 0:SIZE, 0:3]
    made = {
        "slope": x * (1 + c) // 2 + y // 2,
        "checks": (x // 16 + y // 16 + c) % 2 * 200 + 20,
        "rings": ((x - 112) ** 2 + (y - 112) ** 2) // (32 + 16 * c),
        "hash": (x * 7919 + y * 104729 + c * 1299709) // 64 * 31,
    }
    return {name: (value & 255).astype(np.uint8) for name, value in made.items()}


def stamp(name):
    """A cut-out animal on plain ground, in a square with a margin."""
    cut = Image.open(STAMPS / f"{name}.png").convert("RGBA")
    cut = cut.crop(cut.getchannel("A").getbbox())
    side = max(cut.size) * 5 // 4
    out = Image.new("RGBA", (side, side), (*GROUND, 255))
    out.alpha_composite(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return out.convert("RGB")


def stamps():
    """The names of all photographs among the stamps."""
    names = (path.relative_to(STAMPS).with_suffix("") for path in STAMPS.rglob("*.png"))
    return sorted(str(name) for name in names if not DRAWN & set(name.parts))


def listed(table):
    """The rows of a table of real pictures, with `path` made absolute."""
    with open(DATA / table, newline="") as file:
        return [row | {"path": (DATA / table).parent / row["path"]} for row in csv.DictReader(file)]


def clip(name, fps=1):
    """The frames of a real clip."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = f"decodebin ! videorate ! video/x-raw,framerate={fps}/1 ! videoconvert ! video/x-raw,format=RGB ! pngenc"
        command = ["gst-launch-1.0", "-q", "filesrc", f"location={DATA / 'clips' / name}", "!", *pipeline.split()]
        subprocess.run([*command, "!", "multifilesink", f"location={folder}/%04d.png"], check=True)
        return [Image.open(path).convert("RGB") for path in sorted(Path(folder).iterdir())]


def crop(picture, dice: random.Random):
    """A random square of it, as the gate would cut one."""
    side = int(dice.uniform(0.25, 0.7) * min(picture.size))
    left, top = dice.randint(0, picture.width - side), dice.randint(0, picture.height - side)
    return picture.crop((left, top, left + side, top + side))
