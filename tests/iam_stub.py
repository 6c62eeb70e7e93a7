"""
A stand-in for the identity service (IAM): a real HTTP server that records what it was asked.

It knows tokens and their permissions, as the real one does; tests may make it refuse, fail
or hang.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    path: str
    authorization: str | None
    body: Any


@dataclass
class IamStub:
    """
    `tokens` maps a token to the permissions it has. `status` overrides every answer, `body` that
    of a success; answers wait for `release` where it is set.
    """

    tokens: Mapping[str, Sequence[str]] = field(default_factory=dict)
    status: int | None = None
    body: bytes | None = None
    asked: list[Asked] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event | None = None
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> "IamStub":
        app = web.Application()
        app.router.add_post("/check_user", self._check_user)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _check_user(self, request: web.Request) -> web.Response:
        body = await request.json()
        authorization = request.headers.get("Authorization")
        self.asked.append(Asked(request.path, authorization, body))
        self.arrived.set()
        if self.release is not None:
            await self.release.wait()
        if self.status is not None:
            return web.Response(status=self.status, text="as told")
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        return self._answer(authorization, body)

    def _answer(self, authorization: str | None, body: Any) -> web.Response:
        token = (authorization or "").removeprefix("Bearer ")
        if token not in self.tokens:
            return web.Response(status=401, text="unknown token")
        has = self.tokens[token]
        granted = [wish for wish in body["permissions"] if wish["permission"] in has]
        return web.json_response(
            {
                "sub": f"user of {token}",
                "email": "user@example.org",
                "email_verified": True,
                "permissions": granted,
            }
        )
