"""The monitor from beginning to end: read, measure, judge, write the page, record."""

import contextlib
import importlib.util
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.errors import UserError
from kdsharp.files import write_json, write_text
from kdsharp.observe.expect import SHIPPED, Expects, read_expects
from kdsharp.observe.log import day_of
from kdsharp.observe.record import Observation
from kdsharp.progress import Progress
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.monitoring.fit import fit_expects
from pipeline.monitoring.lost import lost
from pipeline.monitoring.measured import FITTED, UNSEEN, measure_gains, photos_in
from pipeline.monitoring.page import page
from pipeline.monitoring.proposal import learned
from pipeline.monitoring.pseudo import measure_pseudo
from pipeline.monitoring.sources import Seen, by_weeks, read
from pipeline.monitoring.two_samples import compare_means, two_samples
from pipeline.monitoring.verdict import (
    ALIKE,
    FEWEST,
    Evidence,
    Verdict,
    columns,
    compared,
    judge,
    novel,
)
from pipeline.params import load_params
from pipeline.paths import PARAMS, RAW, REPORTS, TEACHER

__all__ = ["FOLDER", "GAIN", "PAGE", "Request", "find_expects", "fit", "monitor"]

FOLDER = REPORTS / "monitor"
"""Where the page and what predicts the gain lie, unless named."""

PAGE, GAIN = FOLDER / "monitor.html", FOLDER / "gain.json"

_PICTURES, _ASKED = 24, 6  # of each side for pseudo-truth, and for the teacher, which is slow
_EACH, _EACH_UNSEEN = 8, 3  # recipes a photo


@dataclass(frozen=True)
class Request:
    """What to judge: `folder` as `pipeline.monitoring.sources.read` takes it, `against` another.

    Without `against` a log is split into its last seven days and the seven before. `model` is what
    would serve pictures that were not sharpened yet, as `kdsharp.Sharpener` takes it.
    """

    folder: Path
    against: Path | None = None
    model: str | None = None
    page: Path = PAGE
    quiet: bool = False


def monitor(request: Request) -> Verdict:
    """Judge, and write the page. Raises `UserError` for a folder with nothing to judge."""
    expects = find_expects()
    load = cache(lambda: Sharpener(request.model, engine="onnxruntime", threads=1))
    now = _refreshed(read(request.folder, load(), expects, quiet=request.quiet), expects)
    if request.against is not None:
        before = read(request.against, load(), expects, quiet=request.quiet)
        before, named = _refreshed(before, expects), request.against.name or str(request.against)
    else:
        now, before = _split(now)
        named = "the week before"
    about = _about(now, before, expects)
    verdict = judge(_evidence(now, before, named, expects, load()), about | _learns(about))
    write_text(request.page, page(verdict, now, before, expects, load()))
    write_json(request.page.with_suffix(".json"), verdict.to_json())
    return verdict


