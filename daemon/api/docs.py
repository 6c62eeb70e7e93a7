"""
What explains the API: its OpenAPI document, a viewer for it, WIT texts, pages about problems.

The viewer's files come from a package, nothing from other hosts. Leaves out the prose of `docs/`.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import yaml
from aiohttp import web

from daemon.api import wit
from daemon.api.errors import TABLE
from daemon.api.ports import Handler
from daemon.errors import ErrorKind

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_DAY = {"Cache-Control": "max-age=86400"}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}</style>
</head><body><h1>{title}</h1>{body}</body></html>
"""
_LANDING = """
<p>This server runs Skills: WebAssembly components that teams deploy by git.</p>
<ul>
<li><a href="/api-docs">API, to read and try</a>
 (<a href="/openapi.yaml">YAML</a>, <a href="/openapi.json">JSON</a>)</li>
<li><a href="/v1/catalogue">Catalogue of Skills</a></li>
<li><a href="/v1/namespaces">Namespaces and their state</a></li>
<li><a href="/skill.wit">The newest WIT world</a> to build Skills against</li>
<li><a href="/readyz?verbose">Readiness</a></li>
</ul>
"""
_VIEWER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>skilld API</title>
<link rel="stylesheet" href="/api-docs/swagger-ui.css">
<link rel="icon" href="/api-docs/favicon-32x32.png"></head>
<body><div id="ui"></div><script src="/api-docs/swagger-ui-bundle.js"></script>
<script>{start}</script></body></html>
"""
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#ui"})'
_START_HASH = b64encode(sha256(_START.encode()).digest()).decode()
# Callers type their tokens into the viewer: nobody else's scripts, and nobody's frames around it.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    f"script-src 'self' 'sha256-{_START_HASH}'; frame-ancestors 'none'"
)


@cache
def openapi_yaml() -> str:
    """The document as it was written."""
    return (files("daemon.api") / "openapi.yaml").read_text(encoding="utf-8")


@cache
def openapi() -> dict[str, Any]:
    """The document, parsed."""
    document: dict[str, Any] = yaml.load(openapi_yaml(), Loader=_Loader)  # noqa: S506 - a safe one
    return document


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _openapi_json() -> bytes:
    return msgspec.json.encode(openapi())


async def landing(_: web.Request) -> web.Response:
    """`GET /`."""
    return _html(_PAGE.format(title="skilld", body=_LANDING))


async def openapi_as_json(_: web.Request) -> web.Response:
    """`GET /openapi.json`."""
    return web.Response(body=_openapi_json(), content_type="application/json")


async def openapi_as_yaml(_: web.Request) -> web.Response:
    """`GET /openapi.yaml`."""
    return web.Response(text=openapi_yaml(), content_type="application/yaml")


async def viewer(_: web.Request) -> web.Response:
    """`GET /api-docs`."""
    return _html(_VIEWER.format(start=_START))


async def asset(request: web.Request) -> web.Response:
    """`GET /api-docs/{file}`: the viewer's files."""
    name = request.match_info["file"]
    if name not in _ASSETS:
        raise web.HTTPNotFound
    return web.Response(body=_asset(name), content_type=_ASSETS[name], headers=_DAY)


@cache
def _asset(name: str) -> bytes:
    # Found, not imported: the package's code would load a template engine that nothing here uses.
    found = find_spec("swagger_ui")
    assert found is not None and found.origin is not None, "a dependency, installed with skilld"
    return (Path(found.origin).parent / "static" / name).read_bytes()


async def newest_wit(_: web.Request) -> web.Response:
    """`GET /skill.wit`."""
    return web.Response(text=wit.text(wit.NEWEST))


async def versioned_wit(request: web.Request) -> web.Response:
    """`GET /wit/{version}`."""
    world = wit.find(request.match_info["version"])
    if world is None:
        raise web.HTTPNotFound
    return web.Response(text=wit.text(world))


async def problem_page(request: web.Request) -> web.Response:
    """`GET /problems/{code}`: where the `type` of a problem document leads."""
    code = request.match_info["code"]
    kind = next((kind for kind in ErrorKind if kind.value == code), None)
    if kind is None:
        raise web.HTTPNotFound
    meaning = TABLE[kind]
    again = f"<p>Try again after {meaning.retry_after} s.</p>" if meaning.retry_after else ""
    body = f"<p>{escape(meaning.title)}. HTTP status {meaning.status}.</p>{again}"
    return _html(_PAGE.format(title=escape(code), body=body))


def _html(text: str) -> web.Response:
    headers = {"Content-Security-Policy": _POLICY}
    return web.Response(text=text, content_type="text/html", headers=headers)


def routes() -> list[tuple[str, Handler]]:
    """The paths of this module; none needs a token."""
    return [
        ("/", landing),
        ("/openapi.json", openapi_as_json),
        ("/openapi.yaml", openapi_as_yaml),
        ("/api-docs", viewer),
        ("/api-docs/{file}", asset),
        ("/skill.wit", newest_wit),
        ("/wit/{version}", versioned_wit),
        ("/problems/{code}", problem_page),
    ]
