import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from kdsharp.errors import UserError
from pipeline.data.archive import DIV2K
from pipeline.data.div2k import Div2k
from pipeline.params import Div2kParams

pytestmark = pytest.mark.usefixtures("quick")


def params(**changes: object) -> Div2kParams:
    values = {"mirror": "http://127.0.0.1:9/", "zips": None, "train": 5, "val": 2, "test": 3}
    return Div2kParams.model_validate({**values, **changes})


def test_the_first_by_name_and_the_two_halves(server, miniature, tmp_path):
    source = Div2k(params(mirror=server.url), miniature.archives, tmp_path / "downloads")
    found = source.candidates(tmp_path / "work")
    assert [(c.split, c.name) for c in found] == [
        *(("train", f"{n:04d}.png") for n in range(1, 6)),
        *(("val", f"{n:04d}.png") for n in (801, 802)),
        *(("test", f"{n:04d}.png") for n in (804, 805, 806)),
    ]
    original = miniature.train | miniature.valid
    assert all(c.path.read_bytes() == original[c.name] for c in found)


def test_a_folder_of_zips_needs_no_server(miniature, tmp_path):
    source = Div2k(params(zips=str(miniature.folder)), miniature.archives, tmp_path / "downloads")
    assert len(source.candidates(tmp_path / "work")) == 10
    assert not (tmp_path / "downloads").exists()


def test_other_zips_than_div2ks_are_refused(miniature, tmp_path):
    shutil.copy(miniature.folder / "MINI_train_HR.zip", tmp_path / DIV2K.train.name)
    with pytest.raises(UserError, match="3,530,603,713 expected"):
        Div2k(params(zips=str(tmp_path)), DIV2K).candidates(tmp_path / "work")


@pytest.mark.parametrize(("split", "asked", "there"), [("train", 8, 7), ("val", 4, 3)])
def test_fewer_images_than_asked_for_is_an_error(miniature, tmp_path, split, asked, there):
    source = Div2k(params(zips=str(miniature.folder), **{split: asked}), miniature.archives)
    with pytest.raises(UserError, match=rf"has {there} images for {split}, data\.div2k\.{split}"):
        source.candidates(tmp_path / "work")


def test_space_for_the_download_and_the_photos_is_asked_for_first(
    server, miniature, tmp_path, monkeypatch
):
    archives = miniature.archives
    need = 2 * (archives.train.size + archives.valid.size)
    usage = namedtuple("usage", "total used free")
    source = Div2k(params(mirror=server.url), archives, tmp_path / "downloads")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(need, 0, need - 1))
    with pytest.raises(UserError, match=r"needed, .* free: free some space"):
        source.candidates(tmp_path / "work")
    assert server.ranges == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(need, 0, need))
    assert len(source.candidates(tmp_path / "work")) == 10


def test_the_module_loads_no_http_client():
    code = (
        "import sys; import pipeline.data.div2k;"
        "print([name for name in ('httpx', 'requests', 'pooch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
