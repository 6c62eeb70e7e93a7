from prometheus_client import generate_latest

from daemon.errors import ErrorKind
from daemon.observability.metrics import Metrics, Reading, outcome


def _text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_the_references_names_and_labels_are_kept() -> None:
    """So that its dashboards work."""
    metrics = Metrics()
    metrics.http_request("POST", "/v1/skills/{namespace}/{name}/run", 200, seconds=0.1)
    metrics.executed("team", "greet", "ok", seconds=0.1)
    metrics.csi_requests.labels("chat").inc()

    text = _text(metrics)

    assert (
        'kernel_http_requests_total{method="POST",path="/v1/skills/{namespace}/{name}/run",'
        'status="200"} 1.0' in text
    )
    assert 'kernel_skill_execution_total{name="greet",namespace="team",status="ok"} 1.0' in text
    assert 'kernel_skill_execution_duration_seconds_bucket{le="0.25"' in text
    assert 'kernel_csi_requests_total{function="chat"} 1.0' in text


def test_every_error_code_has_one_of_the_references_outcomes() -> None:
    """Faults of the Skill or caller are logic errors, the rest is operational."""
    assert outcome("ok") == "ok"
    assert outcome(ErrorKind.INVALID_INPUT) == "logic_error"
    assert outcome(ErrorKind.DEADLINE_EXCEEDED) == "runtime_error"


def test_the_series_of_a_retired_skill_go() -> None:
    """Also those that never were."""
    metrics = Metrics()
    metrics.executed("team", "greet", "ok", seconds=0.1)

    metrics.forget_skill("team", "greet")
    metrics.forget_skill("team", "other")

    assert 'name="greet"' not in _text(metrics)


def test_a_skill_that_comes_back_is_counted_anew() -> None:
    """A series that was dropped is not counted on where nobody reads it."""
    metrics = Metrics()
    metrics.executed("team", "greet", "ok", seconds=0.1)
    metrics.forget_skill("team", "greet")

    metrics.executed("team", "greet", "ok", seconds=0.1)

    assert 'kernel_skill_execution_total{name="greet",namespace="team",status="ok"} 1.0' in _text(
        metrics
    )


def test_readings_are_taken_at_each_scrape() -> None:
    """Their owner keeps the number."""
    metrics = Metrics()
    workers = {"": 1.0}
    metrics.watch(
        [
            Reading("skilld_workers", "Workers.", lambda: workers),
            Reading("skilld_restarts", "Restarts.", lambda: {"crash": 2}, "reason", counter=True),
        ]
    )

    assert "skilld_workers 1.0" in _text(metrics)
    workers[""] = 2.0
    assert "skilld_workers 2.0" in _text(metrics)
    assert 'skilld_restarts_total{reason="crash"} 2.0' in _text(metrics)


def test_the_process_itself_is_measured_under_the_usual_names() -> None:
    """Dashboards for any Python or Go service find it."""
    text = _text(Metrics())

    assert "process_resident_memory_bytes" in text
    assert "process_open_fds" in text
