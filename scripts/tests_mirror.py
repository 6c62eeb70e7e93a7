"""
Check that tests mirror what they test: `daemon/a/b.py` has `tests/a/test_b.py`, and the other way.

So nobody searches for the tests of a module, and no module goes without, but for those that only
declare (Protocols, dataclasses, constants). Leaves out whether those tests are any good.
"""

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Tests of the whole, without a module of their own.
FREE_FOLDERS = frozenset({"bench", "docs", "e2e", "poison", "skills", "wit"})
# Modules that have nothing to test alone, with where they are tested.
ELSEWHERE: dict[str, str] = {
    "daemon/__main__.py": "every test that starts a daemon",
}


def problems(modules: Iterable[str], tests: Iterable[str]) -> list[str]:
    """What is missing or left over; all paths relative to the repository."""
    wanted = {expected_test(module): module for module in modules if module not in ELSEWHERE}
    found = {test for test in tests if Path(test).parts[1] not in FREE_FOLDERS}
    missing = [
        f"{module}: {test} is missing" for test, module in wanted.items() if test not in found
    ]
    orphans = [f"{test}: tests no module of this name" for test in found - wanted.keys()]
    return sorted(missing + orphans)


def expected_test(module: str) -> str:
    """`daemon/a/b.py` -> `tests/a/test_b.py`; `scripts/b.py` -> `tests/scripts/test_b.py`."""
    folder, name = Path(module).parent, Path(module).name
    below = folder.relative_to("daemon") if folder.parts[0] == "daemon" else folder
    return str(Path("tests", below, f"test_{name}"))


def only_declares(source: str) -> bool:
    """Whether no function in *source* has a body to speak of."""
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return all(
        isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant)
        for function in functions
        for step in function.body
    )


def main() -> int:
    folders = (ROOT / name for name in ("daemon", "scripts", "tests"))
    files = [path.relative_to(ROOT) for folder in folders for path in folder.rglob("*.py")]
    tests = [str(path) for path in files if path.name.startswith("test_")]
    code = [path for path in files if path.parts[0] != "tests" and path.name != "__init__.py"]
    tested = {expected_test(str(path)) for path in code} & set(tests)
    code = [
        path
        for path in code
        if expected_test(str(path)) in tested or not only_declares((ROOT / path).read_text())
    ]
    found = problems(map(str, code), tests)
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
