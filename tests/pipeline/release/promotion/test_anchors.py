"""Which versions a candidate has to stand beside, from the history alone."""

from pipeline.release.promotion.anchors import anchors
from pipeline.release.registry.history import Entry, _entry, _text

SET, OTHER = "a" * 64, "b" * 64


def history(*changes, gate_set=SET):
    """Entries of promotions (version, dB), (version, dB, True) by force; a number goes back."""
    entries, stack = [], ()
    for change in changes:
        was = stack[-1] if stack else None
        if isinstance(change, int):
            stack, values = stack[:-change], {"action": "rollback"}
        else:
            number, score, *forced = change
            stack = (*stack, number)
            values = {"action": "promote", "forced": bool(forced), "numbers": {"now": score}}
            values["gate_set"] = gate_set
        number = len(entries) + 1
        entries.append(Entry(number, stack=stack, was=was, when="", who="", why="", **values))
    return entries


def test_the_first_and_the_best():
    found = list(anchors(history((1, 30.0), (2, 30.5), (3, 30.2)), SET))
    assert found == [("first", 1), ("best", 2), ("best", 3), ("best", 1)]
    assert list(anchors([], SET)) == []


def test_scores_on_another_set_do_not_count():
    assert list(anchors(history((1, 30.0), (2, 30.5), gate_set=OTHER), SET)) == [("first", 1)]
    assert list(anchors(history((1, 30.0), gate_set=""), SET)) == [("first", 1)]


def test_what_was_taken_back_does_not_count():
    found = list(anchors(history((1, 30.0), (2, 31.0), 1, (3, 30.1)), SET))
    assert found == [("first", 1), ("best", 3), ("best", 1)]


def test_where_the_gate_was_overruled_it_begins_anew():
    found = list(anchors(history((1, 31.0), (2, 29.0, True), (3, 29.1)), SET))
    assert found == [("first", 2), ("best", 3), ("best", 2)]
    found = list(anchors(history((1, 31.0), (2, 29.0, True), 1, (3, 31.1)), SET))
    assert found[0] == ("first", 1)


def test_the_first_outlives_a_long_history():
    (entry,) = history((1, 30.0))
    long = Entry(1, "promote", tuple(range(1, 1001)), None, "", "", "")
    kept = _entry("x", "0001", _text(long)).stack
    assert (kept[0], kept[1], kept[-1], len(kept)) == (1, 802, 1000, 200)
    assert _entry("x", "0001", _text(entry)) == entry
