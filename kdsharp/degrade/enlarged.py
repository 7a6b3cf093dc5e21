"""Whether a recipe's last word is a plain enlargement: of a picture of 1/scale of the sides."""

from collections.abc import Iterator, Sequence
from itertools import chain, product

from kdsharp.degrade.recipes import Recipe, Step
from kdsharp.degrade.steps import ENLARGE
from kdsharp.degrade.values import Choice, Span

__all__ = ["why_not_enlarged"]

_BICUBIC = Choice(("bicubic",))
_SHRINK = "shrink"


def why_not_enlarged(recipe: Recipe, scale: int) -> str | None:
    """Why a result of `recipe` need not be a small picture enlarged by bicubic, `scale` times.

    None if each of its draws ends like that, whatever it did before: then the small picture can be
    had back. `scale` is that of the steps that name none.
    """
    reasons = (_why_not(steps, scale) for steps in _ways(recipe))
    return next((reason for reason in reasons if reason), None)


def _ways(part: Step | Recipe) -> Iterator[Sequence[Step]]:
    """The steps of each mixture, as they may follow one another."""
    if isinstance(part, Step):
        yield [part]
    elif part.weights is None:
        for ways in product(*map(_ways, part.parts)):
            yield list(chain.from_iterable(ways))
    else:
        for inner, weight in zip(part.parts, part.weights, strict=True):
            if weight > 0:
                yield from _ways(inner)


def _why_not(steps: Sequence[Step], scale: int) -> str | None:
    steps = [step for step in steps if step.chance > 0]
    names = [step.name for step in steps]
    if _SHRINK not in names:
        return "it does not shrink"
    if names.count(_SHRINK) > 1:
        return "it shrinks more than once"
    shrink = steps[names.index(_SHRINK)]
    if shrink.chance < 1:
        return "it does not always shrink"
    by = shrink.values["scale"]
    if isinstance(by, Span) and (by.low, by.high) != (scale, scale):
        return f"it shrinks by {by.low:g}" + ("" if by.fixed else f" to {by.high:g}")
    # Whatever a recipe leaves small is enlarged by bicubic at its end.
    last = names.index(ENLARGE) if ENLARGE in names else len(names)
    if last < names.index(_SHRINK):
        return "it enlarges before it shrinks"
    if names[last + 1 :]:
        return f"it goes on after enlarging ({names[last + 1]})"
    if any(step.values["kernel"] != _BICUBIC for step in steps[last:]):
        return "it enlarges by other kernels than bicubic"
    return None
