"""
The routes that call Skills, list them, and list or drop what is built of them.

Leaves out who answers at a path and everything that happens there (`invoke`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from aiohttp import web

from daemon.api import requests, schema, streams
from daemon.api.ports import SERVICES
from daemon.csi.interface import Caller
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.observability.tracing import outgoing


async def run(request: web.Request) -> web.Response:
    """`POST /v1/skills/{namespace}/{name}/run`: JSON in, JSON out, both untouched."""
    path = requests.skill_path(request)
    body = await requests.json_body(request)
    with _executing(request, path) as caller:
        output = await request.app[SERVICES].skills.run(path, body, caller)
    return web.Response(body=output, content_type="application/json")


async def message_stream(request: web.Request) -> web.StreamResponse:
    """`POST /v1/skills/{namespace}/{name}/message-stream`: JSON in, server-sent events out."""
    path = requests.skill_path(request)
    body = await requests.json_body(request)
    skills = request.app[SERVICES].skills
    with _executing(request, path) as caller:
        return await streams.serve(request, skills.stream(path, body, caller))


@contextmanager
def _executing(request: web.Request, path: SkillPath) -> Iterator[Caller]:
    """On whose behalf a Skill is called; within a span of the call where tracing is on."""
    caller = requests.caller(request, path.namespace)
    tracing = request.app[SERVICES].tracing
    if tracing is None:
        yield caller
        return
    with tracing.step("skill_execution", {"skill": str(path)}):
        yield replace(caller, trace=outgoing())


async def metadata(request: web.Request) -> web.Response:
    """`GET /v1/skills/{namespace}/{name}/metadata`."""
    path = requests.skill_path(request)
    described = await request.app[SERVICES].skills.metadata(path)
    return schema.json(schema.metadata(described))


async def listing(request: web.Request) -> web.Response:
    """`GET /v1/skills`: the configured Skills, sorted."""
    wanted = request.query.get("type")
    if wanted not in {None, "chat", "programmable"}:
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST,
            f"The type {wanted!r} is neither 'chat' nor 'programmable'.",
        )
    found = schema.skills(request.app[SERVICES].catalogue)
    return schema.json(
        [str(path) for path in sorted(found) if wanted is None or found[path] == wanted]
    )


async def cached(request: web.Request) -> web.Response:
    """`GET /cached_skills`: what is pulled and compiled."""
    return schema.json([str(path) for path in sorted(request.app[SERVICES].built.paths())])


async def discard(request: web.Request) -> web.Response:
    """`DELETE /cached_skills/{namespace}/{name}`: build it anew."""
    path = requests.skill_path(request)
    removed = await request.app[SERVICES].built.discard(path)
    return schema.json("Skill removed from cache" if removed else "Skill was not present in cache")
