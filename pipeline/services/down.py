"""`make down`: stop the servers of this checkout, and nothing else."""

from pipeline.services.process import stop
from pipeline.services.state import SERVICES, read_state, write_state
from pipeline.sources.lock import locked

__all__ = ["down"]

# The worker first: it has to tell its server what became of its runs, and once that is gone it
# may ignore signals for minutes.
_ORDER = ("worker", "prefect", "mlflow")


def down() -> None:
    """Stop what `up` has started with all that it has started itself, and say so."""
    if not read_state():
        print("nothing is up here")
        return
    with locked(SERVICES / "lock", "the servers"):
        services = read_state()
        for name in _ORDER:
            if (service := services.get(name)) is None:
                continue
            stopped = stop(service)
            print(f"{name}: {'stopped' if stopped else 'was not running'}", flush=True)
            del services[name]
            write_state(services)
