from scripts.sizes import FUNCTION, MODULE, main, problems


def _function(lines: int) -> str:
    return "async def long() -> None:\n" + "    x = 1\n" * (lines - 1)


def test_a_function_that_is_too_long_is_named_with_its_place() -> None:
    """Methods and coroutines too."""
    assert list(problems("a.py", "x = 1\n" + _function(FUNCTION))) == []
    (told,) = problems("a.py", "x = 1\n" + _function(FUNCTION + 1))
    assert told == "a.py:2: long: 41 lines, at most 40: name its steps"


def test_a_module_that_is_too_long_is_named() -> None:
    """Whatever it consists of."""
    assert list(problems("a.py", "x = 1\n" * MODULE)) == []
    (told,) = problems("a.py", "x = 1\n" * (MODULE + 1))
    assert told == "a.py: 401 lines, at most 400: split it by concern"


def test_our_own_code_is_short_enough() -> None:
    """As `make lint` checks."""
    assert main() == 0
