import pytest

from kdsharp.degrade import known_recipe
from kdsharp.degrade.enlarged import why_not_enlarged

OWN = {
    "by three": [{"shrink": {"scale": 3}}, {"enlarge": {}}],
    "left small": [{"shrink": {}}],
    "mixed": {"bicubic": 1, "jpeg": 2, "sharp": 0},
    "half sharp": {"bicubic": 1, "sharp": 1},
    "late noise": ["bicubic", {"noise": {}}],
    "twice": ["bicubic", "bicubic"],
    "at times": [{"shrink": {"chance": 0.5}}, {"enlarge": {}}],
    "never late": ["bicubic", {"noise": {"chance": 0}}],
    "wrong way": [{"enlarge": {}}, {"shrink": {}}],
}


PLAIN = ["bicubic", "area", "lanczos", "jpeg", "noisy", "streamed", "compressed"]


@pytest.mark.parametrize("name", [*PLAIN, "left small", "mixed", "never late"])
def test_what_was_done_before_the_enlargement_does_not_matter(name):
    assert why_not_enlarged(known_recipe(name, OWN), 2) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sharp", "it does not shrink"),
        ("gaussian", "it does not shrink"),
        ("kernels", "it enlarges by other kernels than bicubic"),
        ("soft", "it shrinks by 1 to 4"),
        ("robust", "it enlarges by other kernels than bicubic"),
        ("by three", "it shrinks by 3"),
        ("half sharp", "it does not shrink"),
        ("late noise", "it goes on after enlarging (noise)"),
        ("twice", "it shrinks more than once"),
        ("at times", "it does not always shrink"),
        ("wrong way", "it enlarges before it shrinks"),
    ],
)
def test_anything_else_has_a_reason(name, why):
    assert why_not_enlarged(known_recipe(name, OWN), 2) == why


def test_a_step_s_own_scale_may_be_the_recipe_s():
    assert why_not_enlarged(known_recipe("by three", OWN), 3) is None
