"""
Check that functions and modules stay short enough to be read at a glance.

No linter of ours counts lines. Leaves out tests, whose tables and scripts are long for a reason.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTION, MODULE = 40, 400  # lines, signature and docstring included


def problems(name: str, source: str) -> Iterator[str]:
    """What is too long in a module."""
    if (lines := len(source.splitlines())) > MODULE:
        yield f"{name}: {lines} lines, at most {MODULE}: split it by concern"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION:
                place = f"{name}:{node.lineno}: {node.name}"
                yield f"{place}: {lines} lines, at most {FUNCTION}: name its steps"


def main() -> int:
    files = [path for folder in ("daemon", "scripts") for path in (ROOT / folder).rglob("*.py")]
    found = [
        problem
        for path in sorted(files)
        for problem in problems(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
