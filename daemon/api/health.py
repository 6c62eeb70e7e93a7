"""
The probes: is the process alive, and should it get requests.

Leaves out what readiness is made of: `app` names the checks.
"""

from aiohttp import web

from daemon.api.drain import DRAIN
from daemon.api.ports import SERVICES


async def health(_: web.Request) -> web.Response:
    """`GET /health`, `GET /livez`: the event loop turns."""
    return web.Response(text="ok")


async def ready(request: web.Request) -> web.Response:
    """`GET /readyz`: 503 while a check fails; `?verbose` shows one line per check."""
    failures = {name: probe() for name, probe in request.app[SERVICES].ready.items()}
    draining = request.app[DRAIN].closing
    failures["serving"] = "the server is shutting down" if draining else None
    failed = any(failures.values())
    text = _verbose(failures) if "verbose" in request.query else _brief(failures)
    return web.Response(text=text, status=503 if failed else 200, headers=_NOT_STORED)


def _brief(failures: dict[str, str | None]) -> str:
    reasons = [f"{name}: {reason}" for name, reason in failures.items() if reason]
    return f"not ready: {'; '.join(reasons)}" if reasons else "ok"


def _verbose(failures: dict[str, str | None]) -> str:
    lines = [
        f"[-] {name} failed: {reason}" if reason else f"[+] {name} ok"
        for name, reason in failures.items()
    ]
    verdict = "not ready" if any(failures.values()) else "ready"
    return "\n".join([*lines, verdict, ""])


_NOT_STORED = {"Cache-Control": "no-store"}
