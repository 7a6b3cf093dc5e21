"""The quality / latency front: every student beside its peers, as tables, a plot and goals.

    python -m benchmarks.front --markdown docs/front.md --plot docs/images/front.png
    python -m benchmarks.front --scale 2 --rounds 1 --sizes 720p   # a quick look

Photos come from `--photos`, a folder of folders such as Set5, Set14 and B100, else from
$KDSHARP_SHARED_DATA/benchmarks. `--peers` is a folder with files of other networks, else `peers`
beside $KDSHARP_SHARED_DATA: those that OpenCV's users know, such as FSRCNN_x2.pb, and the trained
ones of ECNUSR/ETDS, such as ECBSR_M4C16_x2.pth. Leave the machine alone meanwhile.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.common.command import parser_of
from benchmarks.common.machine import Others, commit, cpu, is_clean, made_by, versions
from benchmarks.common.photos import find_datasets, find_peers
from benchmarks.front.chain import LARGE, SRCNN_LAYERS
from benchmarks.front.measure import Plan, list_methods, measure_quality, measure_time
from benchmarks.front.networks import SRCNN, chain_folder, network_methods
from benchmarks.front.plot import draw
from benchmarks.front.results import SIZES, Found, Row
from benchmarks.front.tables import csv_text, page
from kdsharp.errors import UserError, run
from kdsharp.files import write_text
from kdsharp.runtime.engine import ENGINES
from pipeline.params import load_params

__all__ = ["arguments", "header", "main", "measure"]

_PACKAGES = ("openvino", "onnxruntime", "numpy", "pillow", "opencv-contrib-python-headless")
_MUCH = 0.05
_UNCLEAN = (
    "**Warning:** no commit holds the code that made these numbers, so nobody can make them again. "
    "Commit and run it once more before this page is published."
)


def main() -> None:
    """Measure everything, then write the page, the plot and the numbers."""
    chosen = arguments()
    found = measure(chosen)
    if chosen.csv:
        write_text(chosen.csv, csv_text(found))
    if chosen.markdown:
        image = chosen.plot and os.path.relpath(chosen.plot, chosen.markdown.parent)
        write_text(chosen.markdown, page(found, image))
    else:
        print(page(found, None))
    if chosen.plot:
        draw(found, chosen.plot)


def arguments() -> argparse.Namespace:
    """What the command line says; the peers are looked for where they are not named."""
    parser = parser_of("front", __doc__)
    parser.add_argument("--photos", type=Path, help="a folder of folders: Set5, Set14, B100 ...")
    parser.add_argument(
        "--peers", type=Path, help="a folder with FSRCNN_x2.pb, ECBSR_M4C16_x2.pth ..."
    )
    parser.add_argument("--model", type=Path, action="append", default=[], help="one more student")
    parser.add_argument("--scale", type=int, nargs="+", default=[2, 3, 4], choices=(2, 3, 4))
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), help="none: no times")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--markdown", type=Path, help="the page; to stdout when not given")
    parser.add_argument("--plot", type=Path, help="the plot, of the first scale")
    parser.add_argument("--csv", type=Path, help="every number")
    chosen = parser.parse_args()
    if unknown := set(chosen.sizes) - set(SIZES):
        parser.error(f"--sizes: {unknown.pop()} is not one of {', '.join(SIZES)}")
    if chosen.rounds < 1 or min(chosen.threads) < 1:
        parser.error("--rounds and --threads must be 1 or more")
    chosen.peers = find_peers(chosen.peers)
    return chosen


def measure(chosen: argparse.Namespace) -> Found:
    """All rows of the chosen scales: quality first, then the times."""
    about = header()  # before anything is measured: files may change meanwhile
    sets, line = find_datasets(chosen.photos)
    if chosen.plot and not sets:
        raise UserError("--plot: without quality there is nothing to draw: name --photos")
    engines = [name for name in ENGINES if importlib.util.find_spec(name)]
    notes = [f"{name}: is not installed." for name in ENGINES if name not in engines]
    rows: list[Row] = []
    peaks: dict[tuple[int, str, int], float] = {}
    others = Others()
    with (
        chain_folder(SRCNN, SRCNN_LAYERS) as srcnn,
        chain_folder("large", LARGE) as large,
        tempfile.TemporaryDirectory() as made,
    ):
        fast, _ = network_methods("large", large, "peer", engines)
        evaluate, scratch, timed = load_params().evaluate, Path(made), bool(chosen.sizes)
        plan = Plan(chosen.model, srcnn, chosen.peers, engines, evaluate, scratch, timed)
        scored = []
        for scale in chosen.scale:  # first, because it takes long and no other program disturbs it
            methods, missing = list_methods(plan, scale)
            notes += missing
            scored.append((scale, methods, measure_quality(methods, sets, scale)))
        for scale, methods, quality in scored:
            with others:
                times, rates = measure_time(
                    methods, fast, chosen.rounds, chosen.threads, chosen.sizes
                )
            peaks |= {(scale, *key): rate for key, rate in rates.items()}
            rows += [Row(m, quality.get(m, {}), times.get(m, {})) for m in methods]
    about += [_busy(others.share)] if chosen.sizes else []
    about.append(line)
    return Found(
        rows, peaks, list(sets), chosen.sizes, chosen.threads, about, list(dict.fromkeys(notes))
    )


def header() -> list[str]:
    """How this run is made, without the paths of this machine."""
    clean = is_clean()
    lines = [
        made_by("front"),
        f"{cpu()}. {versions(_PACKAGES)}.",
        f"Commit {commit()}{', the tree was clean' if clean else ''}.",
    ]
    return lines if clean else [*lines, _UNCLEAN]


def _busy(others: float) -> str:
    """What it means that other programs took this share of the processor."""
    line = f"While times were taken, other programs used {others:.0%} of the processor."
    much = " An idle machine is quicker; ratios within this run hold better."
    return line + much if others > _MUCH else line


if __name__ == "__main__":
    sys.exit(run(main, program="front"))
