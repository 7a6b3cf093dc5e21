"""What the plot shows: which mark stands in which group."""

from benchmarks.front.networks import SRCNN
from benchmarks.front.series import by_cost, by_time
from tests.benchmarks.found import method, row

SMALL = row(method("small-x2"), (37.0, 32.6, 31.4), 40.0)
SLOWER = row(method("small-x2", engine="onnxruntime"), (37.0, 32.6, 31.4), 50.0)
DEEP = row(method("deep-small-x2", "int8"), (37.3, 32.9, 31.6), 9.0)
PEER = row(method("ETDS-T"), (37.2, 32.8, 31.6), 60.0)
PEER_INT8 = row(method("ETDS-T", "int8"), (36.6, 32.5, 31.3), 20.0)


def marks(series):
    return {one.legend: one.points for one in series if one.points}


def test_three_and_six_convolutions_are_lines_of_their_own():
    found = marks(by_time([SMALL, SLOWER, DEEP], "Set14", 2, "720p"))
    assert found == {
        "kdsharp, three convolutions, fp32": [(40.0, 32.6, "small")],
        "kdsharp, six convolutions, int8": [(9.0, 32.9, "deep-small")],
    }


def test_peers_stand_in_both_precisions():
    found = marks(by_time([PEER, PEER_INT8, row(method(SRCNN), (), 600.0)], "Set14", 2, "720p"))
    assert found["peers measured in this run, fp32"] == [(60.0, 32.8, "ETDS-T")]
    assert found["peers measured in this run, 8 bit"] == [(20.0, 32.5, "ETDS-T")]
    assert found["time measured with random weights, quality as published"] == [
        (600.0, 32.42, "SRCNN 9-5-5, fp32")
    ]


def test_computation_is_shown_once():
    found = marks(by_cost([SMALL, SLOWER, PEER, PEER_INT8], "Set14"))
    assert [label for *_, label in found["kdsharp, three convolutions"]] == ["small"]
    assert [label for *_, label in found["peers measured in this run"]] == ["ETDS-T"]
