"""The baseline of tiny calls: aiohttp and nothing else. Prints its port; ends when killed."""

import asyncio
import socket

import uvloop
from aiohttp import web


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/json")


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/v1/skills/{namespace}/{name}/run", _echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening).start()
    print(listening.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
