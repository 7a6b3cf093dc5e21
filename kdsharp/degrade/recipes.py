"""Recipes: steps in their order, or mixtures of recipes, read from plain lists and mappings.

    web:                                    # a list: steps, in their order
      - shrink: {kernel: [area, bicubic], scale: [1.5, 3]}
      - jpeg: {quality: [40, 90]}
      - jpeg: {chance: 0.3}                 # not always
      - enlarge: {}
    often_blurred:
      - blur: {sigma: [0.5, 2], chance: 0.5}
      - web                                 # another recipe as a step
    both: {web: 3, often_blurred: 1}        # a mapping: one of them, by its weight

A number is one or a range, a word is one or a list; what is not written has its own range. A recipe
first draws all values and then runs, so that a draw can be reported and repeated.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from kdsharp.degrade.steps import ENLARGE, STEP_TYPES
from kdsharp.degrade.values import Choice, Number, Span
from kdsharp.errors import UserError

__all__ = ["Drawn", "Recipe", "Step", "find_recipe", "run_steps"]

_CHANCE = Number(0, 1, (1, 1))


@dataclass(frozen=True)
class Drawn:
    """A step whose values are drawn."""

    name: str
    values: Mapping[str, Any]

    @property
    def wide(self) -> bool:
        """Whether a pixel depends on all of the picture."""
        return STEP_TYPES[self.name].wide

    def __str__(self) -> str:
        known = STEP_TYPES[self.name].parameters
        told = [
            value if isinstance(value, str) else f"{name} {_short(value)}"
            for name, value in self.values.items()
            if known[name].shown
        ]
        return " ".join([self.name, *told])


@dataclass(frozen=True)
class Step:
    """A step whose values are yet to be drawn; a value of None is the scale of the recipe."""

    name: str
    values: Mapping[str, Span | Choice | None]
    chance: float

    @property
    def random(self) -> bool:
        """Whether two draws may differ."""
        drawn = any(value and not value.fixed for value in self.values.values())
        return self.chance > 0 and (drawn or self.chance < 1)

    def draw(self, random: np.random.Generator, scale: float) -> list[Drawn]:
        """The step with its values, or nothing."""
        if self.chance < 1 and random.random() >= self.chance:
            return []
        values = {k: v.draw(random) if v else scale for k, v in self.values.items()}
        return [Drawn(self.name, values)]


@dataclass(frozen=True)
class Recipe:
    """All `parts` in their order or, with `weights`, one of them."""

    name: str
    parts: "Sequence[Step | Recipe]"
    weights: tuple[float, ...] | None = None

    @property
    def random(self) -> bool:
        """Whether two draws may differ."""
        mixed = self.weights is not None and sum(weight > 0 for weight in self.weights) > 1
        return mixed or any(part.random for part in self.parts)

    def draw(self, random: np.random.Generator, scale: float) -> list[Drawn]:
        """The steps to run. `scale` is that of the steps that name none."""
        parts: Iterable[Step | Recipe] = self.parts
        if self.weights is not None:
            share = np.array(self.weights) / sum(self.weights)
            parts = [self.parts[int(random.choice(len(share), p=share))]]
        return [step for part in parts for step in part.draw(random, scale)]


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def run_steps(
    steps: Iterable[Drawn], image: Image.Image, done: Callable[[], None] = lambda: None
) -> Image.Image:
    """The 8-bit RGB `image` after all `steps`, in its own size: enlarged at the end if need be.

    `done()` is called after each step, and after that final enlargement.
    """
    size = image.size
    for step in [*steps, Drawn(ENLARGE, {"kernel": "bicubic"})]:
        extra = {"size": size} if step.name == ENLARGE else {}
        image = STEP_TYPES[step.name].run(image, **extra, **step.values)
        done()
    return image


def find_recipe(name: str, builtin: Mapping[str, Any], own: Mapping[str, Any]) -> Recipe:
    """The recipe `name` of `builtin` and `own`, all of which must be right.

    Raises `UserError` for an unknown name, which lists the known ones, and for a wrong recipe.
    """
    for taken in own.keys() & builtin.keys():
        raise UserError(f"recipe {taken!r} is built in: give yours another name")
    known = {**builtin, **own}
    for key in own:
        _resolve(key, known, ())
    if name not in known:
        raise UserError(f"recipe {name!r} is unknown: choose one of {', '.join(known)}")
    return _resolve(name, known, ())


def _resolve(name: str, known: Mapping[str, Any], above: tuple[str, ...]) -> Recipe:
    """The recipe `name`; `above` are those that it is a part of."""
    if name in above:
        loop = " -> ".join([*above[above.index(name) :], name])
        raise UserError(f"recipe {name!r} contains itself: {loop}")
    here, above, written = f"recipe {name!r}", (*above, name), known[name]
    if isinstance(written, Mapping):
        for part, weight in written.items():
            _check(part, known, here)
            good = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not (good and math.isfinite(weight) and weight >= 0):
                raise UserError(f"{here}: the weight of {part!r} is {weight!r}: write 0 or more")
        if sum(written.values()) <= 0:
            raise UserError(f"{here} mixes nothing: give one of its recipes a weight above 0")
        parts = [_resolve(part, known, above) for part in written]
        return Recipe(name, parts, tuple(float(weight) for weight in written.values()))
    if not isinstance(written, list | tuple):
        raise UserError(f"{here} is {written!r}: write a list of steps, or recipes with weights")
    steps = [_part(part, known, above, number) for number, part in enumerate(written, start=1)]
    return Recipe(name, steps)


def _part(
    written: Any, known: Mapping[str, Any], above: tuple[str, ...], number: int
) -> Step | Recipe:
    here = f"recipe {above[-1]!r}, step {number}"
    if isinstance(written, str):
        _check(written, known, here)
        return _resolve(written, known, above)
    if not isinstance(written, Mapping) or len(written) != 1:
        raise UserError(f"{here} is {written!r}: write KIND: {{...}}, or a recipe's name")
    ((name, values),) = written.items()
    if name not in STEP_TYPES:
        raise UserError(f"{here}: {name!r} is not a step: choose from {', '.join(STEP_TYPES)}")
    if not isinstance(values, Mapping):
        raise UserError(f"{here} ({name}) is {values!r}: write {{}} or {{name: value, ...}}")
    return _step(name, values, f"{here} ({name})")


def _step(name: str, written: Mapping[str, Any], here: str) -> Step:
    parameters = {**STEP_TYPES[name].parameters, "chance": _CHANCE}
    for key in written:
        if key not in parameters:
            raise UserError(f"{here} has no {key!r}: choose from {', '.join(parameters)}")
    values: dict[str, Any] = {}
    for key, parameter in parameters.items():
        try:
            values[key] = parameter.read(written[key]) if key in written else parameter.preset()
        except ValueError as error:
            raise UserError(f"{here}: {key} {error}") from None
    chance = values.pop("chance")
    if not chance.fixed:
        raise UserError(f"{here}: chance is {written['chance']!r}: write one number")
    return Step(name, values, float(chance.low))


def _check(name: Any, known: Mapping[str, Any], here: str) -> None:
    if name not in known:
        raise UserError(f"{here}: recipe {name!r} is unknown: choose one of {', '.join(known)}")
