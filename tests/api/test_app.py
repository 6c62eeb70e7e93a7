import json

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.observability.tracing import Tracing
from tests.api.conftest import Serve
from tests.fakes_api import ScriptedSkills

JSON = {"Content-Type": "application/json"}
RUN = "/v1/skills/team/echo/run"
TEMPLATE = "/v1/skills/{namespace}/{name}/run"
PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


async def echo(body: bytes) -> bytes:
    """Answer what was asked."""
    return body


async def test_unknown_paths_are_problems(serve: Serve) -> None:
    """Also below a route, and without asking for a token."""
    running = await serve()

    for path in ("/nothing", "/v1/skills/team/echo", "/v1/skills//x/run"):
        async with running.http.get(path) as answer:
            assert answer.status == 404
            assert (await answer.json(content_type=None))["code"] == "route-not-found"


async def test_wrong_methods_are_problems_with_allow(serve: Serve) -> None:
    """A client learns which ones work."""
    running = await serve()

    async with running.http.get(RUN) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
        assert (await answer.json(content_type=None))["code"] == "method-not-allowed"


@pytest.mark.parametrize("path", ["/health", "/v1/skills", "/openapi.json"])
async def test_get_routes_answer_head(serve: Serve, path: str) -> None:
    """The same head, no body."""
    running = await serve()
    plain = {"Accept-Encoding": "identity"}

    async with (
        running.http.get(path, headers=plain) as full,
        running.http.head(path, headers=plain) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Length"] == str(len(await full.read()))
        assert await answer.read() == b""


async def test_the_server_names_neither_library_nor_version(serve: Serve) -> None:
    """Scanners get nothing to work with."""
    running = await serve()

    async with running.http.get("/health") as answer:
        assert answer.headers["Server"] == "skilld"


async def test_browsers_do_not_guess_what_an_answer_is(serve: Serve) -> None:
    """A Skill's text is no page, whatever it says."""
    running = await serve(skills=ScriptedSkills({"team/echo": echo}))

    async with running.http.post(RUN, data=b'"<script>"', headers=JSON) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_errors_are_counted_by_their_code(serve: Serve) -> None:
    """A status has many causes; paths that do not exist are no errors of ours."""
    failed: list[ErrorKind] = []
    running = await serve(skills=ScriptedSkills({"team/echo": echo}), failed=failed.append)

    for path in (RUN, "/v1/skills/team/other/run", "/v1/skills/Bad/x/run", "/nothing"):
        async with running.http.post(path, data=b"1", headers=JSON):
            pass

    assert failed == [ErrorKind.SKILL_NOT_FOUND, ErrorKind.MALFORMED_REQUEST]


async def test_each_response_is_observed_by_template(serve: Serve) -> None:
    """Names that callers choose never become labels; unmatched paths are not counted."""
    seen: list[tuple[str, str, int]] = []
    running = await serve(
        skills=ScriptedSkills({"team/echo": echo}),
        observe=lambda method, path, status, seconds: seen.append((method, path, status)),
    )

    for path in (RUN, "/v1/skills/team/other/run", "/nothing"):
        async with running.http.post(path, data=b"1", headers=JSON):
            pass

    assert seen == [("POST", TEMPLATE, 200), ("POST", TEMPLATE, 404)]


async def test_a_trace_goes_on_through_the_server(serve: Serve) -> None:
    """The backends' parent is the span of the call, whose parent is ours, whose is the client's."""
    spans = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(spans), version="0", ratio=1.0)
    skills = ScriptedSkills({"team/echo": echo})
    running = await serve(skills=skills, tracing=tracing)

    headers = JSON | {"traceparent": PARENT}
    async with running.http.post(RUN, data=b"1", headers=headers) as answer:
        assert answer.status == 200
        echoed = answer.headers["traceparent"]
    tracing.close()

    call, request = spans.get_finished_spans()
    assert (call.name, request.name) == ("skill_execution", f"POST {TEMPLATE}")
    assert call.attributes == {"skill": "team/echo"}
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": TEMPLATE,
        "http.response.status_code": 200,
    }
    assert f"{request.context.trace_id:032x}" == "a" * 32
    assert f"{request.context.span_id:016x}" in echoed
    told = dict(skills.callers[0].trace)["traceparent"]
    assert f"{call.context.span_id:016x}" in told


async def test_a_server_error_marks_the_span_of_its_request(serve: Serve) -> None:
    """So that it is found among many."""

    async def broken(_: bytes) -> bytes:
        raise DaemonError(ErrorKind.SKILL_TRAPPED, "unreachable")

    spans = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(spans), version="0", ratio=1.0)
    running = await serve(skills=ScriptedSkills({"team/echo": broken}), tracing=tracing)

    async with running.http.post(RUN, data=b"1", headers=JSON) as answer:
        assert answer.status == 500
    tracing.close()

    call, request = spans.get_finished_spans()
    assert call.status.status_code is StatusCode.ERROR
    assert request.status.description == "status 500"


async def test_text_is_for_those_who_ask(serve: Serve) -> None:
    """`curl -H 'Accept: text/plain'` reads well."""

    async def fail(_: bytes) -> bytes:
        raise DaemonError(ErrorKind.OVERLOADED, "All workers are busy.", retry_after=7)

    running = await serve(skills=ScriptedSkills({"team/echo": fail}))

    headers = JSON | {"Accept": "text/plain"}
    async with running.http.post(RUN, data=b"1", headers=headers) as answer:
        assert await answer.text() == "All workers are busy."
        assert answer.headers["Retry-After"] == "7"


async def test_names_may_hold_what_urls_escape(serve: Serve) -> None:
    """Dots, braces, letters of all scripts."""
    skills = ScriptedSkills({"team/grüße.v2{x}": echo})
    running = await serve(skills=skills)

    url = "/v1/skills/team/gr%C3%BC%C3%9Fe.v2%7Bx%7D/run"
    async with running.http.post(url, data=b"1", headers=JSON) as answer:
        assert await answer.read() == b"1"
    assert skills.callers[0].namespace == Namespace("team")


async def test_problem_types_lead_to_pages(serve: Serve) -> None:
    """The `type` of a problem can be opened in a browser."""
    running = await serve()

    async with running.http.get("/nothing") as answer:
        problem = json.loads(await answer.read())
    async with running.http.get(problem["type"]) as page:
        assert page.status == 200
        assert problem["title"] in await page.text()
