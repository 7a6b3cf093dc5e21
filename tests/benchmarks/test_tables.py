"""The page and the CSV file of a run."""

import csv
import io

from benchmarks.front.tables import csv_text, page
from tests.benchmarks.found import found, method, row

SMALL = row(method("small-x2"), (37.01, 32.7, 31.6), 40.0)
SMALL_INT8 = row(method("small-x2", "int8"), (36.95, 32.65, 31.55), 10.0)
SLOWER = row(method("small-x2", engine="onnxruntime"), (37.01, 32.7, 31.6), 50.0)


def test_the_page_shows_the_quickest_engine_beside_what_others_published():
    text = page(found(SMALL, SMALL_INT8, SLOWER), "images/front.png")
    quality = text.split("## x2: quality")[1].split("## x2: latency")[0]
    ours = [line for line in quality.splitlines() if "**small-x2**" in line]
    assert len(ours) == 2
    assert "| 37.01 / 0.9000 |" in ours[0]
    assert ours[0].endswith("| 40.0 | openvino |")
    assert "| SRCNN 9-5-5 | P | fp32 | 57,281 | 52.7 |" in quality
    assert "](images/front.png)" in text


def test_the_latency_table_has_every_engine_and_its_share_of_the_peak():
    text = page(found(SMALL, SMALL_INT8, SLOWER), None).split("## x2: latency")[1]
    # 3402 MAC a pixel on 1280x720 in 40 ms: 78 GMAC/s, of 100.
    line = "| small-x2 | openvino | fp32 | 2 | 40.0 | 36.0 | 38.0 to 44.0 | 78 | 78% |"
    assert line in text
    assert "| small-x2 | onnxruntime | fp32 | 2 | 50.0 |" in text
    assert "100 GMAC/s in fp32 (2 threads), 400 GMAC/s in int8 (2 threads)" in text


def test_every_line_of_a_table_has_as_many_cells_as_its_head():
    text = page(found(SMALL, SMALL_INT8, row(method("unsharp mask")), notes=["It is so."]), None)
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) >= 3
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert text.endswith("- It is so.\n")


def test_the_csv_has_a_line_for_each_time_and_one_where_there_is_none():
    text = csv_text(found(SMALL, row(method("nano-x2"), (36.5, 32.3, 31.2))))
    small, nano = csv.DictReader(io.StringIO(text))
    assert (small["median_ms"], small["threads"], small["of_peak"]) == ("40.000", "2", "0.7838")
    assert (nano["median_ms"], nano["psnr Set14"]) == ("", "32.3000")
