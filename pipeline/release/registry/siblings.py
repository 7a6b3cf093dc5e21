"""The variants of a model: other registered models of its role, which have a production each."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card
from kdsharp.runtime.catalog import PLAIN
from pipeline.paths import PRODUCTION
from pipeline.release.registry.history import find_history, known_scores
from pipeline.release.registry.names import production_folder, role_of
from pipeline.release.registry.pinned import list_models
from pipeline.release.registry.versions import Registry, Version, open_registry

__all__ = ["Sibling", "combine_note", "list_siblings", "variant_note", "variant_notes"]

_NAMED = 3  # those with a score on the gate set first


@dataclass(frozen=True)
class Sibling:
    """Version `version` of another model of the same role is in production."""

    name: str
    version: int
    psnr_y: float | None
    """In dB on the gate set that was asked about; None where it was never measured on that."""

    def __str__(self) -> str:
        score = "" if self.psnr_y is None else f" ({self.psnr_y:.3f} dB on the gate set)"
        return f"{self.name} version {self.version}{score}"


def list_siblings(registry: Registry, name: str, gate_set: str | None = None) -> Iterator[Sibling]:
    """What of the role of `name` is in production beside it, by name.

    `gate_set` is the SHA-256 of a set; None takes scores of any.
    """
    for model in list_models(registry, role_of(name)):
        if model.name != name and model.production is not None:
            scores = known_scores(find_history(registry, model.name).entries, gate_set)
            yield Sibling(model.name, model.production, scores.get(model.production))


def variant_note(registry: Registry, name: str, gate_set: str | None = None) -> str:
    """What a promotion of `name` does not replace, in one line; empty where nothing is beside it.

    Said before: whoever changed the student's size may think of another model than its registry.
    """
    if role_of(name) == "teacher":
        return ""
    there = sorted(list_siblings(registry, name, gate_set), key=lambda one: one.psnr_y is None)
    if not there:
        return ""
    named = ", ".join(map(str, there[:_NAMED]))
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    return (
        f"{name} is a model of its own: it is not compared with {named}{more}, which "
        f"{'stays' if len(there) == 1 else 'stay'} in production, and goes to "
        f"{production_folder(name)}"
    )


def variant_notes(versions: Sequence[Version]) -> list[str]:
    """Those of the models of `versions`, which have just been registered."""
    with open_registry() as registry:
        notes = [variant_note(registry, name) for name in {one.name: None for one in versions}]
    return [note for note in notes if note]


def combine_note(name: str) -> str:
    """How a picture gets the best of the students in production, now that `name` is one of them.

    Only of those whose folders are here; empty where none of them is made for another degradation.
    It asks no store: what was promoted stays so, whether that still answers or not.
    """
    if role_of(name) == "teacher":
        return ""
    here = production_folder(name)
    found = {folder: _made_for(folder) for folder in PRODUCTION.parent.glob(f"{PRODUCTION.name}*")}
    ours = found.get(here, "")
    # Of a set, the first enlarges.
    folders = sorted(
        (made_for != PLAIN, folder)
        for folder, made_for in found.items()
        if folder == here or made_for not in ("", ours)
    )
    if len(folders) < 2:
        return ""
    return (
        "a set gives each picture the model that gains most on it: python -m pipeline combine "
        f"{here.with_name('set')} {' '.join(str(folder) for _, folder in folders)}"
    )


def _made_for(folder: Path) -> str:
    """The degradation, as its card says; empty where no card can be read."""
    with contextlib.suppress(UserError):
        return read_card(folder, files=False).degradation
    return ""
