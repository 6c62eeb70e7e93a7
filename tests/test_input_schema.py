"""Inputs against the schemas that Skills declare."""

import logging
from typing import Any

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.input_schema import InputSchemas
from daemon.names import Digest

ONE = Digest("sha256:" + "1" * 64)
TWO = Digest("sha256:" + "2" * 64)
TOPIC = {"type": "object", "required": ["topic"], "properties": {"topic": {"type": "string"}}}


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
        (b'{"topic": 1}', "at $.topic: 1 is not of type 'string'"),
        (b"{}", "at $: 'topic' is a required property"),
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
    "schema", [{"$ref": "http://127.0.0.1:9/schema.json"}, {"$ref": "#"}, {"$ref": "#/nowhere"}]
)
def test_unusable_schema_lets_the_input_pass(schema: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is fetched, nothing recurses for ever; the log tells."""
    with caplog.at_level(logging.WARNING):
        check(b"1", schema)
    assert "can't be used" in caplog.text
