"""A list of photos that somebody has edited is refused in one line."""

import pytest

from kdsharp.errors import UserError
from pipeline.manifest import read_manifest

SOUND = b"name,split,sha256\na.png,train,00\nNA,val,1e5\n"


def test_all_of_it_is_text(tmp_path):
    (tmp_path / "manifest.csv").write_bytes(SOUND)
    table = read_manifest(tmp_path / "manifest.csv")
    assert table["sha256"].tolist() == ["00", "1e5"]
    assert table["name"].tolist() == ["a.png", "NA"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not a list of photos"),
        (b"name,split\n", "has no column sha256"),
        (SOUND + b"\xe4.png,train,00\n", "is not a list of photos"),
        (SOUND + b"a,b,c,d,e,f\n", "is not a list of photos"),
        (b'name,split,sha256\n"a.png,train,00\n', "is not a list of photos"),
    ],
)
def test_what_is_none_is_refused(tmp_path, data, words):
    (path := tmp_path / "manifest.csv").write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "dvc repro acquire" in str(caught.value)
    assert "\n" not in str(caught.value)
