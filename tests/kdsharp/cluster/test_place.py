import os
from dataclasses import replace
from pathlib import Path

import pytest

from kdsharp.cluster.place import code_of, here
from kdsharp.errors import UserError


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with here(tmp_path / "shared", "kdsharp") as place:
        yield place


def test_a_worker_goes_where_the_run_is(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place.enter("tcp://one", 1)
    assert Path.cwd() == tmp_path / "work"


def test_what_decides_a_picture_is_set_as_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSHARP_MODEL", "nano-x2")
    monkeypatch.delenv("KDSHARP_MAX_MEGAPIXELS", raising=False)
    with here(tmp_path, "kdsharp") as place:
        monkeypatch.setenv("KDSHARP_MODEL", "another")
        monkeypatch.setenv("KDSHARP_MAX_MEGAPIXELS", "1")
        place.enter("tcp://one", 1)
    assert os.environ["KDSHARP_MODEL"] == "nano-x2"
    assert "KDSHARP_MAX_MEGAPIXELS" not in os.environ


def test_the_marker_lasts_as_long_as_the_run(tmp_path):
    with here(tmp_path, "kdsharp") as place:
        assert [path.name for path in tmp_path.iterdir()] == [place.marker.name]
    assert list(tmp_path.iterdir()) == []


def test_a_worker_of_several_threads_is_refused(place):
    with pytest.raises(UserError, match="tcp://one has 4 threads: start it with --nthreads 1"):
        place.enter("tcp://one", 4)


def test_a_worker_that_sees_another_folder_is_refused(place, tmp_path):
    for other in (
        replace(place, folder=tmp_path / "gone"),
        replace(place, marker=tmp_path / "gone"),
    ):
        with pytest.raises(UserError, match="tcp://one does not see the files of"):
            other.enter("tcp://one", 1)


def test_a_worker_of_other_code_is_refused(place):
    with pytest.raises(UserError, match="tcp://one runs other code or packages"):
        replace(place, code="0" * 64).enter("tcp://one", 1)


def test_the_code_of_a_package_counts_and_its_other_files_do_not(tmp_path, monkeypatch):
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def hashed():
        code_of.cache_clear()
        return code_of("some_package")

    empty = hashed()
    (package / "notes.txt").write_text("nothing")
    assert hashed() == empty != code_of("kdsharp")
    (package / "code.py").write_text("x = 1")
    assert hashed() != empty
    code_of.cache_clear()


def test_a_process_stays_what_it_was(tmp_path, monkeypatch):
    package = tmp_path / "edited_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_of("edited_package")
    (package / "__init__.py").write_text("x = 1")
    assert code_of("edited_package") == before
