"""Inputs against the schemas that Skills declare."""

import logging
from typing import Any

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.input_schema import InputSchemas
from daemon.names import Digest

ONE = Digest("sha256:" + "1" * 64)
TWO = Digest("sha256:" + "2" * 64)
ROWS = {"items": {"properties": {"n": {"minimum": 0}}}}
TOPIC = {
    "type": "object",
    "required": ["topic"],
    "properties": {"topic": {"type": "string"}, "rows": ROWS},
}


def check(body: bytes, schema: Any, digest: Digest = ONE) -> None:
    """Check with a fresh cache."""
    InputSchemas().check(body, digest=digest, schema=schema)


@pytest.mark.parametrize("schema", [TOPIC, None, True, {}])
def test_fitting_input_passes(schema: Any) -> None:
    """No schema fits everything."""
    check(b'{"topic": "x"}', schema)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"topic": 1}', 'at $.topic: the value is not of type "string"'),
        (b"{}", 'at $: "topic" is a required property'),
        (b'{"topic": "x", "rows": [1, {"n": 2}, {"n": -3}]}', "at $.rows[2].n: the value is less"),
    ],
)
def test_violation_is_named_with_its_place(body: bytes, words: str) -> None:
    """So that a caller can mend it."""
    with pytest.raises(DaemonError) as caught:
        check(body, TOPIC)
    assert caught.value.kind is ErrorKind.INPUT_VIOLATES_SCHEMA
    assert words in caught.value.detail


def test_schemas_are_told_apart_by_digest() -> None:
    """Each is compiled once."""
    schemas = InputSchemas()
    schemas.check(b"1", digest=ONE, schema={"type": "integer"})
    schemas.check(b'"x"', digest=TWO, schema={"type": "string"})
    schemas.check(b"2", digest=ONE, schema={"never": "looked at again"})
    with pytest.raises(DaemonError):
        schemas.check(b'"x"', digest=ONE, schema={"type": "integer"})


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "http://127.0.0.1:9/schema.json"}, {"$ref": "#/nowhere"}, {"$schema": "urn:mine"}],
)
def test_unusable_schema_lets_the_input_pass(schema: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is fetched; the log tells, once."""
    schemas = InputSchemas()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            schemas.check(b"1", digest=ONE, schema=schema)
    assert caplog.text.count("can't be used") == 1


def test_schema_that_means_itself_says_nothing() -> None:
    """And does not recurse for ever."""
    check(b"1", {"$ref": "#"})


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a+)+$(?=b)", r"^(a|aa)+\1$"])
def test_no_pattern_keeps_the_others_waiting(pattern: str) -> None:
    """Python's own `re` would match these for years; all requests share one thread."""
    with pytest.raises(DaemonError, match="violates"):
        check(b'"' + b"a" * 50 + b'!"', {"pattern": pattern})


def test_a_violation_does_not_repeat_the_input() -> None:
    """It may be long, and secret."""
    with pytest.raises(DaemonError) as caught:
        check(b'{"topic": ["secret", ' + b"1," * 100_000 + b"1]}", TOPIC)
    assert len(caught.value.detail) < 200
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize("schema", [{"items": {"$ref": "#"}, "type": "array"}, {"enum": [[1]]}])
def test_nesting_is_no_way_around_the_check(schema: Any) -> None:
    """As deep as JSON may be here."""
    with pytest.raises(DaemonError) as caught:
        check(b"[" * 900 + b"1" + b"]" * 900, schema)
    assert caught.value.kind is ErrorKind.INPUT_VIOLATES_SCHEMA
