"""
`skilld index`: put files into the embedded index, take them out, list them.

The daemon may run meanwhile; its next search sees what changed. Leaves out arguments (`cli`).
Each returns an exit status.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from daemon.csi.inference.connections import open_session
from daemon.csi.interface import DocumentPath
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.csi.search.embedded.values import NewDocument
from daemon.errors import DaemonError, ErrorKind
from daemon.indexes import embedded
from daemon.settings.model import Settings

_OUT = Console()
_ERR = Console(stderr=True)
_BATCH = 50


async def add(
    settings: Settings, collection: str, files: Sequence[Path], *, metadata: str | None
) -> int:
    """
    Add *files*, those under directories too; names are paths as given.

    Each has the *metadata* (a JSON object), and over it those in `FILE.json` beside it.
    """
    common = _object(metadata, "--metadata")
    namespace, name = _collection(collection)
    wanted = [file for one in files for file in sorted(_files(one))]
    counts = {"added": 0, "replaced": 0, "unchanged": 0}
    async with _opened(settings) as index:
        with Progress(console=_ERR, transient=True) as progress:
            task = progress.add_task("adding", total=len(wanted))
            rest = iter(wanted)
            while batch := list(islice(rest, _BATCH)):
                new = await asyncio.to_thread(_read, namespace, name, batch, common)
                for change in await index.add(new):
                    counts[change] += 1
                progress.advance(task, len(batch))
    _ERR.print(", ".join(f"{count} {change}" for change, count in counts.items()))
    return 0


async def remove(settings: Settings, collection: str, names: Sequence[str]) -> int:
    """Remove documents by name; 1 if one was not there."""
    namespace, name = _collection(collection)
    async with _opened(settings) as index:
        paths = [DocumentPath(namespace, name, one) for one in names]
        removed = await index.remove(paths)
    for one, done in zip(names, removed, strict=True):
        if not done:
            _ERR.print(f"not in {collection}: {one}", highlight=False, markup=False)
    return 0 if all(removed) else 1


async def listing(settings: Settings, collection: str | None) -> int:
    """Print all collections, or the names of one's documents."""
    async with _opened(settings) as index:
        if collection is None:
            table = Table("collection", "documents", "sections")
            for one in await index.collections():
                table.add_row(f"{one.namespace}/{one.name}", str(one.documents), str(one.sections))
            _OUT.print(table)
            return 0
        after = ""
        while names := await index.names(*_collection(collection), after=after):
            _OUT.print("\n".join(names), highlight=False, markup=False)
            after = names[-1]
    return 0


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[EmbeddedIndex, None]:
    async with open_session() as session, embedded(settings, session) as index:
        if index is None:
            raise _wrong("set DOCUMENT_INDEX_URL=embedded:PATH to say where the index is")
        yield index


def _collection(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise _wrong(f"{text!r} is no collection: write NAMESPACE/COLLECTION")
    return namespace, name


def _files(path: Path) -> Iterator[Path]:
    """The file, or those below the directory that are not hidden; never a sidecar."""
    if not path.is_dir():
        if not _is_sidecar(path):  # a shell's `*` names both
            yield path
        return
    for one in path.rglob("*"):
        hidden = any(part.startswith(".") for part in one.relative_to(path).parts)
        if one.is_file() and not hidden and not _is_sidecar(one):
            yield one


def _is_sidecar(path: Path) -> bool:
    return path.suffix == ".json" and path.with_suffix("").is_file()


def _read(
    namespace: str, collection: str, files: Sequence[Path], common: dict[str, object]
) -> list[NewDocument]:
    return [
        NewDocument(
            DocumentPath(namespace, collection, file.as_posix()),
            [_text(file)],
            _metadata(file, common),
        )
        for file in files
    ]


def _metadata(file: Path, common: dict[str, object]) -> bytes | None:
    sidecar = file.with_name(f"{file.name}.json")
    own = _object(_text(sidecar), str(sidecar)) if sidecar.is_file() else {}
    merged = common | own
    return msgspec.json.encode(merged) if merged else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise _wrong(f"{file} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _wrong(f"{file} is no UTF-8 text: convert it first") from error


def _object(text: str | None, place: str) -> dict[str, object]:
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _wrong(f"{place} is no JSON object: {error}") from error


def _wrong(text: str) -> DaemonError:
    return DaemonError(ErrorKind.CONFIGURATION, text)
