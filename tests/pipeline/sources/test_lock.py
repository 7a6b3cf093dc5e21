import logging
import threading

from pipeline.sources.lock import locked


def test_one_waits_for_the_other_and_says_so(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    events: list[str] = []

    def second() -> None:
        with locked(tmp_path / "a" / "lock", "the download"):
            events.append("second")

    with locked(tmp_path / "a" / "lock", "the download"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        events.append("first")
    thread.join()
    assert events == ["first", "second"]
    assert caplog.messages == ["another process is busy with the download: waiting for it"]
