"""What callers hear whose body is wrong."""

import msgspec
import pytest

from daemon.api.csi.body import U8, Shape, check, decode, json
from daemon.csi.interface.value import U32
from daemon.errors import DaemonError, ErrorKind


class Sized(Shape, frozen=True):
    """A shape with bounds and a rule of its own."""

    size: U32
    top: U8 = 0

    def __post_init__(self) -> None:
        if self.size == 13:
            raise ValueError("13 brings bad luck")


DECODER = msgspec.json.Decoder(list[Sized])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'[{"size":-1}]', "`int` >= 0 - at `$[0].size`"),
        (b'[{"size":4294967296}]', "at `$[0].size`"),
        (b'[{"size":1,"top":256}]', "at `$[0].top`"),
        (b'[{"size":1},{}]', "missing required field `size` - at `$[1]`"),
        (b'[{"size":13}]', "13 brings bad luck - at `$[0]`"),
    ],
)
def test_a_wrong_shape_names_its_place(body: bytes, said: str) -> None:
    """In words that help."""
    with pytest.raises(DaemonError) as raised:
        decode(body, DECODER)

    assert raised.value.kind is ErrorKind.CSI_BAD_REQUEST
    assert said in raised.value.detail


@pytest.mark.parametrize("body", [b"", b"[", b"[{'size':1}]", b'[{"\\ud800":1}]'])
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    """Lone surrogates are no text either."""
    with pytest.raises(DaemonError) as raised:
        decode(body, DECODER)

    assert raised.value.kind is ErrorKind.MALFORMED_REQUEST


def test_unknown_members_are_ignored() -> None:
    """As everywhere in the contract."""
    assert decode(b'[{"size":1,"new":[{}]}]', DECODER) == [Sized(1)]


@pytest.mark.parametrize(
    ("text", "value"), [(b"", None), (b"null", None), (b'{"a":1}', b'{"a":1}')]
)
def test_a_json_value_is_its_text(text: bytes, value: bytes | None) -> None:
    """Null means absent."""
    assert json(msgspec.Raw(text)) == value


@pytest.mark.parametrize("text", [b'"\xff"', b'"\\ud800"'])
def test_a_value_that_passes_through_is_unicode(text: bytes) -> None:
    """So nobody behind us stumbles over it."""
    with pytest.raises(ValueError, match="Not a JSON value"):
        check(msgspec.Raw(text))
