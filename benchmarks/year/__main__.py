"""A year of weekly runs with four drifts: production's gain with and without the loop.

    python -m benchmarks.year --photos DIR --plot docs/images/year.png
    python -m benchmarks.year --steps 300    # a quick look, on scikit-image's photos

Each week production sends parts of photos, 70 % of them from a source that drifts: stronger
compression, a softer camera, night, scans. The monitor compares the week with the one before. When
it alarms, a student is trained on what was proposed, and the gate judges it on its frozen set and
on a slice of pseudo-truth; or one is trained for what is new alone, and combined with those in use.
All of that is the pipeline's own code; only photos, weeks and the length of a training are made up.
The truth is known here, so the gain of each week is measured.

Photos that are trained on, those of the gate and those of production are different ones. Without
--photos they are scikit-image's, few and large, and the evidence is weak.
"""

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.command import log, parser_of
from benchmarks.year.lines import FALSE_ALARM, Line, gains_of
from benchmarks.year.plot import draw
from benchmarks.year.students import Made, School
from benchmarks.year.weeks import REGIMES, USUAL, WEEKS, Picture, pictures_of, regime_of
from kdsharp.errors import UserError, run
from kdsharp.tables import markdown
from pipeline.data.check import check
from pipeline.data.sample import Sample
from pipeline.data.source import Candidate
from pipeline.monitoring.measured import photos_in
from pipeline.params import DegradationParams, GateParams, load_params
from pipeline.release.gate.crops import cut_gate_set, load_gate_set

__all__ = ["main"]

_LEAST = 8  # photos


def main() -> None:
    """Print a table of the regimes and one of the alarms, and draw the year."""
    parser = parser_of("year", __doc__)
    parser.add_argument("--photos", type=Path, help="a folder of sharp photos")
    parser.add_argument("--plot", type=Path, help="a PNG of the year")
    parser.add_argument("--steps", type=int, default=1500, help="of a training")
    parser.add_argument("--pictures", type=int, default=120, help="a week")
    parser.add_argument("--weeks", type=int, default=WEEKS, help="the first ones alone")
    chosen = parser.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="kdsharp-year-") as folder:
        root = Path(folder)
        school, photos = _set_up(root, chosen.photos, chosen.steps)
        log("training the student of the first week")
        first = school.train({})
        lines = [
            Line("without the loop", first, loop=False),
            Line("with the loop, the gate decides", first, loop=True),
            Line("with the loop, and a person where the gate refused", first, True, person=True),
            Line("with the loop, a model of its own for what is new", first, loop=True, own=True),
        ]
        _play(lines, school, photos, chosen.pictures, chosen.weeks, root)
    if chosen.plot:
        draw(lines, chosen.plot)
    print(_regimes(lines), end="\n\n")
    print(_events(lines))
    minutes = (time.process_time() - began) / 60
    print(f"\n{school.trained} trainings of {chosen.steps} steps, {minutes:.1f} CPU-minutes.")


def _set_up(root: Path, folder: Path | None, steps: int) -> tuple[School, Sequence[Path]]:
    """The school with its photos and frozen set, and production's photos."""
    params = load_params()
    paths = photos_in(folder) if folder else _sample(root)
    if len(paths) < _LEAST:
        raise UserError(f"{folder}: has {len(paths)} photos, {_LEAST} are needed")
    order = np.random.default_rng(3).permutation(len(paths))
    mixed = [paths[index] for index in order]
    train, gate = len(mixed) * 45 // 100, max(len(mixed) * 20 // 100, 2)
    learned, judged, sent = mixed[:train], mixed[train : train + gate], mixed[train + gate :]
    usual = DegradationParams(name="usual", scale=2, recipes={"usual": USUAL.recipe})
    made = GateParams(folder=None, crops=120, size=96, version=1, seed=1)
    photos, _ = check([Candidate(path.name, path, None, "") for path in judged], min_side=96)
    (root / "learned").mkdir()
    for number, path in enumerate(learned):
        (root / "learned" / f"{number:04}{path.suffix}").symlink_to(path.absolute())
    cut_gate_set(photos, root / "gate", made, usual)
    # Several models are timed beside each other on a machine that does other work as well.
    policy = params.promotion.model_copy(update={"latency_ratio": 10.0})
    config = params.student.__class__(
        **{**vars(params.student), "teacher_weight": 0.0, "truth_weight": 1.0}
    )
    gate_set = load_gate_set(root / "gate")
    log(f"{len(learned)} photos to learn from, {len(photos)} of the gate, {len(sent)} sent")
    set_up = School(root, learned, judged[:2], photos, made, usual, gate_set, policy, config, steps)
    return set_up, sent


