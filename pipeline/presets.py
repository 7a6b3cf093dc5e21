"""Whole configurations by name: presets/NAME.yaml laid over params.yaml."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from pipeline.params_file import load_yaml, round_trip
from pipeline.paths import PARAMS

__all__ = ["PRESETS", "apply_preset", "lay_over", "list_presets"]

PRESETS = Path("presets")


def list_presets() -> dict[str, str]:
    """Each preset's name and what its first comment says about it."""
    return {path.stem: _about(path) for path in sorted(PRESETS.glob("*.yaml"))}


def apply_preset(*names: str) -> list[str]:
    """Lay presets/NAME.yaml of all `names` over params.yaml, later ones over earlier ones.

    Returns one line for each value that changes. Comments, order and all other values stay. Raises
    `UserError` for an unknown preset or those that would make params.yaml invalid; params.yaml is
    then as before.
    """
    yaml, known = round_trip(), list_presets()
    wanted: dict[str, Any] = {}
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none here: run from the root of the checkout"
            raise UserError(f"there is no preset {name!r} (known: {there})")
        list(_merge(wanted, load_yaml(yaml, PRESETS / f"{name}.yaml"), ""))
    return lay_over(wanted, " and ".join(str(PRESETS / f"{name}.yaml") for name in names))


def lay_over(wanted: Mapping[str, Any], named: str) -> list[str]:
    """Set the values `wanted` of params.yaml; returns and raises as `apply_preset` does.

    `named` is what errors call them.
    """
    from pipeline.params import load_params  # imports torch

    yaml = round_trip()
    params = load_yaml(yaml, PARAMS)
    changes = list(_merge(params, wanted, ""))
    with atomic_file(PARAMS) as temporary:
        with temporary.open("w", encoding="utf-8", newline="\n") as opened:
            yaml.dump(params, opened)
        try:
            load_params(temporary)
        except UserError as error:
            shown = str(error).replace(str(temporary), f"{PARAMS} with {named}")
            raise UserError(shown) from None
    return changes


def _merge(into: Any, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in values.items():
        old = into.get(key)
        if isinstance(value, Mapping) and value and isinstance(old, Mapping):  # {} empties it
            yield from _merge(old, value, f"{prefix}{key}.")
        elif old != value or key not in into:
            if key in into or not isinstance(into, CommentedMap):
                into[key] = value
            else:  # not behind the last key: the empty line before the next section belongs to it
                into.insert(max(len(into) - 1, 0), key, value)
            yield f"{prefix}{key}: {_shown(old)} -> {_shown(value)}"


def _shown(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _about(path: Path) -> str:
    """The first sentence of the file's leading comment."""
    comment = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return " ".join(comment).partition(". ")[0].rstrip(".")
