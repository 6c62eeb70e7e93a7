"""
What the rows share: Skills, a build cache that was filled once, and daemons that start from it.

Everything lives in one temporary directory, and is made when the first row asks for it. Leaves
out what is measured (`rows/`).
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.build_cache.key import Variant
from daemon.build_cache.precompiler import Precompiler
from daemon.build_cache.store import Store
from daemon.names import Digest
from daemon.skill import Artifact
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import wanting
from tests.sdk_variants import variant

ROOT = Path(__file__).resolve().parent.parent
TOPIC = b'{"topic": "you"}'
MANY = 20
_BIG = 1 << 20
_CHILD_STARTS = 1.0  # seconds, ample, until the spare compile child waits: deploys are rarer


class MissingError(Exception):
    """Something must be made or installed first; the text says how."""


@dataclass(slots=True)
class Compiles:
    """Seconds that compiling took. Owned by the stage."""

    first: float = 0.0
    whole: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)


class Stage:
    """Where the rows play. Owned by `__main__`."""

    def __init__(self, root: Path, *, quick: bool) -> None:
        """*root* is an empty directory. *quick*: fewer and shorter rounds."""
        self.quick = quick
        self.root = root
        self.hello = ROOT / "skill_build_cache" / "sdk" / "hello.wasm"
        if not self.hello.exists():
            raise MissingError(f"{self.hello.relative_to(ROOT)} is missing: run `make bench`")
        self._origin = root / "origin"
        self._compiles: Compiles | None = None
        self._many: Path | None = None
        self._daemons = 0

    def rounds(self, full: int, quick: int) -> range:
        """How often to repeat a measurement."""
        return range(quick if self.quick else full)

    def variant(self, number: int) -> Path:
        """Return the component of a further Python Skill, the same for the same number."""
        path = self.root / "variants" / f"hello-{number}.wasm"
        if path.exists():
            return path
        path.parent.mkdir(exist_ok=True)
        return variant(self.hello, number, into=path.parent)

    # Compiling --------------------------------------------------------------------------------

    def compiles(self) -> Compiles:
        """Compile `hello` both ways and some variants, once, and return how long that took."""
        if self._compiles is None:
            self._compiles = asyncio.run(self._compile())
        return self._compiles

    async def _compile(self) -> Compiles:
        seconds = Compiles()
        async with self.precompiler(self._origin) as (store, precompiler):
            seconds.first = await _timed(store, precompiler, self.hello, variant="split")
            for number in self.rounds(2, 1):
                component = self.variant(9000 + number) if number else self.hello
                seconds.whole.append(await _timed(store, precompiler, component, variant="whole"))
                for second in (1, 2, 3):
                    component = self.variant(9100 + 10 * number + second)
                    took = await _timed(store, precompiler, component, variant="split")
                    seconds.second.append(took)
        return seconds

    @contextlib.asynccontextmanager
    async def precompiler(self, root: Path) -> AsyncIterator[tuple[Store, Precompiler]]:
        """A precompiler as the daemon has it, with its spare child started."""
        store = Store(root)
        store.open()
        precompiler = Precompiler(store, observe=lambda *_: None)
        await precompiler.warm_up()
        try:
            yield store, precompiler
        finally:
            await precompiler.close()
            store.close()

    # Daemons ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def daemon(self, cache: Path | None = None, **settings: Any) -> Iterator[Daemon]:
        """
        A daemon whose cache starts as a copy of *cache*: by default one that knows `hello`.

        In a cache that knows nothing, the first Python Skill costs its ten seconds.
        """
        if cache is None:
            self.compiles()
            cache = self._origin
        self._daemons += 1
        root = self.root / f"daemon-{self._daemons}"
        copied(cache, root / "cache")
        with running(root, **settings) as daemon:
            yield daemon

    @contextlib.contextmanager
    def serving_hello(self, **settings: Any) -> Iterator[Daemon]:
        """A daemon that serves `team/hello`, compiled whole, and is at rest."""
        with self.daemon(PRECOMPILE="whole", **settings) as daemon:
            daemon.write(wanting("hello", path=self.hello.parent))
            daemon.answers("team/hello", {"text": "Hello you"}, to={"topic": "you"}, within=60)
            yield daemon

    def many(self) -> Path:
        """Return a directory of 20 Python Skills in `skills/`, and a `cache/` of them compiled."""
        if self._many is not None:
            return self._many
        root = self.root / "many"
        (root / "skills").mkdir(parents=True)
        for number in range(1, MANY + 1):
            os.link(self.variant(number), root / "skills" / f"hello-{number}.wasm")
        self.compiles()
        copied(self._origin, root / "cache")
        asyncio.run(self._compile_many(root))
        self._many = root
        return root

    async def _compile_many(self, root: Path) -> None:
        async with self.precompiler(root / "cache") as (store, precompiler):
            for number in range(1, MANY + 1):
                component = self.variant(number)
                kept = _kept(store, component)
                await precompiler.prepare(digest_of(component), kept, variant="split")


async def _timed(
    store: Store, precompiler: Precompiler, component: Path, *, variant: Variant
) -> float:
    """Compile, and return the seconds it took."""
    digest, kept = digest_of(component), _kept(store, component)
    await asyncio.sleep(_CHILD_STARTS)
    start = time.perf_counter()
    await precompiler.prepare(digest, kept, variant=variant)
    return time.perf_counter() - start


def _kept(store: Store, component: Path) -> Path:
    """Put a component into the cache, as if it had been pulled."""
    digest = digest_of(component)
    found = store.component(digest)
    if found is not None:
        return found
    pulled = store.component_destination(digest)
    shutil.copyfile(component, pulled)
    return store.adopt_component(digest, pulled)


async def compiled(stage: Stage, component: Path) -> Artifact:
    """Compile one component into a cache of its own."""
    async with stage.precompiler(stage.root / f"{component.stem}-cache") as (_, precompiler):
        return await precompiler.prepare(digest_of(component), component, variant="whole")


def digest_of(component: Path) -> Digest:
    """Return the digest that a directory registry gives a component."""
    with component.open("rb") as file:
        return Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")


def copied(cache: Path, to: Path) -> None:
    """Copy a build cache, without what a daemon served: big files, never written to, as links."""

    def copy(source: str, target: str) -> None:
        (os.link if Path(source).stat().st_size > _BIG else shutil.copyfile)(source, target)

    shutil.copytree(
        cache,
        to,
        copy_function=copy,
        ignore=shutil.ignore_patterns("state", "claims"),
    )


def hello(number: int) -> dict[str, str]:
    """What a variant answers to `TOPIC`."""
    return {"text": f"Hello you from variant-{number:05}"}


def put(component: Path, at: Path) -> None:
    """Put a component into a directory registry at once, as a careful publisher does."""
    temporary = at.with_suffix(".new")
    shutil.copyfile(component, temporary)
    temporary.replace(at)
