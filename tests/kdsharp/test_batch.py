import os
from pathlib import Path

import pytest

from kdsharp.batch import Job, plan
from kdsharp.errors import UserError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """photos/a.jpg, photos/sub folder/b.PNG, and what is to be left out."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "sub folder/b.PNG", "notes.txt", ".hidden/c.jpg", "._a.jpg"):
        path = Path("photos") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("photos")


def pairs(inputs, out):
    return [(str(job.source), str(job.target)) for job in plan([Path(i) for i in inputs], out)]


def test_one_photo_goes_to_a_file_or_into_a_folder(tree):
    assert pairs(["photos/a.jpg"], "b.png") == [("photos/a.jpg", "b.png")]
    assert pairs(["photos/a.jpg"], "new/") == [("photos/a.jpg", "new/a.jpg")]
    Path("there").mkdir()
    assert pairs(["photos/a.jpg"], "there") == [("photos/a.jpg", "there/a.jpg")]


def test_a_tree_keeps_its_form(tree):
    expected = [
        ("photos/a.jpg", "out/a.jpg"),
        ("photos/sub folder/b.PNG", "out/sub folder/b.PNG"),
    ]
    assert pairs(["photos"], "out") == expected


def test_files_and_trees_mix(tree):
    Path("z\nä.jpg").touch()
    assert ("z\nä.jpg", "out/z\nä.jpg") in pairs(["photos", "z\nä.jpg"], "out")


def test_outputs_inside_the_tree_are_no_inputs(tree):
    (tree / "out").mkdir()
    (tree / "out" / "a.jpg").touch()
    assert len(pairs(["photos"], "photos/out")) == 2


def test_linked_folders_are_not_followed(tree):
    (tree / "loop").symlink_to(tree.resolve())
    (tree / "link.jpg").symlink_to("a.jpg")
    assert [source for source, _ in pairs(["photos"], "out")] == [
        "photos/a.jpg",
        "photos/link.jpg",
        "photos/sub folder/b.PNG",
    ]


def test_a_linked_folder_that_is_named_is_walked(tree):
    Path("link").symlink_to("photos")
    assert len(pairs(["link"], "out")) == 2


@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        (["photos/a.jpg"], "photos/a.jpg", "photos/a.jpg: is one of the photos"),
        (["photos"], "photos", "photos/a.jpg: is one of the photos"),
        (["photos", "photos"], "out", "would both become out/a.jpg"),
        (["photos/a.jpg", "other/a.jpg"], "out", "a.jpg and other/a.jpg would both become"),
        (["photos"], "photos/a.jpg", "photos/a.jpg: is a file; several photos need a folder"),
        (["empty"], "out", "empty: has no photos (.avif, .bmp"),
        (["photos/a.jpg"], "out", "out: cannot be written: a file ends with .avif, .bmp"),
        (["photos/a.jpg"], "out.gif", "out.gif: cannot be written"),
        (["photos/notes.txt"], "out/", "out/notes.txt: cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tree, inputs, out, message):
    Path("empty").mkdir()
    with pytest.raises(UserError) as caught:
        pairs(inputs, out)
    assert message in str(caught.value)


def test_a_folder_that_cannot_be_read(tree, monkeypatch):
    def closed(*args, **kwargs):
        raise PermissionError(13, "denied", "photos")

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(PermissionError):
        pairs(["photos"], "out")


def test_jobs_are_values():
    assert Job(Path("a"), Path("b")) == Job(Path("a"), Path("b"))
