"""
`make bench`: measure what the README claims; print one table, write it as JSON.

Every row is a ratio to a baseline measured in the same run, in rounds that take turns, or an
absolute number where a target is one. Exits 1 if a target is missed, 2 if a row can't be measured
here. Leaves out the measuring (`rows/`).
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.row import Row
from bench.rows import calls, compiling, deploys, hosting, many, small, texts, updating
from bench.stage import ROOT, MissingError, Stage

ROWS: dict[str, Callable[[Stage], Row]] = {
    "throughput": calls.throughput,
    "latency": calls.latency,
    "compile": compiling.second_compile,
    "first-request": deploys.first_request,
    "deploy": deploys.edit_to_answer,
    "restart": many.restart,
    "memory": many.memory,
    "updates": updating.updates,
    "payload": small.payload,
    "tiny": small.tiny,
    "host-call": hosting.host_call,
    "first-token": hosting.first_token,
    "waiting": hosting.waiting,
    "chunking": texts.chunking,
    "search": texts.search,
    "hybrid-search": texts.hybrid_search,
}
_VERDICT = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def main() -> int:
    """Measure the rows that were asked for."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        rows, missing = _measured(arguments.rows or list(ROWS), quick=arguments.quick)
    except MissingError as error:  # of what all rows need
        print(f"error: {error}", file=sys.stderr)
        return 2
    console.print(_table(rows))
    _write(arguments.json, rows)
    print(f"written to {arguments.json}", file=sys.stderr)
    for name, reason in missing.items():
        print(f"not measured: {name}: {reason}", file=sys.stderr)
    if any(row.met is False for row in rows):
        return 1
    return 2 if missing else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure skilld.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="fewer, shorter rounds")
    default = ROOT / "bench" / "results" / "latest.json"
    parser.add_argument("--json", type=Path, default=default, help="where to write the numbers")
    found = parser.parse_args()
    if unknown := [name for name in found.rows if name not in ROWS]:
        parser.error(f"no row {unknown[0]!r}; choose from {', '.join(ROWS)}")
    return found


def _measured(names: Sequence[str], *, quick: bool) -> tuple[list[Row], dict[str, str]]:
    """Return the rows, and why others can't be measured here."""
    rows: list[Row] = []
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="skilld-bench-") as root:
        stage = Stage(Path(root), quick=quick)
        for name in names:
            start = time.monotonic()
            print(f"measuring {name} …", end=" ", file=sys.stderr, flush=True)
            try:
                rows.append(ROWS[name](stage))
            except MissingError as error:
                missing[name] = str(error)
            print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    return rows, missing


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="skilld bench", show_lines=True)
    for column in ("what", "baseline", "target", "result", "", "measured"):
        table.add_column(column, overflow="fold")
    for row in rows:
        result = f"{row.value:.2f} {row.unit}".strip()
        table.add_row(
            f"[bold]{row.name}[/]\n{row.what}",
            row.baseline,
            f"{row.bound} {row.unit}".strip(),
            result,
            _VERDICT[row.met],
            row.measured,
        )
    return table


def _write(path: Path, rows: Sequence[Row]) -> None:
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
        },
        "rows": [_as_json(row) for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _as_json(row: Row) -> dict[str, Any]:
    return {**asdict(row), "met": row.met}


if __name__ == "__main__":
    sys.exit(main())
