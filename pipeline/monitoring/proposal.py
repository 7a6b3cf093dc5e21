"""A proposed retraining: a small YAML file that a person may edit before it is started.

because: "expected gain fell from 1.49 to 0.96 dB against the week before"
params:                       # laid over params.yaml
  degradation:
    mixed_in: {jpeg-coarse: 0.45}
  patches:
    unlabelled: 200
pictures:                     # kept ones, which the teacher is asked about; leave it out for none
  folder: /srv/checkout/observations
  days: ['2026-11-24', '2026-11-25']
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from pipeline.monitoring.lost import Lost, risen_in, weighted_up
from pipeline.monitoring.verdict import Verdict
from pipeline.params import MOST_MIXED_IN, Params
from pipeline.params_file import load_yaml, round_trip

__all__ = ["Kept", "Proposal", "learned", "propose", "read_proposal", "write_proposal"]

_KEYS = {"because", "params", "pictures"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_UNLABELLED = 4  # one patch without a truth to so many with one, at most


@dataclass(frozen=True)
class Kept:
    """Pictures of some `days` that the observer was allowed to keep in `folder`."""

    folder: Path
    days: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """Values of params.yaml, and pictures; `because` is the verdict's first reason."""

    because: str
    params: Mapping[str, Any] = field(default_factory=dict)
    pictures: Kept | None = None


def propose(verdict: Verdict, params: Params) -> Proposal | None:
    """What a retraining could learn from; None where it would learn what it has learned already.

    That is so where no degradation has risen and no pictures were kept that a teacher could answer.
    """
    degradation = learned(verdict.about.get("lost", {}), params)
    pictures = _pictures(verdict, params)
    if not degradation and pictures is None:
        return None
    values: dict[str, Any] = {}
    if degradation:
        values["degradation"] = degradation
    if pictures:
        least = max(params.patches.train // _UNLABELLED, 1)
        values["patches"] = {"unlabelled": max(params.patches.unlabelled, least)}
    return Proposal(verdict.reasons[0], values, pictures)


def learned(found: Lost, params: Params) -> dict[str, Any]:
    """Changes of `degradation` in params.yaml, as `monitor.learns` says; empty: nothing is new."""
    return (_own_model if params.monitor.learns == "own_model" else _mixed_in)(found, params)


def write_proposal(proposal: Proposal, path: Path, command: str) -> None:
    """Write it, with `command`, which starts it, in a comment at its top."""
    values: dict[str, Any] = {"because": proposal.because, "params": dict(proposal.params)}
    if kept := proposal.pictures:
        values["pictures"] = {"folder": str(kept.folder), "days": list(kept.days)}
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as opened:
        opened.write(f"# A proposed retraining. Edit what you like, then start it:\n# {command}\n")
        opened.write("# docs/monitor.md, From alarm to candidate, says what each key does.\n")
        round_trip().dump(values, opened)


def read_proposal(path: Path) -> Proposal:
    """The proposal in `path`; `UserError`, one line with the key, for anything else."""
    if not path.is_file():
        raise UserError(f"{path}: no such proposal: python -m pipeline monitor DIR writes them")
    values = load_yaml(round_trip(), path)
    if other := set(values) - _KEYS:
        raise UserError(
            f"{path}: {min(map(str, other))} is not a known key: {', '.join(sorted(_KEYS))}"
        )
    laid = values.get("params") or {}
    if not isinstance(laid, Mapping):
        raise UserError(f"{path}: params is {laid!r}: write keys of params.yaml")
    kept = values.get("pictures")
    return Proposal(str(values.get("because", "")), laid, _kept(path, kept) if kept else None)


def _kept(path: Path, values: Any) -> Kept:
    if not isinstance(values, Mapping) or set(values) != {"folder", "days"}:
        raise UserError(f"{path}: pictures needs folder and days, and nothing else")
    days = values["days"]
    # A date without quotes is one to YAML.
    days = [str(day) for day in days] if isinstance(days, list) else []
    if not days or not all(_DAY.fullmatch(day) for day in days):
        raise UserError(f"{path}: pictures.days is {values['days']!r}: write days as 2026-01-31")
    return Kept(Path(str(values["folder"])), tuple(days))


def _mixed_in(found: Lost, params: Params) -> dict[str, Any]:
    """Changes of `degradation`, after which the model learns what is new beside what it knows."""
    known = params.degradation.mixed_in
    mixed = weighted_up(found, params.degradation.name, known, MOST_MIXED_IN)
    return {} if mixed == known else {"mixed_in": mixed}


def _own_model(found: Lost, params: Params) -> dict[str, Any]:
    """Those after which there is a model of its own for what is new, and for nothing else."""
    risen = {name: now for name, now in risen_in(found).items() if name != params.degradation.name}
    if not risen:
        return {}
    name = f"drift-{time.strftime('%Y%m%d', time.gmtime())}"
    values: dict[str, Any] = {"name": name, "recipes": {name: risen}}
    return values | ({"mixed_in": {}} if params.degradation.mixed_in else {})


def _pictures(verdict: Verdict, params: Params) -> Kept | None:
    """The days of which pictures were kept, where the pipeline takes photos without a truth."""
    about = verdict.about
    days = tuple(about.get("kept_days", ()))
    if not days or params.data.source != "folder" or not params.student.needs_teacher:
        return None
    return Kept(Path(str(about["folder"])).absolute(), days)
