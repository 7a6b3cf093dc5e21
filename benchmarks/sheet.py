"""Pictures as people have them, before and after `kdsharp sharpen` as installed, at 200 %.

    python -m benchmarks.sheet --photos DIR -o docs/images/everyday.jpg

The photos are those of `pictures.csv` beside this file, on which no student was trained, or of
another `--list`. Each line has `file` (in `--photos`), `how` it got worse (a recipe of `kdsharp
degrade`; empty: as it is), `shrink` (the longer side to which it is shrunk before; empty: as it
is), `x` and `y` of the detail, `title`, and whom to name. What runs is the default choice, on the
whole picture and not on the detail. Prints what each got, and the attribution.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common.command import parser_of
from benchmarks.common.method import Pixels
from kdsharp.degrade import degrade
from kdsharp.errors import UserError, run
from kdsharp.files import atomic_file
from kdsharp.imageio.decode import read_rgb
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.tables import markdown

__all__ = ["main"]

_DETAIL, _TIMES, _ACROSS = 140, 2, 4  # pixels of the picture; its enlarging; pairs in a row
_GAP, _LINE, _SIZE = 12, 26, 15
_LIST = Path(__file__).with_name("pictures.csv")
_WHITE, _GREY = (255, 255, 255), (70, 70, 70)


def main() -> None:
    """Write the sheet, and say which model each picture got."""
    parser = parser_of("sheet", __doc__)
    parser.add_argument("--photos", type=Path, required=True, help="the folder of the photos")
    parser.add_argument("--list", type=Path, default=_LIST, help="another CSV file")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the picture to write")
    parser.add_argument("--seed", type=int, default=1, help="of what recipes draw")
    chosen = parser.parse_args()
    with chosen.list.open(encoding="utf-8", newline="") as opened:
        lines = list(csv.DictReader(opened))
    if not lines:
        raise UserError(f"{chosen.list}: names no pictures")
    sharpener = Sharpener()
    cells, rows = [], []
    for line in lines:
        before = _picture(chosen.photos / line["file"], line, chosen.seed)
        model = sharpener.choose(before)
        after = sharpener.array(before)
        corner = int(line["x"]), int(line["y"])
        whose = ", ".join(filter(None, [line["author"], line["from"], line["licence"]]))
        rows.append([line["title"], model or "left as it is", f"{line['file']} ({whose})"])
        cells.append(_cell(_detail(before, corner), _detail(after, corner), line["title"]))
    with atomic_file(chosen.out) as temporary:
        _sheet(cells).save(temporary, format="JPEG", quality=90)
    print(markdown(["picture", "what it got", "photo"], rows))


def _picture(path: Path, line: dict[str, str], seed: int) -> Pixels:
    image = read_rgb(path)
    if line["shrink"]:
        side = int(line["shrink"])
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image = image.crop((0, 0, image.width // 12 * 12, image.height // 12 * 12))
    return np.asarray(degrade(image, line["how"], 2, seed) if line["how"] else image)


def _detail(picture: Pixels, corner: tuple[int, int]) -> Image.Image:
    x, y = corner
    part = Image.fromarray(picture[y : y + _DETAIL, x : x + _DETAIL])
    return part.resize((_DETAIL * _TIMES,) * 2, Image.Resampling.NEAREST)


def _cell(before: Image.Image, after: Image.Image, title: str) -> Image.Image:
    side = _DETAIL * _TIMES
    cell = Image.new("RGB", (2 * side + 2, side + _LINE), _WHITE)
    cell.paste(before, (0, _LINE))
    cell.paste(after, (side + 2, _LINE))
    pen = ImageDraw.Draw(cell)
    pen.text((0, 4), title, _GREY, ImageFont.load_default(_SIZE))
    return cell


def _sheet(cells: list[Image.Image]) -> Image.Image:
    width, height = (side + _GAP for side in cells[0].size)
    rows = -(-len(cells) // _ACROSS)
    sheet = Image.new(
        "RGB", (width * min(_ACROSS, len(cells)) + _GAP, height * rows + _GAP), _WHITE
    )
    for number, cell in enumerate(cells):
        row, column = divmod(number, _ACROSS)
        sheet.paste(cell, (_GAP + column * width, _GAP + row * height))
    return sheet


if __name__ == "__main__":
    sys.exit(run(main, program="sheet"))
