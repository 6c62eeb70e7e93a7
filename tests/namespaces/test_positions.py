import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from tomlkit.exceptions import TOMLKitError

from daemon.namespaces.positions import Path, Positions, locate

TEXT = '''# comment
title = "a # b"
[registry]  # the registry
  "base-repository" = 'x'
[[skills]]
name = "one"
[[skills]]
name = """two
lines"""
caps.memory = [1,
  2, { deep = [ ] } ]
[skills.more]
"esc\\u0061ped" = 2020-01-01 00:00:00
'''


def test_places_of_keys_and_items_are_found() -> None:
    """Through comments, strings of all kinds, lists of tables and dotted keys."""
    places = Positions(TEXT)

    assert places.of(("title",)) == (2, 1)
    assert places.of(("registry",)) == (3, 1)
    assert places.of(("registry", "base-repository")) == (4, 3)
    assert places.of(("skills", 0, "name")) == (6, 1)
    assert places.of(("skills", 1)) == (7, 1)
    assert places.of(("skills", 1, "caps", "memory", 1)) == (11, 3)
    assert places.of(("skills", 1, "caps", "memory", 2, "deep")) == (11, 8)
    assert places.of(("skills", 1, "more", "escaped")) == (13, 1)


def test_what_has_no_place_gets_that_of_its_surroundings() -> None:
    """A missing key is told at its table."""
    assert Positions(TEXT).of(("skills", 1, "missing")) == (7, 1)
    assert Positions(TEXT).of(("missing",)) == (None, None)


def paths(value: object, at: Path = ()) -> set[Path]:
    """All paths of a document."""
    found = {at} if at else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found |= paths(inner, (*at, index))
    return found


_scalars = st.integers() | st.booleans() | st.text(max_size=8) | st.floats(allow_nan=False)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), _values, max_size=4))
def test_every_path_of_a_document_has_a_place(document: dict[str, object]) -> None:
    """Whatever tomlkit writes, it can be found again."""
    try:
        text = tomlkit.dumps(document)
        parsed = tomlkit.parse(text).unwrap()
    except (TOMLKitError, ValueError):
        return  # tomlkit does not read all that it writes

    assert paths(parsed) <= set(locate(text))
