"""Whole configurations by name: presets/NAME.yaml laid over params.yaml."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from pipeline.paths import PARAMS

__all__ = ["PRESETS", "apply_preset", "list_presets"]

PRESETS = Path("presets")


def list_presets() -> dict[str, str]:
    """Each preset's name and what its first comment says of it."""
    return {path.stem: _about(path) for path in sorted(PRESETS.glob("*.yaml"))}


def apply_preset(*names: str) -> list[str]:
    """Lay presets/NAME.yaml of all `names` over params.yaml, later ones over earlier ones.

    Returns one line for each value that changes. Comments, order and all other values stay. Raises
    `UserError` for an unknown preset or those that would make params.yaml invalid; params.yaml is
    then as before.
    """
    from pipeline.params import load_params  # imports torch

    yaml, known = _round_trip(), list_presets()
    wanted: dict[str, Any] = {}
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none here: run from the root of the checkout"
            raise UserError(f"there is no preset {name!r} (known: {there})")
        list(_merge(wanted, _load(yaml, PRESETS / f"{name}.yaml"), ""))
    params = _load(yaml, PARAMS)
    changes = list(_merge(params, wanted, ""))
    with atomic_file(PARAMS) as temporary:
        with temporary.open("w", encoding="utf-8", newline="\n") as opened:
            yaml.dump(params, opened)
        try:
            load_params(temporary)
        except UserError as error:
            files = " and ".join(str(PRESETS / f"{name}.yaml") for name in names)
            shown = str(error).replace(str(temporary), f"{PARAMS} with {files}")
            raise UserError(shown) from None
    return changes


def _round_trip() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(type(None), _null)
    return yaml


def _null(representer: Any, _: None) -> Any:
    """`null` as it stands in params.yaml; ruamel would write nothing."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _load(yaml: YAML, path: Path) -> Any:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run from the root of the checkout") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(values, Mapping):
        raise UserError(f"{path} holds no keys")
    return values


def _merge(into: Any, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in values.items():
        old = into.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
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
