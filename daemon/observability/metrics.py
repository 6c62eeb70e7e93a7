"""
Every metric's name, in one place; the parent process owns them all.

The first seven are the reference's, so its dashboards work; the rest are ours, beside the usual
ones of a process (`process_…`). Labels are bounded: namespaces that are there, served Skills, our
own error codes, route templates. Leaves out the listener (`api/metrics`), what is observed when
(`wiring`) and what is read at each scrape (`readings`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from daemon.errors import ErrorKind

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250)

OK = "ok"
"""What stands for success where else an error's code would."""

_LOGIC = frozenset(
    {
        ErrorKind.MALFORMED_REQUEST,
        ErrorKind.INPUT_VIOLATES_SCHEMA,
        ErrorKind.INVALID_INPUT,
        ErrorKind.SKILL_FAILED,
        ErrorKind.INVALID_OUTPUT,
        ErrorKind.STREAM_ORDER,
        ErrorKind.CSI_IN_METADATA,
        ErrorKind.SKILL_TRAPPED,
        ErrorKind.OUTPUT_TOO_LARGE,
    }
)
_OUTCOMES = (OK, "logic_error", "runtime_error")


def outcome(code: str) -> str:
    """Return the reference's word for a result: `ok`, `logic_error` or `runtime_error`."""
    if code == OK:
        return OK
    return "logic_error" if code in _LOGIC else "runtime_error"


@dataclass(frozen=True, slots=True)
class Reading:
    """One number that is read when metrics are scraped; `values` maps a label value to it."""

    name: str
    help: str
    read: Callable[[], Mapping[str, float]]
    label: str | None = None
    counter: bool = False


class _Readings(Collector):
    """Reads gauges from their owners at scrape time, so that nobody has to keep them in step."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._readings = tuple(readings)

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        for reading in self._readings:
            family_type = CounterMetricFamily if reading.counter else GaugeMetricFamily
            labels = [reading.label] if reading.label else []
            family = family_type(reading.name, reading.help, labels=labels)
            for value, number in reading.read().items():
                family.add_metric([value] if reading.label else [], number)
            yield family


class Metrics:
    """All metrics of one daemon, on a registry of its own. Owned by `app`."""

    def __init__(self) -> None:
        """Nothing is registered globally: two daemons in one process don't clash."""
        self.registry = CollectorRegistry()
        # Series by labels: looking them up in the library costs more than counting.
        self._requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._calls: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._changed: set[tuple[str, str]] = set()
        route, call = ("method", "path", "status"), ("namespace", "name", "status")
        self.http_requests = self._counter("kernel_http_requests", "HTTP requests.", *route)
        self.http_duration = self._histogram(
            "kernel_http_requests_duration_seconds", "Time until the response head.", *route
        )
        self.executions = self._counter("kernel_skill_execution", "Calls of Skills.", *call)
        self.execution_duration = self._histogram(
            "kernel_skill_execution_duration_seconds", "Wall-clock time of calls of Skills.", *call
        )
        self.fetch_duration = self._histogram(
            "kernel_skill_fetch_duration_seconds",
            "Time to resolve, pull, compile and load a Skill.",
            *("namespace", "name"),
        )
        self.csi_requests = self._counter("kernel_csi_requests", "CSI requests.", "function")
        self.csi_duration = self._histogram(
            "skilld_csi_seconds",
            "Time of CSI requests, of streams until their end.",
            *("function", "outcome"),
        )
        self.install_steps = self._histogram(
            "skilld_install_step_seconds", "Time of each step of an install.", "step"
        )
        self.changes = self._counter(
            "skilld_changes",
            "Skills served, upgraded (compiled whole), failed, recovered and retired.",
            *("namespace", "action"),
        )
        text = "Requests that ended in an error, streams included, by its code."
        self.errors = self._counter("skilld_errors", text, "code")
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=BUCKETS, registry=self.registry)

    def watch(self, readings: Iterable[Reading]) -> None:
        """Read these numbers at each scrape."""
        self.registry.register(_Readings(readings))

    def http_request(self, method: str, path: str, status: int, *, seconds: float) -> None:
        """Count a request of a matched route; *path* is the route's template."""
        key = (method, path, status)
        series = self._requests.get(key)
        if series is None:
            labels = (method, path, str(status))
            series = self.http_requests.labels(*labels), self.http_duration.labels(*labels)
            self._requests[key] = series
        series[0].inc()
        series[1].observe(seconds)

    def executed(self, namespace: str, name: str, code: str, *, seconds: float) -> None:
        """Count a finished call; *code* is `ok` or an error's code."""
        key = (namespace, name, outcome(code))
        series = self._calls.get(key)
        if series is None:
            series = self.executions.labels(*key), self.execution_duration.labels(*key)
            self._calls[key] = series
        series[0].inc()
        series[1].observe(seconds)

    def csi_request(self, function: str) -> None:
        """Count one request of the CSI, whoever made it."""
        self.csi_requests.labels(function).inc()

    def csi_answered(self, function: str, outcome: str, *, seconds: float) -> None:
        """Time one request; *outcome* is `ok`, `cancelled`, `tool-failed` or an error's code."""
        self.csi_duration.labels(function, outcome).observe(seconds)

    def changed(self, namespace: str, action: str) -> bool:
        """Count one change to what is served; return whether that made a series."""
        before = len(self._changed)
        self._changed.add((namespace, action))
        self.changes.labels(namespace, action).inc()
        return len(self._changed) > before

    def keep_namespaces(self, names: Collection[str]) -> None:
        """Drop the changes of all namespaces but these."""
        for namespace, action in [one for one in self._changed if one[0] not in names]:
            self._changed.discard((namespace, action))
            _drop(self.changes, namespace, action)

    def forget_skill(self, namespace: str, name: str) -> None:
        """Drop the series of a retired Skill."""
        for metric in (self.executions, self.execution_duration):
            for status in _OUTCOMES:
                self._calls.pop((namespace, name, status), None)
                _drop(metric, namespace, name, status)
        _drop(self.fetch_duration, namespace, name)


def _drop(metric: Counter | Histogram, *labels: str) -> None:
    try:
        metric.remove(*labels)
    except KeyError:
        return  # never observed
