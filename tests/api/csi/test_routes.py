"""The CSI's routes on a real server: who may call, what is passed on, what errors look like."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from daemon.api.csi.routes import ROUTES
from daemon.api.ports import Options
from daemon.csi import interface as csi
from daemon.csi.unconfigured import UnconfiguredDocumentIndex, UnconfiguredInference
from daemon.errors import DaemonError, ErrorKind
from tests.api.conftest import Running, Serve
from tests.fakes_api import TokenList
from tests.fakes_csi import Archive, Oracle, drivers
from tests.waiting import until

COMPLETION = {
    "prompt": "Hi",
    "model": "m",
    "params": {"return_special_tokens": False, "stop": [], "logprobs": "no"},
}
CHAT = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "params": {"logprobs": "no"},
}
PATH = {"namespace": "library", "collection": "letters", "name": "1842"}
# Deeper than any version of Python lets C code go.
DEEP = 20_000


async def post(running: Running, path: str, body: Any, **options: Any) -> tuple[int, Any]:
    """Status and JSON."""
    async with running.http.post(path, json=body, **options) as answer:
        return answer.status, await answer.json(content_type=None)


def test_each_version_has_thirteen_functions() -> None:
    """And the legacy interface one route."""
    paths = [path for method, path, _ in ROUTES if method == "POST"]

    assert len(set(paths)) == len(ROUTES) == 27
    assert sum(path.startswith("/csi/v1/") for path in paths) == 13
    assert sum(path.startswith("/csi/v2/") for path in paths) == 13


@pytest.mark.parametrize("path", [path for _, path, _ in ROUTES])
async def test_every_function_needs_the_token(serve: Serve, path: str) -> None:
    """Where authorization is on."""
    running = await serve(authorizer=TokenList("good"))

    status, problem = await post(running, path, [])

    assert (status, problem["code"]) == (401, "token-missing")


@pytest.mark.parametrize("path", [path for _, path, _ in ROUTES])
@pytest.mark.parametrize(("body", "status"), [(b"!", 400), (b"", 400), (b"7", 422)])
async def test_a_broken_body_is_the_callers_mistake(
    serve: Serve, path: str, body: bytes, status: int
) -> None:
    """Never the server's."""
    running = await serve()

    headers = {"Content-Type": "application/json"}
    async with running.http.post(path, data=body, headers=headers) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("value", ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP])
@pytest.mark.parametrize("member", ["value", "unknown"])
async def test_a_body_nested_without_end_is_refused(serve: Serve, value: str, member: str) -> None:
    """It may not exhaust the stack."""
    running = await serve(csi=drivers())

    argument = f'{{"name":"a","value":1,"{member}":{value}}}'
    call = f'{{"name":"add","arguments":[{argument}]}}'
    body = f'{{"namespace":"test-beta","requests":[{call}]}}'
    headers = {"Content-Type": "application/json"}
    async with running.http.post("/csi/v1/invoke_tool", data=body, headers=headers) as answer:
        problem = await answer.json(content_type=None)

    assert (answer.status, problem["code"]) == (400, "malformed-request")


async def test_a_wrong_shape_is_told_with_its_place(serve: Serve) -> None:
    """So that it can be found in a long list."""
    running = await serve(csi=drivers())

    wrong = {**CHAT, "messages": [{"role": "user"}]}
    status, problem = await post(running, "/csi/v1/chat", [CHAT, wrong])

    assert (status, problem["code"]) == (422, "csi-bad-request")
    assert "`content` - at `$[1].messages[0]`" in problem["detail"]


async def test_a_batch_is_answered_in_order(serve: Serve) -> None:
    """An empty one by an empty list."""
    running = await serve(csi=drivers())

    prompts = [COMPLETION | {"prompt": prompt} for prompt in ("a", "b", "c")]
    status, answers = await post(running, "/csi/v2/complete", prompts)

    assert status == 200
    assert [answer["text"] for answer in answers] == ["a", "b", "c"]
    assert await post(running, "/csi/v2/complete", []) == (200, [])


async def test_token_and_trace_reach_the_driver(serve: Serve) -> None:
    """Without a namespace: a developer has none."""
    oracle = Oracle()
    running = await serve(csi=drivers(oracle), authorizer=TokenList("good"))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    headers = {"Authorization": "Bearer good", "traceparent": trace}
    await post(running, "/csi/v1/chat", [CHAT], headers=headers)

    (caller,) = oracle.callers
    assert (caller.token, caller.namespace) == ("good", None)
    assert ("traceparent", trace) in caller.trace


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (ErrorKind.CSI_BAD_REQUEST, 422),
        (ErrorKind.CSI_UNKNOWN_MODEL, 422),
        (ErrorKind.CSI_UNAUTHORIZED, 403),
        (ErrorKind.CSI_RATE_LIMITED, 429),
        (ErrorKind.CSI_UPSTREAM, 502),
        (ErrorKind.CSI_NOT_CONFIGURED, 503),
        (ErrorKind.CSI_TIMEOUT, 504),
    ],
)
async def test_failures_of_backends_keep_their_kind(
    serve: Serve, kind: ErrorKind, status: int
) -> None:
    """As status and as code."""
    error = DaemonError(kind, "because", retry_after=7 if status == 429 else None)
    running = await serve(csi=drivers(Oracle(error=error)))

    async with running.http.post("/csi/v1/chat", json=[CHAT, CHAT]) as answer:
        problem = await answer.json(content_type=None)

    assert (answer.status, problem["code"]) == (status, kind.value)
    assert problem["detail"] == "because"
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)


