"""A registered version as JSON for scripts: numbers as numbers, what belongs together in one place.

MLflow keeps all of it as text in tags.
"""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.release.promotion.decision_record import DECISION, GATE, OUTCOME, REASON, RUN
from pipeline.release.registry.provenance import OUTS
from pipeline.release.registry.versions import METRICS, NO_TEACHER, Version

__all__ = ["gate_of", "metrics_of", "nested", "version_json"]

_BOOLEANS = {"true": True, "false": False}
_ORIGIN = ("architecture", "weights", "weights_sha256", "weights_licence")


def version_json(version: Version, alias: str | None) -> dict[str, Any]:
    """What is known of `version`, which has the alias `alias`; null where it is not recorded."""
    tags = version.tags

    def tag(name: str) -> str | None:
        return tags.get(f"kdsharp.{name}") or None

    scale, parameters, macs = (tag(name) for name in ("scale", "parameters", "macs_per_pixel"))
    origin = {name: tags[f"kdsharp.{name}"] for name in _ORIGIN if f"kdsharp.{name}" in tags}
    return {
        "version": version.number,
        "alias": alias,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(version.created_ms / 1000)),
        "run": version.run_id,
        "commit": tag("git_commit"),
        "dirty": _BOOLEANS.get(tag("dirty") or ""),
        "data_hash": tag("data_hash"),
        "params_hash": tag("params_hash"),
        "retraining": tag("retraining"),
        "degradation": tag("degradation"),
        "scale": int(scale) if scale else None,
        "parameters": int(parameters) if parameters else None,
        "macs_per_pixel": float(macs) if macs else None,
        "sha256": tag("sha256"),
        "teacher": _teacher(tags),
        "origin": origin or None,
        "files": version.files,
        "outs": json.loads(tags.get(OUTS, "{}")),
        "metrics": metrics_of(tags),
        "gate": gate_of(tags),
        "outcome": tags.get(OUTCOME),
    }


def metrics_of(tags: Mapping[str, str]) -> dict[str, Any]:
    """The numbers of the evaluation: split -> method -> metric."""
    found: dict[str, Any] = json.loads(tags.get(METRICS, "{}"))
    # The names of sets of photos may hold dots; those of methods and metrics do not.
    return nested((key.rsplit(".", 2), value) for key, value in found.items())


def gate_of(tags: Mapping[str, str]) -> dict[str, Any] | None:
    """The last decision about a version with these tags, with its numbers; None: not judged."""
    if GATE not in tags:
        return None
    numbers: dict[str, float] = json.loads(tags.get("kdsharp.gate_numbers", "{}"))
    return {
        "passed": tags[GATE] == "passed",
        "reason": tags.get(REASON, ""),
        "decision": tags.get(DECISION),
        "run": tags.get(RUN),
        "gate_set": tags.get("kdsharp.gate_set"),
        "numbers": nested((key.split("."), value) for key, value in numbers.items()),
    }


def nested(values: Iterable[tuple[list[str], Any]]) -> dict[str, Any]:
    """Objects in objects, of paths and their values."""
    whole: dict[str, Any] = {}
    for (*parts, last), value in values:
        place = whole
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    return whole


def _teacher(tags: Mapping[str, str]) -> dict[str, Any] | None:
    name, _, number = tags.get("kdsharp.teacher_version", NO_TEACHER).partition("/")
    return {"name": name, "version": int(number)} if number.isdecimal() else None
