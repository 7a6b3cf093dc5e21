"""The quality / latency front: every student beside its peers, as tables, a plot and goals.

    python benchmarks/front.py --markdown docs/front.md --plot docs/images/front.png
    python benchmarks/front.py --scale 2 --rounds 1 --sizes 720p   # a quick look

Photos come from `--photos`, a folder of folders such as Set5, Set14 and B100, else from
$KDSHARP_SHARED_DATA/benchmarks. `--peers` is a folder with the files that OpenCV's users know, such
as FSRCNN_x2.pb, else `peers` beside $KDSHARP_SHARED_DATA. Leave the machine alone meanwhile.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.front_parts.chain import LARGE, SRCNN_LAYERS
from benchmarks.front_parts.machine import Others, commit, cpu, made_by, versions
from benchmarks.front_parts.measure import list_methods, measure_quality, measure_time
from benchmarks.front_parts.networks import SRCNN, chain_folder, network_methods
from benchmarks.front_parts.photos import find_peers, find_sets
from benchmarks.front_parts.plot import draw
from benchmarks.front_parts.results import SIZES, Found, Row
from benchmarks.front_parts.tables import csv_text, page
from kdsharp.engine import ENGINES
from kdsharp.errors import UserError, run
from kdsharp.files import write_text
from pipeline.params import load_params

PACKAGES = ("openvino", "onnxruntime", "numpy", "pillow", "opencv-contrib-python-headless")
_MUCH = 0.05


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="a folder of folders: Set5, Set14, B100 ...")
    parser.add_argument("--peers", type=Path, help="a folder with FSRCNN_x2.pb, ESPCN_x2.pb ...")
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
        parser.error(f"--sizes: {unknown.pop()} is none of {', '.join(SIZES)}")
    if chosen.rounds < 1 or min(chosen.threads) < 1:
        parser.error("--rounds and --threads are 1 or more")
    chosen.peers = find_peers(chosen.peers)
    return chosen


def measure(chosen: argparse.Namespace) -> Found:
    """All rows of the chosen scales, one scale after the other."""
    sets, line = find_sets(chosen.photos)
    if chosen.plot and not sets:
        raise UserError("--plot: without quality there is nothing to draw: name --photos")
    engines = [name for name in ENGINES if importlib.util.find_spec(name)]
    notes = [f"{name}: is not installed." for name in ENGINES if name not in engines]
    rows: list[Row] = []
    peaks: dict[tuple[int, str, int], float] = {}
    others = Others()
    with chain_folder(SRCNN, SRCNN_LAYERS) as srcnn, chain_folder("large", LARGE) as large:
        fast, _ = network_methods("large", large, "peer", engines)
        evaluate = load_params().evaluate
        for scale in chosen.scale:
            methods, missing = list_methods(
                scale, chosen.model, srcnn, chosen.peers, engines, evaluate
            )
            notes += missing
            quality = measure_quality(methods, sets, scale)
            with others:
                times, rates = measure_time(
                    methods, fast, chosen.rounds, chosen.threads, chosen.sizes
                )
            peaks |= {(scale, *key): rate for key, rate in rates.items()}
            rows += [Row(m, quality.get(m, {}), times.get(m, {})) for m in methods]
    about = [*header(others.share if chosen.sizes else None), line]
    return Found(
        rows, peaks, list(sets), chosen.sizes, chosen.threads, about, list(dict.fromkeys(notes))
    )


def header(others: float | None) -> list[str]:
    """How this run was made, without the paths of this machine.

    `others` is the share of the processor that other programs took, None when nothing was timed.
    """
    lines = [
        made_by("benchmarks/front.py"),
        f"{cpu()}. {versions(PACKAGES)}.",
        f"Commit {commit()}.",
    ]
    if others is not None:
        lines.append(f"While times were taken, other programs used {others:.0%} of the processor.")
    if others and others > _MUCH:
        lines[-1] += " An idle machine is quicker; ratios within this run hold better."
    return lines


if __name__ == "__main__":
    sys.exit(run(main, program="front"))
