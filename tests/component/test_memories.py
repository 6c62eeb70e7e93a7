"""How much linear memory a component starts with."""

import pytest

from daemon.component.memories import initial_memories
from daemon.errors import DaemonError
from tests.components import component

PAGE = 1 << 16
NESTED = """
(component
  (core module (memory 3 5))
  (core module (func) (data "no memory"))
  (component (component (core module (memory i64 200 300)))))
"""


def test_each_memory_of_each_module_counts_wherever_it_is_nested() -> None:
    """With what it has at the start, in bytes; 32 and 64 bit alike."""
    assert initial_memories(component(NESTED)) == [3 * PAGE, 200 * PAGE]


def test_an_imported_memory_belongs_to_who_defines_it() -> None:
    """Else it would count twice."""
    importing = '(component (core module (import "libc" "memory" (memory 2))))'

    assert initial_memories(component(importing)) == []


def test_what_is_no_component_is_refused() -> None:
    """As by all who read it."""
    with pytest.raises(DaemonError, match="component"):
        initial_memories(b"nothing of the kind")
