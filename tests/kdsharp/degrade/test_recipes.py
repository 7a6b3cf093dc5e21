import numpy as np
import pytest
from PIL import Image

from kdsharp.degrade import known_recipe
from kdsharp.degrade.recipes import run_steps
from kdsharp.degrade.steps import STEP_TYPES
from kdsharp.errors import UserError


def draws(written, count=1500, scale=2, **others):
    recipe = known_recipe("mine", {"mine": written, **others})
    return [recipe.draw(np.random.default_rng(seed), scale) for seed in range(count)]


def test_numbers_come_from_their_range_and_words_from_their_list():
    found = draws([{"jpeg": {"quality": [40, 43], "chroma": ["4:2:0", "4:4:4"]}}])
    assert {step.values["quality"] for (step,) in found} == {40, 41, 42, 43}
    assert {step.values["chroma"] for (step,) in found} == {"4:2:0", "4:4:4"}
    scales = [step.values["scale"] for (step,) in draws([{"shrink": {"scale": [1.5, 2.5]}}])]
    assert 1.5 <= min(scales) < 1.6 and 2.4 < max(scales) <= 2.5
    assert abs(np.mean(scales) - 2) < 0.03


def test_a_shrink_without_a_scale_takes_that_of_the_recipe():
    assert {step.values["scale"] for (step,) in draws([{"shrink": {}}], 3, scale=3)} == {3}


def test_chance_is_how_often():
    found = draws([{"blur": {"chance": 0.3}}, {"jpeg": {}}])
    kinds = ["+".join(step.name for step in steps) for steps in found]
    assert set(kinds) == {"jpeg", "blur+jpeg"}
    assert kinds.count("blur+jpeg") / len(kinds) == pytest.approx(0.3, abs=0.03)
    assert draws([{"blur": {"chance": 0}}], 3) == [[], [], []]


def test_a_mixture_takes_one_by_its_weight():
    found = draws({"a": 3, "b": 1, "sharp": 0}, a=[{"jpeg": {}}], b=[{"blur": {}}, {"webp": {}}])
    kinds = ["+".join(step.name for step in steps) for steps in found]
    assert set(kinds) == {"jpeg", "blur+webp"}
    assert kinds.count("jpeg") / len(kinds) == pytest.approx(0.75, abs=0.03)


def test_a_recipe_may_be_a_step_and_a_mixture_too():
    found = draws(["mixed", {"jpeg": {}}, "area"], mixed={"gaussian": 1, "motion": 1})
    kinds = {"+".join(step.name for step in steps) for steps in found}
    assert kinds == {"blur+jpeg+shrink+enlarge", "motion+jpeg+shrink+enlarge"}


def test_steps_run_in_their_order_and_end_at_the_size_of_the_start(picture):
    image, sizes = Image.fromarray(picture), []
    kinds = ["shrink", "blur", "shrink"]
    (steps,) = draws([{kind: {}} for kind in kinds], 1)
    result = run_steps(steps, image, lambda: sizes.append(0))
    assert result.size == image.size
    assert len(sizes) == len(kinds) + 1
    small = image
    for step in steps:
        small = STEP_TYPES[step.name].run(small, **step.values)
    assert small.size == (14, 10)  # 53x37, halved and rounded up, twice
    assert result.tobytes() == small.resize(image.size, Image.Resampling.BICUBIC).tobytes()


def test_a_draw_says_what_it_is():
    told = [{"noise": {"sigma": 2}}, {"jpeg": {"quality": 60, "chroma": "4:4:4"}}]
    (steps,) = draws([*told, {"video": {"codec": "vp9", "kbps": 1234.5, "pan": 0, "angle": 7}}], 1)
    assert [str(step) for step in steps] == [
        "noise sigma 2", "jpeg quality 60 4:4:4", "video vp9 kbps 1234 pan 0 angle 7",
    ]  # fmt: skip