def _sample(root: Path) -> list[Path]:
    """scikit-image's photos, each cut in four: there are few."""
    home = root / "photos"
    home.mkdir()
    paths = []
    for candidate in Sample().candidates(root / "unpacked"):
        with Image.open(candidate.path) as opened:
            photo = opened.convert("RGB")
        width, height = photo.width // 2, photo.height // 2
        for number, (x, y) in enumerate(((0, 0), (width, 0), (0, height), (width, height))):
            path = home / f"{Path(candidate.name).stem}-{number}.png"
            photo.crop((x, y, x + width, y + height)).save(path)
            paths.append(path)
    return paths


def _play(
    lines: Sequence[Line],
    school: School,
    photos: Sequence[Path],
    count: int,
    weeks: int,
    root: Path,
) -> None:
    before: list[Picture] = []
    for week in range(weeks):
        log(f"week {week}: {regime_of(week).name}")
        now = pictures_of(week, photos, count)
        gains: dict[Path, np.ndarray] = {}
        trained: dict[tuple[bool, Path, tuple[tuple[str, float], ...]], Made] = {}
        for line in lines:
            key = line.model.folder
            if key not in gains:
                gains[key] = gains_of(line.model, now)
            verdict = line.week(now, before, gains[key])
            if verdict is None or not line.asks(week, verdict):
                continue
            wanted = line.wanted(verdict)
            if line.own and not wanted:
                continue
            same = (line.own, line.model.folder, tuple(sorted(wanted.items())))
            if same not in trained:
                log(f"  {verdict.verdict}: training with {wanted or 'nothing new'}")
                trained[same] = line.train(wanted, school, seed=1 + week)
            line.decide(week, verdict, trained[same], school, _kept(now, root / f"week-{week}"))
        before = now


def _kept(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for number, one in enumerate(pictures):
        one.low.save(folder / f"{number:03}.png")
    return sorted(folder.iterdir())


def _regimes(lines: Sequence[Line]) -> str:
    weeks = len(lines[0].gains)
    ends = [*(min(one.begins, weeks) for one in REGIMES[1:]), weeks]
    rows = [
        [regime.name, f"{regime.begins} to {end - 1}"]
        + [f"{np.mean(line.gains[regime.begins : end]):+.2f}" for line in lines]
        for regime, end in zip(REGIMES, ends, strict=True)
        if regime.begins < end
    ]
    rows.append(["the year", ""] + [f"{np.mean(line.gains):+.2f}" for line in lines])
    return markdown(["production sends", "weeks", *(line.name for line in lines)], rows)


def _events(lines: Sequence[Line]) -> str:
    rows = [
        [
            str(event.week),
            line.name.removeprefix("with the loop, "),
            event.verdict if event.week != FALSE_ALARM else "false alarm",
            ", ".join(f"{name} {share:.2f}" for name, share in event.learned.items()) or "nothing",
            f"{event.frozen_db:+.3f}",
            "" if math.isnan(event.production_db) else f"{event.production_db:+.3f}",
            event.outcome,
        ]
        for line in lines
        for event in line.events
    ]
    heads = ["week", "loop", "verdict", "learns", "frozen set (dB)", "pseudo-truth (dB)", "then"]
    return markdown(heads, sorted(rows, key=lambda row: int(row[0])))


if __name__ == "__main__":
    raise SystemExit(run(main, program="benchmarks.year"))
