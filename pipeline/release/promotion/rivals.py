"""The versions that a candidate is measured beside, fetched; what has seen the gate set is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.paths import printable
from pipeline.release.gate.crops import GateSet
from pipeline.release.promotion.anchors import Name, anchors
from pipeline.release.registry.fingerprints import Fingerprint, find_seen, read_fingerprints
from pipeline.release.registry.history import History
from pipeline.release.registry.versions import (
    NO_TEACHER,
    Log,
    Registry,
    Version,
    fetch_files,
    find_version,
    pick_versions,
)

__all__ = ["Rivals"]

_DATA, _TEACHER = "kdsharp.data_hash", "kdsharp.teacher_version"


@dataclass(frozen=True)
class Rivals:
    """Fetches versions, each into a folder of its own below `scratch`.

    `distance` is the most bits by which the perceptual hashes of near duplicates differ.
    """

    registry: Registry
    scratch: Path
    gate_set: GateSet
    distance: int
    log: Log
    _photos: dict[str, Sequence[Fingerprint]] = field(default_factory=dict)
    """By the hash of the manifest: a version without its own has those of one with the same."""

    def fetch(self, version: Version) -> Path:
        """The folder with its files; `UserError` if they are missing or damaged."""
        folder = self.scratch / f"{version.name}-{version.number}"
        if not folder.exists():
            folder.mkdir()
            fetch_files(self.registry, version, folder)
        return folder

    def fetch_if_sound(self, version: Version) -> Path:
        """A damaged incumbent keeps no good candidate out: it is measured as it is, empty."""
        try:
            return self.fetch(version)
        except UserError as error:
            self.log(f"warning: {error}")
            folder = self.scratch / f"{version.name}-{version.number}-damaged"
            folder.mkdir()
            return folder

    def leaks(self, version: Version, folder: Path) -> tuple[str, ...] | None:
        """Which photos of the gate set it has seen, in words; None if that is not known."""
        data = version.tags.get(_DATA, "")
        photos = read_fingerprints(folder) or self._photos.get(data)
        if photos is None:
            return None
        self._photos[data] = photos
        seen = [*photos, *self._taught_on(version)]
        found = find_seen(self.gate_set.sources, seen, self.distance)
        return tuple(f"{printable(p.name)} is also {printable(p.of)} ({p.how})" for p in found)

    def incumbent(
        self, history: History, candidate: Version
    ) -> tuple[Version | None, Path | None, list[str]]:
        """What was put into production last and has not seen the gate set, and its folder.

        And what has to be said of those that are passed over.
        """
        said: list[str] = []
        for number in dict.fromkeys(reversed(history.last.stack)):
            who = f"version {number}{', in production,' * (number == history.last.version)}"
            version = self._pick(history, number)
            if version is None:
                self.log(f"warning: {who} was deleted from the registry")
            elif number != candidate.number:
                folder = self.fetch_if_sound(version)
                leaks = self.leaks(version, folder)
                if not leaks:
                    return version, folder, said
                why = f"was trained on photos of the gate set, so it is no bar: {leaks[0]}"
                said.append(f"{who} {why}")
                self.log(f"warning: {said[-1]}")
        return None, None, said

    def anchors(self, history: History, known: set[int | None]) -> dict[tuple[Name, int], Path]:
        """Those that can be had; not those in `known`, which are measured anyway."""
        found: dict[tuple[Name, int], Path] = {}
        settled: set[Name] = set()
        for name, number in anchors(history.entries, self.gate_set.sha256):
            if name in settled:
                continue
            if number in known:
                settled.add(name)
                continue
            try:
                version = self._pick(history, number)
                if version is None:
                    raise UserError(f"version {number} was deleted from the registry")
                folder = self.fetch(version)
                if leaks := self.leaks(version, folder):
                    raise UserError(f"it was trained on photos of the gate set: {leaks[0]}")
            except UserError as error:
                self.log(f"warning: version {number} is not the {name} to compare with: {error}")
                continue
            found[name, number] = folder
            known, settled = {*known, number}, {*settled, name}
        return found

    def _pick(self, history: History, number: int) -> Version | None:
        return pick_versions(self.registry, history.name, (number,)).get(number)

    def _taught_on(self, version: Version) -> Sequence[Fingerprint]:
        """What the teacher of a student saw, where it was not the same."""
        name, _, number = version.tags.get(_TEACHER, NO_TEACHER).partition("/")
        if not number.isdecimal():
            return ()
        try:
            teacher = find_version(self.registry, name, int(number))
            if teacher.tags.get(_DATA) == version.tags.get(_DATA):
                return ()
            return read_fingerprints(self.fetch(teacher)) or ()
        except UserError as error:
            self.log(f"warning: what the teacher of {version} has seen is not known: {error}")
            return ()
