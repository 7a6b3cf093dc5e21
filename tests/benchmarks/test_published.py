"""The table of published numbers is complete and carries where each comes from."""

from benchmarks.front.published import MARKS, load_published


def test_every_row_says_where_its_numbers_come_from_and_has_some():
    rows = load_published()
    assert {row.scale for row in rows} == {2, 3, 4}
    assert len({(row.scale, row.name) for row in rows}) == len(rows)
    for row in rows:
        assert row.mark in MARKS
        assert row.psnr
        assert all(24 < value < 40 for value in row.psnr.values())
        assert all(0.7 < value < 1 for value in row.ssim.values())


def test_the_marks_that_goals_refer_to_are_there():
    by_name = {(row.name, row.scale): row for row in load_published()}
    assert by_name["SRCNN 9-5-5", 2].psnr == {
        "Set5": 36.66, "Set14": 32.42, "B100": 31.36, "Urban100": 29.50,
    }  # fmt: skip
    assert by_name["ESPCN", 3].psnr == {"Set5": 33.13}
    assert by_name["ESPCN", 4].psnr == {"Set5": 30.90}
