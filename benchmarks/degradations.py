"""What the recipes of degradation look like, and how many patches a second they make.

    python benchmarks/degradations.py --sheet docs/images/degradations.png
    python benchmarks/degradations.py --speed

The photo is scikit-image's astronaut (NASA, public domain), or yours with --photo.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kdsharp.degrade import crop_to_multiple, degrade, known_recipe
from kdsharp.degrade.builtin import ABOUT
from kdsharp.degrade.crops import degraded_crops
from kdsharp.degrade.recipes import Recipe, run_steps
from kdsharp.degrade.steps import KINDS
from kdsharp.images import read_rgb
from kdsharp.photos.photo import Photo
from kdsharp.photos.writing import save_photo

ROWS = (
    "sharp", "pil-bicubic", "area", "cubic", "jpeg90",
    "jpeg60", "jpeg30", "webp75", "noise5", "gaussian",
    "motion", "videocall-1000k", "videocall-600k", "videocall-300k", "videocall-vp9-300k",
)  # fmt: skip
SEEDS = range(1, 11)
COLUMNS, SIDE, ZOOM, BAND, GAP = 5, 112, 2, 26, 8
PAPER, INK = (24, 24, 27), (228, 228, 231)
SCALE = 2


def main() -> None:
    """Write the sheet, print the speeds, or both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", type=Path, help="the picture to write")
    parser.add_argument("--speed", action="store_true", help="patches a second on one thread")
    parser.add_argument("--photo", type=Path, help="instead of the astronaut")
    parser.add_argument("--at", type=int, nargs=2, metavar=("X", "Y"), default=(168, 40))
    parser.add_argument("--patches", type=int, default=100, help="for each speed")
    chosen = parser.parse_args()
    image = crop_to_multiple(read_rgb(chosen.photo or _astronaut()), SCALE)
    if chosen.sheet:
        save_photo(Photo.of(contact_sheet(image, *chosen.at)), chosen.sheet)
        print(f"Wrote {chosen.sheet}")
    if chosen.speed:
        print_speeds(image, chosen.patches)


def contact_sheet(image: Image.Image, left: int, top: int) -> Image.Image:
    """A detail of `image` after each of `ROWS`, and after draws of `robust`."""
    shown = [(name, degrade(image, name, SCALE)) for name in ROWS]
    shown += [(f"robust, seed {s}", degrade(image, "robust", SCALE, s)) for s in SEEDS]
    cell, lines = SIDE * ZOOM, -(-len(shown) // COLUMNS)
    size = (COLUMNS * (cell + GAP) + GAP, lines * (cell + BAND + GAP) + GAP)
    sheet, font = Image.new("RGB", size, PAPER), ImageFont.load_default(15)
    draw = ImageDraw.Draw(sheet)
    for number, (name, worse) in enumerate(shown):
        x = GAP + number % COLUMNS * (cell + GAP)
        y = GAP + number // COLUMNS * (cell + BAND + GAP)
        draw.text((x, y + BAND // 2), name, INK, font, anchor="lm")
        detail = worse.crop((left, top, left + SIDE, top + SIDE))
        sheet.paste(detail.resize((cell, cell), Image.Resampling.NEAREST), (x, y + BAND))
    return sheet


def print_speeds(image: Image.Image, count: int) -> None:
    """CPU time, so that other programs disturb less."""
    print("| recipe | patches/s |\n| --- | --- |")
    for name in [name for name in ABOUT if name != "sharp"]:
        print(f"| {name} | {count / _seconds(image, known_recipe(name), count):.0f} |", flush=True)
    spent = _spent_on_kinds(image, count)
    whole = sum(spent.values())
    print("\n| kind of step | share of the time of robust |\n| --- | --- |")
    for kind, seconds in spent.most_common():
        print(f"| {kind} | {seconds / whole:.0%} |")


def _seconds(image: Image.Image, recipe: Recipe, count: int, size: int = 128) -> float:
    rows, columns = ((side - size) // SCALE + 1 for side in image.size[::-1])
    places = np.random.default_rng(0).integers((rows, columns), size=(count, 2)) * SCALE
    began = time.process_time()
    degraded_crops(image, [(int(y), int(x)) for y, x in places], size, recipe, SCALE, [1])
    return time.process_time() - began


def _spent_on_kinds(image: Image.Image, count: int) -> Counter[str]:
    """Seconds of CPU time that `robust` spends in each kind of step, on windows of the photo."""
    spent: Counter[str] = Counter()
    for seed in range(count):
        steps = known_recipe("robust").draw(np.random.default_rng(seed), SCALE)
        side = 448 if any(KINDS[step.kind].wide for step in steps) else 208
        whole = image.crop((0, 0, side, side))
        marks = [time.process_time()]
        run_steps(steps, whole, lambda marks=marks: marks.append(time.process_time()))
        for step, seconds in zip(steps, np.diff(marks), strict=False):
            spent[step.kind] += float(seconds)
    return spent


def _astronaut() -> Path:
    import skimage

    return Path(skimage.__file__).parent / "data" / "astronaut.png"


if __name__ == "__main__":
    main()
