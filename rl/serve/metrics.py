"""What the server counts, as Prometheus reads it at /metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered", "path", "status")
        self.seconds = Histogram(
            "rl_train_request_seconds", "Seconds until a request was answered in full", ["path"], registry=self.registry
        )
        self.in_flight = Gauge("rl_train_requests_in_flight", "Requests being answered", registry=self.registry)
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts")
        self.generated_tokens = self._counter("generated_tokens", "Tokens generated, those of all rounds included")
        self.candidates = self._counter("candidates", "Programs written by critic sampling", "move")
        self.rounds = self._counter("search_rounds", "Rounds of critic sampling", "kind")
        self.programs = self._counter("programs_run", "Programs run on example tests", "outcome")
        self.critic_seconds = Histogram(
            "rl_train_critic_seconds", "Seconds that the critic took for one round of programs", registry=self.registry
        )

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A gauge that is read when somebody asks."""
        Gauge(f"rl_train_{name}", about, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"rl_train_{name}", about, labels, registry=self.registry)
