"""The fixture `part`: how much a test of the campaign does, and where its findings go."""

from collections.abc import Iterator

import pytest

from tests.campaign.part import Part

_PASSED = pytest.StashKey[bool]()


@pytest.fixture
def part(request: pytest.FixtureRequest) -> Iterator[Part]:
    """By the marker `campaign` of the test, and the options --campaign, --rounds and --seed."""
    marker = request.node.get_closest_marker("campaign")
    size = request.config.getoption("--campaign")
    rounds = request.config.getoption("--rounds") or marker.kwargs[size]
    made = Part(
        name=request.node.name.removeprefix("test_"),
        what=marker.args[0],
        unit=marker.kwargs["unit"],
        size=size,
        rounds=rounds,
        full=marker.kwargs["full"],
        seed=request.config.getoption("--seed"),
    )
    yield made
    made.write(request.node.stash.get(_PASSED, False))


def pytest_collection_modifyitems(config, items):
    if config.getoption("--campaign") != "slice" or config.getoption("--rounds"):
        return
    for item in items:
        marker = item.get_closest_marker("campaign")
        if marker is not None and not marker.kwargs["slice"]:
            item.add_marker(pytest.mark.skip(reason="takes minutes: make campaign"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    # What was skipped has found nothing.
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report
