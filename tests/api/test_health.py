import pytest

from tests.api.conftest import Serve


@pytest.mark.parametrize("path", ["/health", "/livez"])
async def test_the_process_is_alive(serve: Serve, path: str) -> None:
    """Whatever is not ready."""
    running = await serve(ready={"workers": lambda: "none has started"})

    async with running.http.get(path) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert await answer.text() == "ok"


async def test_ready_when_all_checks_pass(serve: Serve) -> None:
    """Each has its line if asked for."""
    running = await serve(ready={"workers": lambda: None})

    async with running.http.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok")
    async with running.http.get("/readyz?verbose") as answer:
        assert await answer.text() == "[+] workers ok\n[+] serving ok\nready\n"


async def test_not_ready_says_why(serve: Serve) -> None:
    """The reason is in the short form as well; nothing may cache it."""
    running = await serve(ready={"workers": lambda: "none has started", "pass": lambda: None})

    async with running.http.get("/readyz") as answer:
        assert answer.status == 503
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.text() == "not ready: workers: none has started"
    async with running.http.get("/readyz?verbose") as answer:
        lines = (await answer.text()).splitlines()
        assert lines[:2] == ["[-] workers failed: none has started", "[+] pass ok"]
