import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from daemon.api.errors import BEFORE_THE_CALL, TABLE, kind_of_status, problem, response
from daemon.errors import DaemonError, ErrorKind


def test_every_kind_has_a_status_and_a_title() -> None:
    """A new kind can't be forgotten."""
    assert set(TABLE) == set(ErrorKind)
    assert all(400 <= meaning.status < 600 and meaning.title for meaning in TABLE.values())


def test_whatever_passes_by_itself_says_when_to_try_again() -> None:
    """503 and 429 without Retry-After make clients guess."""
    for kind, meaning in TABLE.items():
        if meaning.status in {429, 503} and kind is not ErrorKind.CSI_NOT_CONFIGURED:
            assert meaning.retry_after, kind


def test_an_error_that_knows_its_time_overrides_the_table() -> None:
    """Rounded up: too early is no use."""
    error = DaemonError(ErrorKind.OVERLOADED, "full", retry_after=2.1)

    assert problem(error, namespace=None, skill=None).retry_after == 3


def test_a_document_leaves_out_places_it_does_not_know() -> None:
    """All other members are always there."""
    found = problem(DaemonError(ErrorKind.TOKEN_MISSING, "why"), namespace=None, skill=None)

    assert found.document() == {
        "type": "/problems/token-missing",
        "code": "token-missing",
        "title": "A bearer token is needed",
        "status": 401,
        "detail": "why",
    }


def test_a_client_that_asks_for_text_gets_the_detail() -> None:
    """And every other client the document."""
    found = problem(DaemonError(ErrorKind.OVERLOADED, "full"), namespace="a", skill="b")
    text = response(make_mocked_request("GET", "/", {"Accept": "text/plain"}), found)
    document = response(make_mocked_request("GET", "/", {"Accept": "*/*"}), found)

    assert (text.text, text.content_type) == ("full", "text/plain")
    assert document.content_type == "application/problem+json"
    assert isinstance(document.body, bytes)
    assert msgspec.json.decode(document.body) == found.document()
    assert text.headers["Retry-After"] == document.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, ErrorKind.ROUTE_NOT_FOUND),
        (405, ErrorKind.METHOD_NOT_ALLOWED),
        (417, ErrorKind.MALFORMED_REQUEST),
        (500, ErrorKind.INTERNAL),
    ],
)
def test_foreign_errors_have_codes_too(status: int, kind: ErrorKind) -> None:
    """Those that the HTTP library makes."""
    assert kind_of_status(status) is kind


def test_what_a_guest_did_is_never_before_the_call() -> None:
    """Else a stream's answer would depend on timing."""
    assert not BEFORE_THE_CALL & {
        ErrorKind.SKILL_FAILED,
        ErrorKind.INVALID_INPUT,
        ErrorKind.SKILL_TRAPPED,
        ErrorKind.DEADLINE_EXCEEDED,
        ErrorKind.WORKER_LOST,
    }