async def test_a_caller_that_leaves_ends_the_call(serve: Serve) -> None:
    """What nobody waits for costs no more tokens."""
    oracle = Oracle(hang=True)
    running = await serve(csi=drivers(oracle))

    call = asyncio.ensure_future(post(running, "/csi/v1/chat", [CHAT]))
    await until(lambda: bool(oracle.asked))
    call.cancel()

    await asyncio.wait_for(oracle.closed.wait(), 5)
    await asyncio.wait({call})


async def test_text_that_is_not_unicode_is_the_backends_failure(serve: Serve) -> None:
    """A lone surrogate can't be sent."""
    oracle = Oracle(answer=csi.AssistantMessage("\ud800"))
    running = await serve(csi=drivers(oracle))

    status, problem = await post(running, "/csi/v1/chat", [CHAT])

    assert (status, problem["code"]) == (502, "csi-upstream")


async def test_what_is_not_configured_says_so(serve: Serve) -> None:
    """With the setting that is missing."""
    running = await serve(
        csi=replace(
            drivers(),
            inference=UnconfiguredInference(),
            document_index=UnconfiguredDocumentIndex(),
        )
    )

    for path, body in (("complete", [COMPLETION]), ("documents", [PATH])):
        status, problem = await post(running, f"/csi/v1/{path}", body)
        assert (status, problem["code"]) == (503, "csi-not-configured")
        assert "_URL" in problem["detail"]


# Tools --------------------------------------------------------------------------------------


async def test_tools_are_those_of_the_namespace_named(serve: Serve) -> None:
    """In the order and the words of the contract."""
    running = await serve(csi=drivers())
    arguments = [{"name": "a", "value": 1}, {"name": "b", "value": 2}]
    calls = [{"name": "add", "arguments": arguments}, {"name": "saboteur", "arguments": []}]

    _, listed = await post(running, "/csi/v1/list_tools", {"namespace": "test-beta"})
    body = {"namespace": "test-beta", "requests": calls}
    status, results = await post(running, "/csi/v2/invoke_tool", body)

    assert [tool["name"] for tool in listed] == ["add", "saboteur", "subtract"]
    assert list(listed[0]) == ["name", "description", "input_schema"]
    assert status == 200
    assert results == [[{"type": "text", "text": "3"}], "Out of cheese."]


@pytest.mark.parametrize(("namespace", "status"), [("elsewhere", 404), ("Not A Name", 422)])
async def test_a_namespace_that_is_not_there_has_no_tools(
    serve: Serve, namespace: str, status: int
) -> None:
    """That is a caller's mistake, not a failure."""
    running = await serve(csi=drivers())

    for function in ("list_tools", "invoke_tool"):
        body = {"namespace": namespace, "requests": []}
        answer, problem = await post(running, f"/csi/v1/{function}", body)
        assert answer == status
        assert namespace in problem["detail"]


@pytest.mark.parametrize(
    ("opened", "status"), [(("*",), 200), (("test-beta",), 200), (("dev",), 403), ((), 403)]
)
async def test_tools_are_open_to_callers_where_the_operator_says_so(
    serve: Serve, opened: tuple[str, ...], status: int
) -> None:
    """Listing and calling alike; their Skills may always use them."""
    running = await serve(options=Options(csi_tools=opened), csi=drivers())

    for function in ("list_tools", "invoke_tool"):
        body = {"namespace": "test-beta", "requests": []}
        answer, problem = await post(running, f"/csi/v2/{function}", body)
        assert answer == status
        assert status == 200 or "CSI_TOOLS" in problem["detail"]


# Documents ----------------------------------------------------------------------------------


async def test_metadata_passes_through_as_it_is(serve: Serve) -> None:
    """Null where a document has none."""
    running = await serve(csi=drivers(archive=Archive()))
    bare = await serve(csi=drivers(archive=Archive(metadata_text=None)))

    async with running.http.post("/csi/v1/document_metadata", json=[PATH]) as answer:
        assert await answer.text() == '[{"b":1,"a":[1.50,null]}]'
    assert await post(bare, "/csi/v1/document_metadata", [PATH]) == (200, [None])
