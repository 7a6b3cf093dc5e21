"""The robustness table: every group of input, ours beside the peers, as tables, a plot and goals.

    python -m benchmarks.robust --markdown docs/robustness-table.md --plot docs/images/robust.png
    python -m benchmarks.robust --quick --model robust=models/export --photos ~/Pictures
    python -m benchmarks.robust --from robust.json --plot robust.png   # nothing is measured

Set14 and B100 come from `--sets`, a folder of folders, else from $KDSHARP_SHARED_DATA/benchmarks.
`--peers` is a folder with the files that OpenCV's users know, such as FSRCNN_x2.pb, else `peers`
beside $KDSHARP_SHARED_DATA.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.command import log, parser_of
from benchmarks.common.machine import commit, made_by, versions
from benchmarks.common.photos import Sets, find_datasets, find_peers, photos_in
from benchmarks.robust.columns import Plan, load_columns
from benchmarks.robust.measure import measure
from benchmarks.robust.plot import draw
from benchmarks.robust.results import Found, from_json, to_json
from benchmarks.robust.rows import ROW_NAMES, recipe_of
from benchmarks.robust.tables import page
from kdsharp.errors import UserError, run
from kdsharp.files import write_text
from kdsharp.runtime.catalog import DEFAULT, find_model, find_models
from pipeline.params import load_params

__all__ = [
    "AUTO_SIZE",
    "FIELD",
    "QUICK",
    "SIDE",
    "arguments",
    "automatic",
    "chosen_sets",
    "main",
    "measured",
    "models",
]

_PACKAGES = ("openvino", "onnxruntime", "numpy", "pillow", "av", "opencv-contrib-python-headless")
FIELD = ("Set14", "B100")
QUICK = 14
AUTO_SIZE = "small"
SIDE = 1024


def main() -> None:
    """Measure everything, then write the page, the plot and the numbers."""
    chosen = arguments()
    found = from_json(chosen.source) if chosen.source else measured(chosen)
    if chosen.json:
        write_text(chosen.json, to_json(found))
    if chosen.markdown:
        image = chosen.plot and os.path.relpath(chosen.plot, chosen.markdown.parent)
        write_text(chosen.markdown, page(found, image))
    else:
        print(page(found, None))
    if chosen.plot:
        draw(found, chosen.plot)


def arguments() -> argparse.Namespace:
    """What the command line says; the peers are looked for where they are not named."""
    parser = parser_of("robust", __doc__)
    parser.add_argument("--sets", type=Path, help="a folder of folders: Set14, B100")
    parser.add_argument("--on", nargs="*", default=list(FIELD), help="which of them")
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="folders of your own")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} photos of a set at most")
    parser.add_argument("--rows", nargs="+", default=list(ROW_NAMES), help="recipes; else all")
    parser.add_argument(
        "--model", action="append", default=[], metavar="[NAME=]MODEL",
        help=f"a model folder or one that ships, once for each; else {DEFAULT}",
    )  # fmt: skip
    parser.add_argument(
        "--auto", nargs="*", metavar="MODEL",
        help=f"models to choose among by the picture, else each {AUTO_SIZE} one that ships; none: "
        "no such column",
    )  # fmt: skip
    parser.add_argument("--precision", choices=("fp32", "int8", "auto"), default="fp32")
    parser.add_argument("--teacher", type=Path, help="its .safetensors file")
    parser.add_argument("--peers", type=Path, help="a folder with FSRCNN_x2.pb, ESPCN_x2.pb")
    parser.add_argument("--scale", type=int, default=2, choices=(2, 3, 4))
    parser.add_argument(
        "--side", type=int, default=SIDE, help="larger ones of --photos are shrunk to it"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--markdown", type=Path, help="the page; to stdout when not given")
    parser.add_argument("--plot", type=Path, help="the picture")
    parser.add_argument("--json", type=Path, help="every number of every photo")
    parser.add_argument("--from", dest="source", type=Path, help="such a file, not to measure")
    chosen = parser.parse_args()
    if chosen.workers < 1 or chosen.side < 1:
        parser.error("--workers and --side must be 1 or more")
    chosen.peers = find_peers(chosen.peers)
    return chosen


def measured(chosen: argparse.Namespace) -> Found:
    """Every number that the command line asks for."""
    for row in chosen.rows:
        recipe_of(row)
    sets, sides = chosen_sets(chosen)
    evaluate = load_params().evaluate
    plan = Plan(
        scale=chosen.scale,
        models=models(chosen.model),
        auto=automatic(chosen.auto),
        teacher=chosen.teacher,
        peers=chosen.peers,
        unsharp=(evaluate.unsharp_radius, evaluate.unsharp_percent),
        precision=chosen.precision,
    )
    columns, notes = load_columns(plan)  # mistakes are reported before anything runs
    log(f"{len(chosen.rows)} rows, {len(columns)} columns: {', '.join(c.name for c in columns)}")
    scores = measure(plan, sets, chosen.rows, sides, chosen.workers)
    about = [
        made_by("robust"),
        f"{versions(_PACKAGES)}.",
        f"Commit {commit()}.",
    ]
    if sides:
        about.append(
            f"Of {', '.join(sides)}: photos whose longer side is over {chosen.side} pixels were "
            "shrunk to it first."
        )
    groups = {column.name: column.group for column in columns}
    return Found(chosen.scale, groups, scores, about, notes)


def models(named: Sequence[str]) -> list[tuple[str, Path]]:
    """Names for the columns, and folders; `UserError` for a name that comes twice."""
    found: dict[str, Path] = {}
    for word in named or [DEFAULT]:
        name, _, where = word.rpartition("=")
        folder = find_model(where)
        name = name or folder.resolve().name
        if name in found:
            raise UserError(f"--model {word}: {name} is taken already: write NAME=MODEL")
        found[name] = folder
    return list(found.items())


def automatic(named: Sequence[str] | None) -> list[Path]:
    """The models that are chosen among by the picture, by their names."""
    if named is None:
        return list(find_models(AUTO_SIZE))
    return [find_model(word) for word in named]


def chosen_sets(chosen: argparse.Namespace) -> tuple[Sets, dict[str, int]]:
    """The field's sets that were asked for and are there, then each folder of one's own.

    And to which side the photos of the latter are shrunk.
    """
    known, line = find_datasets(chosen.sets)
    sets = {title: paths for title, paths in known.items() if title.split(" (")[0] in chosen.on}
    if not (sets or chosen.photos):
        sets = dict(known)
    own = {folder.resolve().name: photos_in(folder) for folder in chosen.photos}
    for title, paths in own.items():
        if not paths:
            raise UserError(f"--photos {title}: holds no photos")
    if not (sets or own):
        raise UserError(f"{line}, or a folder of photos with `--photos`")
    thinned = _some if chosen.quick else lambda named: named
    sets, own = (dict(map(thinned, some.items())) for some in (sets, own))
    return sets | own, dict.fromkeys(own, chosen.side)


def _some(named: tuple[str, Sequence[Path]]) -> tuple[str, Sequence[Path]]:
    """Of a large set every so many-th photo, and a title that says so."""
    title, paths = named
    some = paths[:: -(-len(paths) // QUICK)]
    return (title if len(some) == len(paths) else f"{title}, {len(some)} of {len(paths)}"), some


if __name__ == "__main__":
    sys.exit(run(main, program="robust"))
