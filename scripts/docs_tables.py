"""
Write what the code knows best into `docs/`: settings, errors, metrics, commands, layers.

    python scripts/docs_tables.py

Each stands between `<!-- table: NAME -->` and `<!-- end -->`; a test compares them with the code.
Leaves out all prose.
"""

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from prometheus_client import Counter, Histogram

from daemon.api.errors import TABLE
from daemon.cli import main as skilld
from daemon.observability.metrics import Metrics
from daemon.readings import readings
from daemon.settings import parse
from daemon.settings.load import describe
from daemon.settings.model import FIELDS, Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_PLACE = re.compile(r"(<!-- table: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings() -> str:
    """Name, default and meaning of each setting."""
    rows = []
    for name, shown, meaning in describe(Settings()):
        also = FIELDS[name.lower()].metadata["also"]
        aliases = f" Also {', '.join(f'`{one}`' for one in also)}." if also else ""
        rows.append((f"`{name}`", _default(name.lower(), shown), meaning + aliases))
    return _table(("Setting", "Default", "Meaning"), rows)


def _default(name: str, shown: str) -> str:
    if name == "workers":
        return "one per core"
    parser, default = FIELDS[name].metadata["parse"], FIELDS[name].default
    if parser in {parse.size, parse.budget} and isinstance(default, int):
        return f"`{_size(default)}`"
    return f"`{shown.lower() if parser is parse.boolean else shown}`" if shown else ""


def _size(number: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number % 1024:
            return f"{number}{unit}"
        number //= 1024
    return f"{number}GiB"


def errors() -> str:
    """Code, status, `Retry-After` and title of each error."""
    rows = (
        (f"`{kind.value}`", str(one.status), str(one.retry_after or ""), one.title)
        for kind, one in TABLE.items()
    )
    return _table(("Code", "Status", "Retry-After", "Title"), rows)


def metrics() -> str:
    """Name, type, labels and meaning of each metric."""
    return _table(("Metric", "Type", "Labels", "Meaning"), _metrics())


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    for one in vars(Metrics()).values():
        if isinstance(one, Counter | Histogram):
            labels = ", ".join(one._labelnames)  # the library has no public way to ask
            for family in one.describe():
                yield _metric(family.name, family.type, labels, family.documentation)
    # The numbers are read later: their names are known without anybody to read them from.
    absent: dict[str, Any] = dict.fromkeys(inspect.signature(readings).parameters)
    for reading in readings(**absent):
        kind = "counter" if reading.counter else "gauge"
        yield _metric(reading.name, kind, reading.label or "", reading.help)


def _metric(name: str, kind: str, labels: str, meaning: str) -> tuple[str, str, str, str]:
    suffix = "_total" if kind == "counter" else ""
    return f"`{name}{suffix}`", kind, labels, meaning


def commands() -> str:
    """Each command with its arguments and its first sentence."""
    return _table(("Command", "What it does"), _commands(skilld, "skilld"))


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix} {name}")
            continue
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        words = [prefix, name, *(str(one.metavar or (one.name or "").upper()) for one in arguments)]
        meaning = (command.help or "").strip().split("\n\n")[0].replace("\n", " ")
        yield f"`{' '.join(words)}`", meaning


def layers() -> str:
    """The layers of the package, from the contract that `make lint` checks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = project["tool"]["importlinter"]["contracts"][0]["layers"]
    return "".join(f"{line}\n" for line in ("```", *lines, "```"))


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "errors": errors,
    "metrics": metrics,
    "commands": commands,
    "layers": layers,
}


def filled(text: str) -> str:
    """Return *text* with each table as the code has it now. KeyError for an unknown table."""
    return _PLACE.sub(lambda found: f"{found[1]}{TABLES[found['name']]()}{found[3]}", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(_escaped(cell) for cell in line)} |\n" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def main() -> int:
    for file in sorted(DOCS.glob("*.md")):
        text = file.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            file.write_text(new, encoding="utf-8")
            print(f"wrote {file.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
