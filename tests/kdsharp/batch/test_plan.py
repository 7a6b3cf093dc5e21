import os
from pathlib import Path

import pytest

from kdsharp.batch.plan import Job, plan
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


def pairs(inputs, out, **options):
    jobs = plan([Path(given) for given in inputs], out, **options)
    return [(str(job.source), str(job.target)) for job in jobs]


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
        (["photos"], "photos/a.jpg", "photos/a.jpg: is a file, but several photos need a folder"),
        (["empty"], "out", "empty: has no photos or videos"),
        (["photos/a.jpg"], "out", "out: cannot be written: it has no suffix: a photo ends with"),
        (["photos/a.jpg"], "out.gif", "out.gif: cannot be written: GIF has too few colours"),
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


def test_a_pattern_keeps_what_its_stars_stood_for(tree):
    Path("photos/sub folder/deep").mkdir()
    Path("photos/sub folder/deep/d.jpg").touch()
    assert pairs(["photos/*"], "out") == [("photos/a.jpg", "out/a.jpg")]
    assert pairs(["photos/**/*.jpg"], "out") == [
        ("photos/a.jpg", "out/a.jpg"),
        ("photos/sub folder/deep/d.jpg", "out/sub folder/deep/d.jpg"),
    ]
    assert len(pairs(["photos/**"], "out")) == 3
    assert pairs(["*/sub*/*.P?G"], "out") == [
        ("photos/sub folder/b.PNG", "out/photos/sub folder/b.PNG")
    ]
    assert pairs(["photos/.hidden/*"], "out") == [("photos/.hidden/c.jpg", "out/c.jpg")]
    assert pairs([str(tree.resolve() / "*.jpg")], "out") == [
        (str(tree.resolve() / "a.jpg"), "out/a.jpg")
    ]


def test_a_name_that_looks_like_a_pattern_is_a_name(tree):
    Path("a[1].jpg").touch()
    Path("b*").mkdir()
    Path("b*/x.jpg").touch()
    assert pairs(["a[1].jpg"], "out.jpg") == [("a[1].jpg", "out.jpg")]
    assert pairs(["b*"], "out") == [("b*/x.jpg", "out/x.jpg")]


def test_patterns_do_not_follow_links_nor_find_outputs(tree):
    (tree / "loop").symlink_to(tree.resolve())
    (tree / "out").mkdir()
    (tree / "out" / "a.jpg").touch()
    assert len(pairs(["photos/**/*"], "photos/out")) == 2


def test_inputs_inside_the_output_are_inputs(tree):
    assert pairs(["photos/sub folder"], "photos") == [
        ("photos/sub folder/b.PNG", "photos/b.PNG"),
    ]


def test_a_format_changes_the_suffix(tree):
    assert pairs(["photos"], "out", form="webp") == [
        ("photos/a.jpg", "out/a.webp"),
        ("photos/sub folder/b.PNG", "out/sub folder/b.webp"),
    ]
    Path("photos/a.png").touch()
    with pytest.raises(UserError, match=r"a.jpg and photos/a.png would both become out/a.webp"):
        pairs(["photos"], "out", form="webp")
    with pytest.raises(UserError, match=r"out.png: ends with .png, but the chosen format is webp"):
        pairs(["photos/a.jpg"], "out.png", form="webp")


def test_in_place_each_file_once_and_through_links(tree):
    (tree / "link.jpg").symlink_to("a.jpg")
    own = tree.resolve()
    found = pairs(["photos", "photos/a.jpg", str(own / "a.jpg")], None)
    assert found == [
        ("photos/a.jpg", str(own / "a.jpg")),
        ("photos/sub folder/b.PNG", str(own / "sub folder" / "b.PNG")),
    ]
    with pytest.raises(UserError, match=r"notes.txt: cannot be written"):
        pairs(["photos/notes.txt"], None)


def test_links_that_go_in_a_circle_are_left_to_the_reader(tree):
    Path("photos/round.jpg").symlink_to("round.jpg")
    assert ("photos/round.jpg", "out/round.jpg") in pairs(["photos"], "out")
    assert len(pairs(["photos"], None)) == 3


def test_a_closed_folder_inside_is_a_job_that_fails(tree, monkeypatch):
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "sub folder":
            raise PermissionError(13, "denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    first, second = plan([Path("photos")], "out")
    assert (first.source, first.problem) == (Path("photos/a.jpg"), "")
    assert second == Job(
        Path("photos/sub folder"),
        Path("out/sub folder"),
        "photos/sub folder: permission denied",
    )


def test_jobs_are_values():
    assert Job(Path("a"), Path("b")) == Job(Path("a"), Path("b"))


def test_gifs_become_pngs_and_are_not_replaced(tmp_path):
    for name in ("a.gif", "a.png"):
        (tmp_path / name).touch()
    jobs = plan([tmp_path], str(tmp_path / "out"))
    assert [job.target.name for job in jobs] == ["a.gif.png", "a.png"]
    assert [job.source.name for job in plan([tmp_path], None)] == ["a.png"]
