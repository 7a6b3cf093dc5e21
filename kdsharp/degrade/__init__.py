"""High quality -> low quality, by named recipes.

A recipe keeps the picture's size, so that a network that runs on its output sharpens in place.
`kdsharp.degrade.builtin` lists the recipes, `steps` what they are made of.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from kdsharp.degrade.builtin import ABOUT, BUILTIN
from kdsharp.degrade.recipes import Recipe, find_recipe, run_steps

__all__ = ["crop_to_multiple", "degrade", "known_recipe", "recipe_table", "tell_recipe"]


def crop_to_multiple(image: Image.Image, multiple: int) -> Image.Image:
    """Cut the right and lower edge so that both sides are multiples of `multiple`."""
    width, height = (side - side % multiple for side in image.size)
    return image if (width, height) == image.size else image.crop((0, 0, width, height))


def known_recipe(name: str, own: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe `name`, built in or of `own`, which are written as in `builtin`.

    Raises `UserError` for an unknown name and for a recipe of `own` that is wrong.
    """
    return find_recipe(name, BUILTIN, own or {})


def degrade(image: Image.Image, recipe: Recipe | str, scale: float, seed: int = 0) -> Image.Image:
    """Apply a recipe to an 8-bit RGB image of any size; the result has the same size and mode.

    `scale` is that of the steps that name none. The same seed gives the same bytes. Where the
    scale is whole, crop to a multiple of it first: else the grids of large and small pixels differ.
    Raises `UserError` for an unknown recipe.
    """
    found = known_recipe(recipe) if isinstance(recipe, str) else recipe
    return run_steps(found.draw(np.random.default_rng(seed), scale), image)


def recipe_table() -> list[str]:
    """A line for each built-in recipe, for people: its name and what it does."""
    width = max(map(len, BUILTIN))
    return [f"{name:{width}}  {tell_recipe(name)}" for name in BUILTIN]


def tell_recipe(name: str) -> str:
    """What a recipe does, in a few words; for one that is not built in, only its name."""
    if name not in BUILTIN:
        return f"the recipe {name}"
    steps = known_recipe(name).draw(np.random.default_rng(0), 2)
    return ABOUT.get(name) or ", ".join(map(str, steps))
