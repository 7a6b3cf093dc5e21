"""What Prometheus reads at /metrics; every name begins with `kdsharp_`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Of the page that Prometheus reads."""

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_MEGAPIXELS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
_GAINS = (-0.5, 0, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)  # dB
_BYTES = (1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)


class Metrics:
    """The counters of one service; all may be used from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "kdsharp_requests", "Answers by route and status.", ["route", "status"], registry=r
        )
        self.seconds = Histogram(
            "kdsharp_request_seconds",
            "From the head of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=r,
        )
        self.depth = Gauge("kdsharp_queue_depth", "Pictures that wait.", registry=r)
        self.running = Gauge("kdsharp_running", "Pictures that are being sharpened.", registry=r)
        self.wait = Histogram(
            "kdsharp_queue_wait_seconds", "Time in the queue.", buckets=_SECONDS, registry=r
        )
        self.shed = Counter(
            "kdsharp_shed", "Requests that were turned away.", ["reason"], registry=r
        )
        self.megapixels = Histogram(
            "kdsharp_megapixels", "Size of the answers.", buckets=_MEGAPIXELS, registry=r
        )
        self.received = Histogram(
            "kdsharp_received_bytes", "Size of the pictures' files.", buckets=_BYTES, registry=r
        )
        self.sent = Histogram(
            "kdsharp_sent_bytes", "Size of the answers' files.", buckets=_BYTES, registry=r
        )
        self.routes = Counter(
            "kdsharp_routes", "Pictures by route and model.", ["route", "model"], registry=r
        )
        self.swaps = Counter(
            "kdsharp_swaps", "New models taken from the folder, or refused.", ["result"], registry=r
        )
        self.model = Gauge(
            "kdsharp_model_info",
            "1 for the model that is served.",
            ["model", "version"],
            registry=r,
        )
        self.shadowed = Counter(
            "kdsharp_shadowed", "Pictures for the shadow.", ["result"], registry=r
        )
        self.observed = Counter(
            "kdsharp_observed", "Pictures that were observed.", ["result"], registry=r
        )
        self.expected = Histogram(
            "kdsharp_expected_gain_db",
            "Gain that is expected of the pictures that were observed.",
            buckets=_GAINS,
            registry=r,
        )
        self._gained = Counter(
            "kdsharp_expected_gained_db", "Sum of the expected gains above 0.", registry=r
        )
        self._lost = Counter(
            "kdsharp_expected_lost_db", "Sum of the expected gains below 0.", registry=r
        )

    def expect(self, gain: float) -> None:
        """Count a picture that is expected to gain so many dB.

        The histogram has no sum where values may be negative: a rate needs one that only grows. So
        what is gained and what is lost are two sums.
        """
        self.expected.observe(gain)
        self._gained.inc(max(gain, 0.0))
        self._lost.inc(max(-gain, 0.0))

    def page(self) -> bytes:
        """All of it, as Prometheus reads it: text of `CONTENT_TYPE`."""
        return generate_latest(self.registry)
