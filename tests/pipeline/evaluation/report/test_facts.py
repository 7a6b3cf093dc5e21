import pandas as pd
import pytest

from pipeline.evaluation.report.facts import headline, notes, on_original, source_words


def results(**gains):
    rows = {
        name: {"psnr_y": 30.0 + gain, "ssim_y": 0.9, "psnr_rgb": 29.0, "ssim_rgb": 0.8}
        for name, gain in {"input": 0.0, **gains}.items()
    }
    return {"val": rows, "test": rows}


def test_headline_names_gain_share_and_unsharp():
    said = headline(results(unsharp=0.5, teacher=2.0, student=1.5))
    assert "gains 1.50 dB" in said
    assert "75% of what its teacher gains" in said
    assert "1.00 dB above an unsharp mask" in said


def test_headline_admits_a_loss():
    assert "below doing nothing" in headline(results(unsharp=0.5, teacher=2.0, student=-0.2))


def test_headline_has_no_share_of_a_teacher_that_gains_nothing():
    said = headline(results(unsharp=0.5, teacher=-0.1, student=0.2))
    assert "teacher" not in said
    assert "0.30 dB below an unsharp mask" in said


def manifest(source):
    return pd.DataFrame({"split": ["test"], "source": [source]})


@pytest.mark.parametrize("source", ["sample", "folder"])
def test_only_div2k_is_called_div2k(source):
    assert "DIV2K" not in source_words(manifest(source))
    assert source_words(manifest("div2k")) == "DIV2K"


def test_notes_count_the_photos_that_got_worse():
    gains = [-0.1, 0.2, 0.3]
    table = pd.DataFrame({"split": "test", "method": "student", "gain_y": gains})
    assert "1 of the 3 test photos worse" in " ".join(notes(table, manifest("folder")))
    many = pd.concat([table[1:]] * 10)
    said = " ".join(notes(many, manifest("folder")))
    assert "none of the 20 test photos" in said
    assert "close models" not in said
    assert "sample" not in said


def test_original_is_below_the_input_only_where_that_is_so():
    assert "doing nothing" in on_original(results())
    low = results()
    low["val"] = {"input": {**low["val"]["input"], "psnr_y": 20.0}}
    assert "doing nothing" not in on_original(low)
