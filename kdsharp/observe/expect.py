"""The gain to expect of a picture, with an interval: by its statistics, without any truth."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.errors import UserError
from kdsharp.observe.statistics import FEATURES, Statistics, inputs
from kdsharp.observe.trees import Forest

__all__ = ["FIT", "FORMAT", "SHIPPED", "Expected", "Expects", "read_expects", "shipped_expects"]

SHIPPED = Path(__file__).parents[1] / "weights" / "gain.json"
"""That of the models that ship, where routing chooses."""

FIT = "python -m pipeline monitor --fit"
"""The command that fits it again."""

FORMAT = 1
_LEAST_WIDTH = 0.02  # dB, that a scale is at least: two rows alike have no spread


@dataclass(frozen=True)
class Expected:
    """dB of Y-PSNR that the model is likely to gain, and the ends of an interval of 90 %."""

    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Expects:
    """Two forests and a factor: the gain, its usual error, and how many of those the interval is.

    `versions` are the models it was fitted for, by 12 digits of their SHA-256. `reference` has the
    statistics of the pictures that it was fitted on, a value a picture for each of `FEATURES`;
    `about` says how it was fitted and what its interval covered.
    """

    gain: Forest
    error: Forest
    factor: float
    versions: frozenset[str]
    reference: Mapping[str, Sequence[float]]
    about: Mapping[str, Any]

    def __call__(self, statistics: Statistics) -> Expected:
        """Of a picture with these statistics."""
        row = inputs(statistics)[None]
        gain = float(self.gain(row)[0])
        width = self.factor * max(float(self.error(row)[0]), _LEAST_WIDTH)
        return Expected(round(gain, 3), round(gain - width, 3), round(gain + width, 3))

    def of(self, statistics: Statistics, model: str | None, version: str) -> Expected | None:
        """The same, if it was fitted for that version; 0 for a picture that is left as it is."""
        if model is None:
            return Expected(0.0, 0.0, 0.0)
        return self(statistics) if version in self.versions else None

    def to_json(self) -> dict[str, Any]:
        """What `read_expects` reads."""
        return {
            "format": FORMAT,
            "versions": sorted(self.versions),
            "about": dict(self.about),
            "factor": self.factor,
            "gain": self.gain.to_json(),
            "error": self.error.to_json(),
            "reference": {name: list(values) for name, values in self.reference.items()},
        }


def read_expects(path: Path) -> Expects:
    """The one in the JSON file `path`; raises `UserError` where it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise UserError(f"{path}: has format {found['format']}: fit it again: {FIT}")
        reference = {name: [float(v) for v in found["reference"][name]] for name in FEATURES}
        made = Expects(
            Forest.of_json(found["gain"]),
            Forest.of_json(found["error"]),
            float(found["factor"]),
            frozenset(found["versions"]),
            reference,
            found["about"],
        )
        made({name: float(np.mean(values)) for name, values in reference.items()})
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}: {FIT} makes it") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{path}: does not say what gain to expect: fit it again: {FIT}") from error
    return made


@cache
def shipped_expects() -> Expects | None:
    """That of the models that ship; None where it was never fitted."""
    return read_expects(SHIPPED) if SHIPPED.exists() else None
