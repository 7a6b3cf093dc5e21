"""Students of several forms, in model folders."""

import functools

import pytest

from tests.upscaling import make_folder, make_student


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory):
    """(scale, color, convs) -> the folder of such a student, made once."""

    @functools.cache
    def made(scale=2, color="luma", convs=3):
        folder = tmp_path_factory.mktemp("student") / f"{color}-x{scale}"
        make_folder(folder, make_student(scale, color, convs))
        return folder

    return made
