import pytest

from kdsharp.errors import UserError
from pipeline.data.folder import LICENCES, read_licences


def test_a_folder_without_the_file_has_none(tmp_path):
    assert read_licences(tmp_path) == {}


def test_licence_and_author_by_name(tmp_path):
    (tmp_path / LICENCES).write_text(
        "author,name,licence,page\n"
        'Ada,a.jpg,CC BY 4.0,1\n"B, C",train/b.png,CC0,2\n,c.png, public  domain ,3\n',
        encoding="utf-8-sig",
    )
    assert read_licences(tmp_path) == {
        "a.jpg": "CC BY 4.0, Ada",
        "train/b.png": "CC0, B, C",
        "c.png": "public domain",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "needs the columns name,licence,author"),
        (b"name,licence\na,b\n", "needs the columns name,licence,author"),
        (b"name,licence,author\na.jpg,,Ada\n", "line 2 has no licence"),
        (b"name,licence,author\na.jpg\n", "line 2 has no licence"),
        (b'name,licence,author\na.jpg,"CC0\n', "not a CSV file in UTF-8"),
        (b"name,licence,author\na.jpg,CC0,\xe9\n", "not a CSV file in UTF-8"),
    ],
)
def test_what_is_no_such_table_is_named(tmp_path, content, words):
    (tmp_path / LICENCES).write_bytes(content)
    with pytest.raises(UserError, match=rf"^{tmp_path / LICENCES}: {words}") as error:
        read_licences(tmp_path)
    assert "\n" not in str(error.value)