def test_noise_is_what_it_says():
    grey = Image.new("RGB", (200, 200), (100, 100, 100))
    (gaussian,) = draws([{"noise": {"sigma": 5}}], 1)
    (poisson,) = draws([{"poisson": {"photons": 1000}}], 1)
    for steps, sigma in ((gaussian, 5), (poisson, 255 / 1000 * np.sqrt(1000 * 100 / 255))):
        found = np.asarray(run_steps(steps, grey)).astype(float) - 100
        assert found.std() == pytest.approx(sigma, rel=0.02)
        assert abs(found.mean()) < 0.1


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("web", "recipe 'mine' is 'web': write a list of steps"),
        (["wbe"], "recipe 'mine', step 1: recipe 'wbe' is unknown: choose one of bicubic"),
        ([3], "recipe 'mine', step 1 is 3: write KIND"),
        ([{"jpeg": {}, "blur": {}}], "step 1 is {'jpeg'"),
        ([{"sepia": {}}], "step 1: 'sepia' is not a step: choose from blur, disc, motion, shrink"),
        ([{"jpeg": {}}, {"jpeg": 60}], r"step 2 (jpeg) is 60: write {} or"),
        ([{"jpeg": None}], "step 1 (jpeg) is None"),
        ([{"jpeg": {"qality": 60}}], "(jpeg) has no 'qality': choose from quality, chroma, chance"),
        ([{"jpeg": {"quality": 101}}], "quality is 101: must lie between 10 and 100"),
        ([{"jpeg": {"quality": [5, 60]}}], "quality is [5, 60]: must lie between 10 and 100"),
        ([{"jpeg": {"quality": [60, 50]}}], "quality is [60, 50]: the range is empty"),
        ([{"jpeg": {"quality": 60.5}}], "quality is 60.5: write a number"),
        ([{"jpeg": {"quality": True}}], "quality is True: write a number"),
        ([{"jpeg": {"chroma": "4:1:1"}}], "chroma is '4:1:1': choose from 4:2:0"),
        ([{"jpeg": {"chance": 1.5}}], "chance is 1.5: must lie between 0 and 1"),
        ([{"jpeg": {"chance": [0, 1]}}], "chance is [0, 1]: write one number"),
        ([{"shrink": {"kernel": "nearest"}}], "kernel is 'nearest': choose from bicubic"),
        ([{"shrink": {"kernel": []}}], "kernel is an empty list"),
        ([{"shrink": {"kernel": [["area"]]}}], "kernel is ['area']: choose from"),
        ([{"shrink": {"scale": 4.5}}], "scale is 4.5: must lie between 1 and 4"),
        ([{"shrink": {"scale": [1, 2, 3]}}], "scale is [1, 2, 3]: write a number"),
        ([{"shrink": {"scale": float("nan")}}], "scale is nan: write a number"),
        ([{"blur": {"sigma": 0}}], "sigma is 0: must lie between 0.1 and 10"),
        ([{"video": {"codec": "av2"}}], "codec is 'av2': choose from h264, vp9"),
        ({"area": 1, "aera": 1}, "recipe 'mine': recipe 'aera' is unknown"),
        ({"area": -1}, "weight of 'area' is -1: write 0 or more"),
        ({"area": True}, "weight of 'area' is True"),
        ({"area": float("inf")}, "weight of 'area' is inf"),
        ({"area": 0}, "mixes nothing"),
        ({}, "mixes nothing"),
        (["mine"], "recipe 'mine' contains itself: mine -> mine"),
        ({"area": 1, "mine": 1}, "recipe 'mine' contains itself"),
    ],
)
def test_every_mistake_is_named_on_one_line(written, words):
    with pytest.raises(UserError) as error:
        known_recipe("area", {"mine": written})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_recipe_that_contains_itself_by_way_of_others():
    with pytest.raises(UserError, match="contains itself: a -> b -> c -> a"):
        known_recipe("a", {"a": ["b"], "b": {"c": 1}, "c": ["area", "a"]})


def test_what_is_built_in_stays_what_it_is():
    with pytest.raises(UserError, match="'bicubic' is built in: give yours another name"):
        known_recipe("bicubic", {"bicubic": []})
