"""Renamed keys of params.yaml, and how an older file is brought up to date."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from pipeline.paths import PARAMS

__all__ = ["RENAMED", "find_renamed", "load_yaml", "migrate_params", "round_trip"]

_LOOP = {"basis": "max_precond_dim", "clip": "grad_clip_norm", "passes": "repeats"}

RENAMED: Mapping[str, str] = {
    **{f"{part}.loop.{old}": new for part in ("teacher", "student") for old, new in _LOOP.items()},
    "teacher.body": "num_blocks",
    "student.grid": "unshuffle_factor",
    "evaluate.unseen": "held_out",
    "gate.edition": "version",
}
"""The full old key -> the last part of the new one."""


def round_trip() -> YAML:
    """A reader and writer that changes nothing but what is changed."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(type(None), _null)
    return yaml


def load_yaml(yaml: YAML, path: Path) -> Any:
    """The mapping in `path`; `UserError` if there is none."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run from the root of the checkout") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, Mapping):
        raise UserError(f"{path} holds no keys")
    return values


def find_renamed(values: Any) -> Iterator[tuple[str, str]]:
    """The key of each value in `values` that has been renamed, and its new name, both in full."""
    for old, new in RENAMED.items():
        *parts, last = old.split(".")
        if last in _section(values, parts):
            yield old, ".".join([*parts, new])


def migrate_params(path: Path = PARAMS) -> list[str]:
    """Give the keys in `path` their current names, and return a line for each renamed one.

    Comments, order and values stay. Raises `UserError` if a key is there under both names.
    """
    yaml = round_trip()
    values = load_yaml(yaml, path)
    changes = []
    for old, new in find_renamed(values):
        *parts, last = old.split(".")
        section, name = _section(values, parts), RENAMED[old]
        if name in section:
            raise UserError(f"{path}: has both {old} and {new}: keep one of them")
        _rename(section, last, name)
        changes.append(f"{old} -> {new}")
    if changes:
        with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as opened:
            yaml.dump(values, opened)
    return changes


def _section(values: Any, parts: list[str]) -> Any:
    for part in parts:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values if isinstance(values, Mapping) else {}


def _rename(section: Any, old: str, new: str) -> None:
    """In its place, with the comment behind it."""
    place = list(section).index(old)
    comment = section.ca.items.pop(old, None)
    section.insert(place, new, section.pop(old))
    if comment is not None:
        section.ca.items[new] = comment


def _null(representer: Any, _: None) -> Any:
    """`null` as it stands in params.yaml; ruamel would write nothing."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")
