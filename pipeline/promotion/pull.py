"""Copy a registered model to a folder, here or on another machine."""

import tempfile
from pathlib import Path

from kdsharp.card import CARD
from kdsharp.errors import UserError
from kdsharp.files import atomic_dir
from pipeline.params import load_params
from pipeline.paths import TEACHER
from pipeline.promotion.production import served_files
from pipeline.registry.connect import open_registry
from pipeline.registry.names import registered_name
from pipeline.registry.versions import PRODUCTION, Version, fetch_files, find_version

__all__ = ["pull"]


def pull(model: str, which: int | str = PRODUCTION, *, to: Path) -> Version:
    """Write the files that serve version or alias `which` of `model` to the folder `to`.

    A student arrives as a model folder, a teacher as teacher.safetensors; the SHA-256 of each file
    is checked. Raises `UserError` when `to` holds anything but an earlier model.
    """
    to = Path(to)
    _require_replaceable(to)
    name = registered_name(model, load_params())
    with open_registry() as registry:
        version = find_version(registry, name, which)
        with tempfile.TemporaryDirectory() as scratch:
            fetch_files(registry, version, Path(scratch))
            wanted = [TEACHER.name] if version.kind == "teacher" else served_files(version)
            with atomic_dir(to) as folder:
                for file in wanted:
                    (folder / file).write_bytes((Path(scratch) / file).read_bytes())
    return version


def _require_replaceable(to: Path) -> None:
    """Nobody's files are replaced but those of an earlier model."""
    if to.is_file():
        raise UserError(f"{to} is a file: name a folder")
    names = {path.name for path in to.iterdir()} if to.is_dir() else set()
    if names and not names & {CARD, TEACHER.name}:
        raise UserError(f"{to} is not empty and holds no model: name another folder")
