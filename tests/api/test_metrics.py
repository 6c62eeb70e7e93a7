import aiohttp

from daemon.observability.metrics import Metrics
from tests.api.conftest import Serve
from tests.fakes_api import TokenList


async def test_metrics_have_their_own_listener_without_authorization(serve: Serve) -> None:
    """Any path answers, as in the reference."""
    metrics = Metrics()
    running = await serve(
        metrics=metrics.registry, observe=_observe(metrics), authorizer=TokenList()
    )
    async with running.http.get("/health"):
        pass

    async with aiohttp.ClientSession(f"http://127.0.0.1:{running.metrics_port}") as http:
        for path in ("/metrics", "/"):
            async with http.get(path) as answer:
                assert answer.status == 200
                assert answer.content_type == "text/plain"
                text = await answer.text()
        async with http.get("/health") as answer:
            assert await answer.text() == "ok"

    wanted = 'kernel_http_requests_total{method="GET",path="/health",status="200"} 1.0'
    assert wanted in text


async def test_the_api_listener_has_no_metrics(serve: Serve) -> None:
    """They are not for callers."""
    running = await serve(metrics=Metrics().registry)

    async with running.http.get("/metrics") as answer:
        assert answer.status == 404


def _observe(metrics: Metrics):  # type: ignore[no-untyped-def]
    def observe(method: str, path: str, status: int, seconds: float) -> None:
        metrics.http_request(method, path, status, seconds=seconds)

    return observe
