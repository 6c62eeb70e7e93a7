"""The OpenAPI document against the routes and the real server; the pages beside it."""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from hashlib import sha256
from threading import Thread
from typing import Any, get_args

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from yarl import URL

from daemon import __version__
from daemon.api.app import GUARDED, OPEN
from daemon.api.docs import openapi
from daemon.api.server import Server
from daemon.csi.interface import Document, DocumentPath
from daemon.invoke import Described
from daemon.names import SkillPath
from daemon.reconcile.attempt import Action
from daemon.skill import MessageAppend, MessageBegin, MessageEnd, Reasoning, StreamEvent
from tests.api.conftest import Serve
from tests.api.statuses import catalogue
from tests.fakes_api import BuiltList, Documents, ScriptedSkills, services


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


def test_every_change_of_a_namespaces_history_is_documented() -> None:
    """A client that knows the enumeration takes each."""
    documented = openapi()["components"]["schemas"]["Change"]["properties"]["action"]["enum"]
    assert sorted(documented) == sorted(get_args(Action))


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


def integers(value: Any) -> Any:
    """Integers as integers: a generated `1.0` is one to JSON Schema, but not to the contract."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [integers(one) for one in value]
        case dict():
            return {name: integers(one) for name, one in value.items()}
    return value


def populated() -> Any:
    """Services with the Skill of the examples, and statuses of every kind."""

    async def echo(body: bytes) -> bytes:
        return body

    async def talk(_: bytes) -> AsyncGenerator[StreamEvent, None]:
        for event in (MessageBegin(), Reasoning("Well"), MessageAppend("Hi"), MessageEnd(b"{}")):
            yield event

    skills = ScriptedSkills(
        functions={"my-team/hello": echo},
        streams={"my-team/talk": talk},
        described={"my-team/hello": Described("Hi")},
    )
    built = BuiltList(SkillPath.parse("my-team", "hello"))
    documents = Documents()
    letter = DocumentPath("library", "letters", "one")
    documents.kept[letter] = Document(letter, ["Dear Ada"], None)
    return services(skills=skills, built=built, catalogue=catalogue(), documents=documents)


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
        case.body = integers(case.body)
        case.call_and_validate()

    if mode is GenerationMode.POSITIVE:
        check()
    else:
        with suppress(Unsatisfiable):  # nothing in the request can be wrong
            check()


HELLO = {"namespace": "my-team", "name": "hello"}
LETTER = {"namespace": "library", "collection": "letters", "document": "one"}


@pytest.mark.parametrize(
    ("method", "path", "there"),
    [
        ("POST", "/v1/skills/{namespace}/{name}/run", HELLO),
        ("POST", "/v1/skills/{namespace}/{name}/message-stream", HELLO | {"name": "talk"}),
        ("GET", "/v1/skills/{namespace}/{name}/metadata", HELLO),
        ("GET", "/v1/namespaces/{namespace}", {"namespace": "my-team"}),
        ("GET", "/v1/index/{namespace}/{collection}/documents/{document}", LETTER),
    ],
)
def test_what_is_there_is_answered_as_documented(
    server: ServerThread, method: str, path: str, there: dict[str, str]
) -> None:
    """Made-up names are hardly ever found: that test would see nothing but 404."""
    operation = server.schema[path][method]

    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(max_examples=10, deadline=None, derandomize=True)
    def check(case: schemathesis.Case) -> None:
        case.path_parameters = dict(there)
        assert case.call_and_validate().status_code == 200

    check()


async def test_yaml_and_json_are_the_same_document(serve: Serve) -> None:
    """One source."""
    running = await serve()

    async with running.http.get("/openapi.json") as answer:
        as_json = await answer.json()
    async with running.http.get("/openapi.yaml") as answer:
        assert answer.content_type == "application/yaml"
        assert yaml.safe_load(await answer.text()) == as_json
    assert as_json["openapi"].startswith("3.1")
    assert as_json["info"]["version"] == __version__


@pytest.mark.parametrize("path", ["/", "/api-docs", "/problems/overloaded"])
async def test_pages_load_nothing_from_other_hosts(serve: Serve, path: str) -> None:
    """They work without the internet, and tell nobody who reads them."""
    running = await serve()

    async with running.http.get(path) as answer:
        text = await answer.text()

    assert answer.content_type == "text/html"
    assert "//" not in text.replace("<!doctype", "")


async def test_pages_run_their_own_script_only(serve: Serve) -> None:
    """Callers type tokens into the viewer. Its policy names the script that starts it."""
    running = await serve()

    async with running.http.get("/api-docs") as answer:
        (script,) = re.findall(r"<script>(.*)</script>", await answer.text())
        policy = answer.headers["Content-Security-Policy"]

    assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "frame-ancestors 'none'" in policy
    assert '"/openapi.json"' in script


async def test_every_file_of_the_viewer_is_there(serve: Serve) -> None:
    """Those that its page names, and no other of the package."""
    running = await serve()
    async with running.http.get("/api-docs") as answer:
        named = re.findall(r'(?:src|href)="([^"]+)"', await answer.text())

    assert len(named) == 3
    for path in named:
        async with running.http.get(path) as answer:
            assert answer.status == 200
            assert len(await answer.read()) > 500
    for other in ("index.html", "..%2f__init__.py"):
        async with running.http.get(URL(f"{running.url}/api-docs/{other}", encoded=True)) as answer:
            assert answer.status == 404


async def test_every_links_target_of_the_first_page_exists(serve: Serve) -> None:
    """A first page with dead links is worse than none."""
    running = await serve()
    async with running.http.get("/") as answer:
        links = re.findall(r'href="([^"]+)"', await answer.text())

    for link in links:
        async with running.http.get(link) as answer:
            assert answer.status == 200, link


async def test_wit_is_served_by_version(serve: Serve) -> None:
    """The newest without a version; an unknown one is a problem."""
    running = await serve()

    async with running.http.get("/skill.wit") as answer:
        assert answer.content_type == "text/plain"
        newest = await answer.text()
    async with running.http.get("/wit/0.5.0") as answer:
        assert await answer.text() == newest
    async with running.http.get("/wit/9.9") as answer:
        assert answer.status == 404


async def test_an_unknown_problem_has_no_page(serve: Serve) -> None:
    """Codes are known ones."""
    running = await serve()

    async with running.http.get("/problems/odd") as answer:
        assert answer.status == 404
