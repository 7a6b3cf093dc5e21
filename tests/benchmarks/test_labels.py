"""Labels cover neither each other nor a mark."""

from itertools import combinations

from benchmarks.front.plot import Box, place

FRAME = Box(0, 0, 1000, 1000)


def test_overlap_is_the_common_area():
    assert Box(0, 0, 10, 10).overlap(Box(5, 8, 10, 10)) == 10
    assert Box(0, 0, 10, 10).overlap(Box(10, 0, 10, 10)) == 0


def test_the_nearest_point_of_a_box_is_inside_or_on_its_edge():
    assert Box(10, 10, 20, 5).nearest(0, 12) == (10, 12)
    assert Box(10, 10, 20, 5).nearest(15, 40) == (15, 15)


def test_a_lone_label_stands_right_of_its_mark():
    (box,) = place([Box(100, 100, 10, 10)], [(50, 12)], [], FRAME)
    assert (box.left, box.bottom) == (115, 99)


def test_a_crowd_of_labels_overlaps_nowhere():
    marks = [Box(300 + 14 * i, 300 + 3 * i, 10, 10) for i in range(8)]
    boxes = place(marks, [(90, 12)] * len(marks), [], FRAME)
    assert all(one.overlap(other) == 0 for one, other in combinations([*marks, *boxes], 2))


def test_labels_stay_in_the_frame_and_off_what_is_taken():
    taken = Box(880, 0, 100, 1000)
    (box,) = place([Box(980, 500, 10, 10)], [(60, 12)], [taken], FRAME)
    assert box.overlap(FRAME) == 60 * 12
    assert box.overlap(taken) == 0
