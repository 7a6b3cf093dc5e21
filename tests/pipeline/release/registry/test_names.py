import pytest

from kdsharp.errors import UserError
from pipeline.params import Params, load_params
from pipeline.release.registry.names import production_folder, registered_name, role_of


def params(**student):
    values = load_params().model_dump()
    values["degradation"]["scale"] = student.pop("scale", 2)
    values["degradation"]["name"] = name = student.pop("recipe", "bicubic")
    values["degradation"]["recipes"] = {name: ["bicubic"]} if " " in name else {}
    values["student"] |= student
    values["student"]["loop"]["crop"] = values["teacher"]["loop"]["crop"] = 0  # fits any scale
    return Params.model_validate(values)


@pytest.mark.parametrize(
    ("changes", "suffix"),
    [
        ({}, ""),
        ({"kernels": (3, 3, 3)}, ""),
        ({"channels": 16}, "-nano-x2"),
        ({"channels": 80, "unshuffle_factor": 3, "scale": 3}, "-large-x3"),
        ({"channels": 80, "scale": 3}, "-c80-x3"),
        ({"scale": 4}, "-c32-x4"),
        ({"color": "rgb"}, "-small-x2-rgb"),
        ({"channels": 24, "scale": 3, "color": "rgb"}, "-c24-x3-rgb"),
        ({"recipe": "robust"}, "-small-x2-robust"),
        ({"recipe": "from my: phone/2"}, "-small-x2-from-my-phone-2"),
    ],
)
def test_a_variant_has_a_suffix_and_a_folder_of_its_own(changes, suffix):
    name = registered_name("student", params(**changes))
    assert name == f"kdsharp-student{suffix}"
    assert role_of(name) == "student"
    assert str(production_folder(name)) == f"models/production{suffix}"


def test_a_full_name_stands_for_itself():
    assert registered_name("kdsharp-student-nano-x2", params()) == "kdsharp-student-nano-x2"
    assert role_of("kdsharp-teacher-swin") == "teacher"


@pytest.mark.parametrize(
    ("changes", "suffix"),
    [
        ({}, ""),
        ({"channels": 16, "color": "rgb"}, ""),
        ({"scale": 3, "unshuffle_factor": 3}, "-x3"),
        ({"recipe": "robust"}, "-x2-robust"),
        ({"recipe": "from my: phone/2", "scale": 4}, "-x4-from-my-phone-2"),
    ],
)
def test_a_teacher_is_one_for_each_degradation_and_scale(changes, suffix):
    name = registered_name("teacher", params(**changes))
    assert name == f"kdsharp-teacher{suffix}"
    assert role_of(name) == "teacher"


@pytest.mark.parametrize("name", ["", "stduent", "kdsharp-students", "other-student"])
def test_other_words_are_refused(name):
    with pytest.raises(UserError, match="no model"):
        registered_name(name, params())
