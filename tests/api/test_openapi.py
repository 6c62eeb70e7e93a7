"""The document against the routes, and against the real server."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest
import schemathesis
from daemon.api.app import GUARDED, OPEN
from daemon.api.docs import openapi
from daemon.api.server import Server
from daemon.names import SkillPath
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode

from tests.api.statuses import catalogue
from tests.fakes_api import BuiltList, Metadata, ScriptedSkills, services


def documented() -> set[tuple[str, str]]:
    """Each operation of the document."""
    return {
        (method.upper(), path)
        for path, item in openapi()["paths"].items()
        for method in item
        if method != "parameters"
    }


def test_documents_exactly_the_routes() -> None:
    """Nothing is served in secret, nothing is promised in vain."""
    served = {(method, re.sub(r":\[\^/\]\+", "", path)) for method, path, _ in (*GUARDED, *OPEN)}

    assert documented() == served


def test_open_routes_are_documented_as_open() -> None:
    """And only those."""
    open_paths = {path for _, path, _ in OPEN}

    for method, path in documented():
        operation = openapi()["paths"][path][method.lower()]
        assert (operation.get("security") == []) == (path in open_paths), path


def test_operation_ids_are_unique() -> None:
    """Generated clients name their functions after them."""
    operations = [openapi()["paths"][path][method.lower()] for method, path in documented()]
    named = [one["operationId"] for one in operations if "operationId" in one]

    assert len(named) == len(set(named))


@pytest.mark.parametrize("name", sorted(openapi()["components"]["schemas"]))
def test_examples_fit_their_schemas(name: str) -> None:
    """An example that lies is worse than none."""
    schema = openapi()["components"]["schemas"][name]
    if "example" not in schema:
        return
    root = {"$ref": f"#/components/schemas/{name}", "components": openapi()["components"]}

    Draft202012Validator(root).validate(schema["example"])


class ServerThread:
    """The real server on a loop of its own: schemathesis calls from the test's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="server")
        self._server = Server(populated())
        self._thread.start()
        bound = self._call(self._server.start(api=("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{bound.api[1]}"
        self.schema = schemathesis.openapi.from_url(f"{url}/openapi.json")

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def stop(self) -> None:
        """Stop the server and the thread."""
        self._call(self._server.stop(grace=0.0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def populated() -> Any:
    """Services with the Skill of the examples, and statuses of every kind."""

    async def echo(body: bytes) -> bytes:
        return body

    skills = ScriptedSkills({"my-team/hello": echo}, described={"my-team/hello": Metadata("Hi")})
    built = BuiltList(SkillPath.parse("my-team", "hello"))
    return services(skills=skills, built=built, catalogue=catalogue())


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """One server for all operations."""
    running = ServerThread()
    yield running
    running.stop()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), sorted(documented()))
def test_server_keeps_what_the_document_promises(
    server: ServerThread, method: str, path: str, mode: GenerationMode
) -> None:
    """Statuses, media types, schemas and headers of answers to valid and broken requests."""
    operation = server.schema[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate()

    if mode is GenerationMode.POSITIVE:
        check()
    else:
        with suppress(Unsatisfiable):  # nothing in the request can be wrong
            check()
