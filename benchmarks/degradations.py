"""What the recipes of degradation look like, and how many patches a second they make.

    python -m benchmarks.degradations --sheet docs/images/degradations.png
    python -m benchmarks.degradations --speed

The photo is scikit-image's astronaut (NASA, public domain), or yours with --photo.
"""

import time
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common.command import parser_of
from kdsharp.degrade import crop_to_multiple, degrade, known_recipe
from kdsharp.degrade.builtin import ABOUT
from kdsharp.degrade.crops import degraded_crops
from kdsharp.degrade.recipes import Recipe, run_steps
from kdsharp.degrade.steps import STEP_TYPES
from kdsharp.imageio.decode import read_rgb
from kdsharp.imageio.photo import Photo
from kdsharp.imageio.write import save_photo

__all__ = ["ROWS", "contact_sheet", "main", "print_speeds"]

ROWS = (
    "sharp", "pil-bicubic", "area", "cubic", "jpeg90",
    "jpeg60", "jpeg30", "webp75", "noise5", "gaussian",
    "motion", "videocall-1000k", "videocall-600k", "videocall-300k", "videocall-vp9-300k",
)  # fmt: skip
_SEEDS = range(1, 11)
_COLUMNS, _SIDE, _ZOOM, _BAND, _GAP = 5, 112, 2, 26, 8
_PAPER, _INK = (24, 24, 27), (228, 228, 231)
_SCALE = 2


def main() -> None:
    """Write the sheet, print the speeds, or both."""
    parser = parser_of("degradations", __doc__)
    parser.add_argument("--sheet", type=Path, help="the picture to write")
    parser.add_argument("--speed", action="store_true", help="patches a second on one thread")
    parser.add_argument("--photo", type=Path, help="instead of the astronaut")
    parser.add_argument("--at", type=int, nargs=2, metavar=("X", "Y"), default=(168, 40))
    parser.add_argument("--patches", type=int, default=100, help="for each speed")
    chosen = parser.parse_args()
    image = crop_to_multiple(read_rgb(chosen.photo or _astronaut()), _SCALE)
    if chosen.sheet:
        save_photo(Photo.of(contact_sheet(image, *chosen.at)), chosen.sheet)
        print(f"Wrote {chosen.sheet}")
    if chosen.speed:
        print_speeds(image, chosen.patches)


def contact_sheet(image: Image.Image, left: int, top: int) -> Image.Image:
    """A detail of `image` after each of `ROWS`, and after draws of `robust`."""
    shown = [(name, degrade(image, name, _SCALE)) for name in ROWS]
    shown += [(f"robust, seed {s}", degrade(image, "robust", _SCALE, s)) for s in _SEEDS]
    cell, lines = _SIDE * _ZOOM, -(-len(shown) // _COLUMNS)
    size = (_COLUMNS * (cell + _GAP) + _GAP, lines * (cell + _BAND + _GAP) + _GAP)
    sheet, font = Image.new("RGB", size, _PAPER), ImageFont.load_default(15)
    draw = ImageDraw.Draw(sheet)
    for number, (name, worse) in enumerate(shown):
        x = _GAP + number % _COLUMNS * (cell + _GAP)
        y = _GAP + number // _COLUMNS * (cell + _BAND + _GAP)
        draw.text((x, y + _BAND // 2), name, _INK, font, anchor="lm")
        detail = worse.crop((left, top, left + _SIDE, top + _SIDE))
        sheet.paste(detail.resize((cell, cell), Image.Resampling.NEAREST), (x, y + _BAND))
    return sheet


def print_speeds(image: Image.Image, count: int) -> None:
    """CPU time, so that other programs disturb less."""
    print("| recipe | patches/s |\n| --- | --- |")
    for name in [name for name in ABOUT if name != "sharp"]:
        print(f"| {name} | {count / _seconds(image, known_recipe(name), count):.0f} |", flush=True)
    spent = _spent_on_kinds(image, count)
    whole = sum(spent.values())
    print("\n| step | share of the time of robust |\n| --- | --- |")
    for name, seconds in sorted(spent.items(), key=itemgetter(1), reverse=True):
        print(f"| {name} | {seconds / whole:.0%} |")


def _seconds(image: Image.Image, recipe: Recipe, count: int, size: int = 128) -> float:
    rows, columns = ((side - size) // _SCALE + 1 for side in image.size[::-1])
    places = np.random.default_rng(0).integers((rows, columns), size=(count, 2)) * _SCALE
    began = time.process_time()
    degraded_crops(image, [(int(y), int(x)) for y, x in places], size, recipe, _SCALE, [1])
    return time.process_time() - began


def _spent_on_kinds(image: Image.Image, count: int) -> dict[str, float]:
    """Seconds of CPU time that `robust` spends in each kind of step, on windows of the photo."""
    spent: dict[str, float] = {}
    for seed in range(count):
        steps = known_recipe("robust").draw(np.random.default_rng(seed), _SCALE)
        side = 448 if any(STEP_TYPES[step.name].wide for step in steps) else 208
        whole = image.crop((0, 0, side, side))
        marks = [time.process_time()]
        run_steps(steps, whole, partial(_mark, marks))
        for step, seconds in zip(steps, np.diff(marks), strict=False):
            spent[step.name] = spent.get(step.name, 0.0) + float(seconds)
    return spent


def _mark(marks: list[float]) -> None:
    marks.append(time.process_time())


def _astronaut() -> Path:
    import skimage

    return Path(skimage.__file__).parent / "data" / "astronaut.png"


if __name__ == "__main__":
    main()
