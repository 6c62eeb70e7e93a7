"""
The routes that call Skills, list them, and list or drop what is built of them.

Leaves out who answers at a path and everything that happens there (`invoke`).
"""

from aiohttp import web

from daemon.api import requests, schema, streams
from daemon.api.ports import SERVICES
from daemon.errors import DaemonError, ErrorKind


async def run(request: web.Request) -> web.Response:
    """`POST /v1/skills/{namespace}/{name}/run`: JSON in, JSON out, both untouched."""
    path = requests.skill_path(request)
    body = await requests.json_body(request)
    caller = requests.caller(request, path.namespace)
    output = await request.app[SERVICES].skills.run(path, body, caller)
    return web.Response(body=output, content_type="application/json")


async def message_stream(request: web.Request) -> web.StreamResponse:
    """`POST /v1/skills/{namespace}/{name}/message-stream`: JSON in, server-sent events out."""
    path = requests.skill_path(request)
    body = await requests.json_body(request)
    caller = requests.caller(request, path.namespace)
    skills = request.app[SERVICES].skills
    return await streams.serve(request, skills.stream(path, body, caller))


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