def fit(
    photos: Path | None,
    target: Path,
    seed: int,
    *,
    most: int | None = None,
    model: str | None = None,
) -> Expects:
    """Fit what predicts the gain on `photos`, else those to train on; writes the JSON `target`.

    The gain is that of `model`, as `kdsharp.Sharpener` takes it. At most `most` photos, evenly
    taken. The same photos and seed give the same bytes.
    """
    paths = photos_in(photos or RAW / "train")
    paths = paths[:: max(1, -(-len(paths) // most))] if most else paths
    sharpener = Sharpener(model, engine="onnxruntime", threads=1, precision="fp32")
    rows = measure_gains(paths, FITTED, sharpener, _EACH, seed)
    unseen = measure_gains(paths, UNSEEN, sharpener, _EACH_UNSEEN, seed)
    expects = fit_expects(rows, unseen, sharpener, seed)
    write_text(target, _compact(expects))
    return expects


def find_expects() -> Expects | None:
    """What was fitted here, else what ships; None without either."""
    found = next((path for path in (GAIN, SHIPPED) if path.exists()), None)
    return read_expects(found) if found else None


def _compact(expects: Expects) -> str:
    return json.dumps(expects.to_json(), separators=(",", ":"), allow_nan=False) + "\n"


def _refreshed(seen: Seen, expects: Expects | None) -> Seen:
    """With the gain of those whose writer could not know it."""

    def one(old: Observation) -> Observation:
        if expects is None or old.expected or old.route == "upscaled":
            return old
        return replace(old, expected=expects.of(old.statistics, old.model, old.version))

    return replace(seen, observations=[one(old) for old in seen.observations])


def _split(seen: Seen) -> tuple[Seen, Seen]:
    """The last week that something was seen in, and the one before; pictures in a folder: all."""
    times = [one.time for one in seen.observations]
    if not times or all(one.source == "folder" for one in seen.observations):
        return seen, Seen(seen.folder, [])
    return by_weeks(seen, times[-1] + 1)


def _evidence(
    now: Seen, before: Seen, named: str, expects: Expects | None, sharpener: Sharpener
) -> Evidence:
    drift, change = compared(now.observations, before.observations)
    known = [one.expected for one in now.observations if one.expected]
    pseudo = [_pseudo(seen, sharpener) for seen in (now, before)]
    both = min(len(gains) for gains in pseudo) >= 2
    training, outside = [], None
    if expects and len(now.observations) >= FEWEST:
        values = columns(now.observations)
        # Parts of photos have no size that could be compared.
        known_of = {n: v for n, v in expects.reference.items() if n != "size"}
        training = two_samples(values, known_of, ALIKE)
        outside = novel({n: list(v) for n, v in values.items()}, expects.reference)

    def mean(name: str) -> float | None:
        return float(np.mean([getattr(one, name) for one in known])) if known else None

    return Evidence(
        len(now.observations),
        len(before.observations),
        named,
        change,
        compare_means(pseudo[0], pseudo[1]) if both else None,
        drift,
        training,
        outside,
        mean("gain"),
        mean("low"),
        mean("high"),
        pseudo[0],
        _disagreement(now, sharpener),
    )


def _pseudo(seen: Seen, sharpener: Sharpener) -> list[float]:
    names = [one.picture for one in seen.observations if one.picture]
    some = names[:: max(1, len(names) // _PICTURES)][:_PICTURES]
    if not some:
        return []
    with Progress(len(some), "Measuring on pseudo-truth", "pictures", lines=True) as progress:
        return [one.gain for one in measure_pseudo(seen.folder, some, sharpener, progress.step)]


def _disagreement(seen: Seen, sharpener: Sharpener) -> float | None:
    """PSNR between teacher and student on some pictures that are kept; None without a teacher."""
    names = [one.picture for one in seen.observations if one.picture][:_ASKED]
    if not names or not TEACHER.exists() or importlib.util.find_spec("torch") is None:
        return None
    from pipeline.monitoring.teacher import disagreement

    with Progress(len(names), "Asking the teacher", "pictures", lines=True) as progress:
        return disagreement(seen.folder, names, sharpener, progress.step)


def _learns(about: dict[str, Any]) -> dict[str, object]:
    """What a retraining would be proposed with; nothing outside a checkout with sound params."""
    if PARAMS.exists():
        with contextlib.suppress(UserError):
            params = load_params()
            changes = learned(about["lost"], params)
            return {"learns": changes, "degradation": params.degradation.name}
    return {}


def _about(now: Seen, before: Seen, expects: Expects | None) -> dict[str, Any]:
    routes: dict[str, int] = {}
    for one in now.observations:
        key = one.model or "none"
        routes[key] = routes.get(key, 0) + 1
    known = sum(one.expected is not None for one in now.observations)
    times = [one.time for one in now.observations]
    # What somebody points at is no picture that a service was allowed to keep.
    kept = [one.time for one in now.observations if one.picture and one.source != "folder"]
    return {
        "lost": lost(now.observations, before.observations) if before.observations else {},
        "kept_days": sorted({day_of(time) for time in kept}),
        "folder": str(now.folder),
        "unreadable": now.unreadable,
        "models": routes,
        "with_expected_gain": known,
        "from": min(times, default=None),
        "to": max(times, default=None),
        "gain_at_release": expects.about.get("gain") if expects else None,
    }
