r"""What the code book of a mixture costs: int8 by the nearest of N codes, against fp32 as it is.

    python -m benchmarks.code_book --model models/export --student models/student.safetensors
    python -m benchmarks.code_book --model models/export --student models/student.safetensors \
        --codes 8 16 --count 4

Makes books of N codes from the patches of the training, and measures each on the rows of
benchmarks.mixture. `fp32` is the gain in Y-PSNR of the kernels that are mixed for each picture;
the other columns say how much less each book gains, and that of the photo that loses most. Below:
the milliseconds of one core until a picture can be sharpened.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.command import parser_of
from benchmarks.common.machine import commit, made_by
from benchmarks.common.photos import find_datasets
from benchmarks.mixture import ROWS, degraded, y_psnr
from kdsharp.color import luma
from kdsharp.errors import UserError, run
from kdsharp.files import write_json
from kdsharp.progress import Progress
from kdsharp.runtime.card import read_card
from kdsharp.runtime.engine import load_engine
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.tables import markdown

__all__ = ["main", "table"]

_LARGE = (3000, 4000)  # 12 megapixels
_TIMES = 5

Losses = dict[str, list[list[float]]]
"""By row, of each photo: the gain of fp32, and of each book, in dB."""


def main() -> None:
    """Print the table."""
    chosen = _arguments()
    known, _ = find_datasets(chosen.sets)
    paths = [p for t, found in known.items() if t.split(" (")[0] in chosen.on for p in found]
    if not paths:
        raise UserError("no photos: name sets with --sets and --on")
    paths = paths[:: max(len(paths) // (chosen.count or len(paths)), 1)][: chosen.count]
    with tempfile.TemporaryDirectory() as scratch:
        books = _books(chosen, Path(scratch))
        ways = [Sharpener(chosen.model, threads=1, precision="fp32")]
        ways += [Sharpener(book, threads=1, precision="int8") for book in books]
        found: Losses = {row: [] for row in chosen.rows}
        with Progress(len(paths), "code_book", "photos", lines=True) as progress:
            for path in paths:
                for row in chosen.rows:
                    low, high = degraded(path, row, chosen.seed)
                    before = y_psnr(low, high)
                    gains = [y_psnr(way.array(low), high) - before for way in ways]
                    found[row].append(gains)
                progress.step()
        if chosen.json:
            write_json(chosen.json, found)
        print(made_by("code_book"), f"Commit {commit()}.", f"{len(paths)} photos.\n")
        print(table(found, chosen.codes), _speed(books[-1]), sep="\n\n")


def _arguments() -> argparse.Namespace:
    parser = parser_of("code_book", __doc__)
    parser.add_argument("--model", type=Path, required=True, help="a model folder")
    parser.add_argument("--student", type=Path, required=True, help="its weights")
    parser.add_argument("--patches", type=Path, default=Path("data/patches"))
    parser.add_argument("--codes", type=int, nargs="+", default=[4, 8, 16, 32], metavar="N")
    parser.add_argument("--calibration", type=int, default=64, help="patches for each code")
    parser.add_argument("--sets", type=Path, help="a folder of folders: Set14, B100")
    parser.add_argument("--on", nargs="*", default=["Set14"], help="which of them")
    parser.add_argument("--count", type=int, help="of the photos, evenly")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, metavar="ROW")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--json", type=Path, help="every number of every photo")
    return parser.parse_args()


def _books(chosen: argparse.Namespace, scratch: Path) -> list[Path]:
    """A copy of the model for each number of codes."""
    from kdsharp.train.dataset.patches import load_patches
    from kdsharp.train.export.codes import LOOKS, add_codes, look_at
    from kdsharp.train.student.mixture import MixedStudent
    from kdsharp.train.student.network import load_student

    student = load_student(chosen.student)
    if not isinstance(student, MixedStudent):
        raise UserError(f"{chosen.student}: has no mixture")
    pairs = load_patches(chosen.patches, "train")
    at = np.linspace(0, len(pairs) - 1, min(LOOKS, len(pairs))).astype(int)
    low, high = (
        np.rint(luma(rows[at])).astype(np.uint8) for rows in (pairs.lr_NHWC, pairs.hr_NHWC)
    )
    looks, books = look_at(student, low, high), []
    for count in chosen.codes:
        folder = shutil.copytree(chosen.model, scratch / f"codes-{count}")
        add_codes(folder, read_card(folder), student, looks, count, chosen.calibration)
        books.append(folder)
    return books


def table(found: Mapping[str, Sequence[Sequence[float]]], codes: Sequence[int]) -> str:
    """Means over the photos; in brackets the photo that loses most by the book."""
    every = [gains for row in found.values() for gains in row]
    heads = ["", "fp32", *(f"{count} codes" for count in codes)]
    return markdown(heads, [_row(n, np.array(r)) for n, r in [*found.items(), ("all", every)]])


def _row(name: str, gains: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> list[str]:
    lost = gains[:, 1:] - gains[:, :1]
    cells = [f"{column.mean():+.3f} ({column.min():+.2f})" for column in lost.T]
    return [name, f"{gains[:, 0].mean():+.2f}", *cells]


def _speed(folder: Path) -> str:
    """Of the default engine: a look, the first use of a code, and using it again."""
    picture = np.random.default_rng(1).integers(0, 256, _LARGE, np.uint8)
    took: dict[str, list[float]] = {"look": [], "first": [], "again": []}
    for _ in range(_TIMES):
        engine = load_engine(folder, threads=1, precision="int8")
        mixing, mixture = engine.mixing, engine.card.mixture
        assert mixing is not None and mixture is not None
        last = mixture.codes[-1].shares  # loading has made the first ready
        for name, call, given in (
            ("look", mixing.look, picture),
            ("first", mixing.fold, last),
            ("again", mixing.fold, last),
        ):
            began = time.process_time()
            call(given)  # type: ignore[operator]
            took[name].append(1000 * (time.process_time() - began))
    look, first, again = (float(np.median(times)) for times in took.values())
    return (
        f"A look at 12 megapixels takes {look:.1f} ms of one core, the first use of a code on "
        f"{engine.name} {first:.1f} ms, and each later one {again:.3f} ms."
    )


if __name__ == "__main__":
    raise SystemExit(run(main, program="code_book"))
