import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.names import Namespace
from daemon.namespaces.operator import WatchedDirectory, parse_operators
from daemon.reconcile.loader import Loaded, Loader, scan
from daemon.reconcile.remote import Remotes
from daemon.skill import RegistryRef, SkillSpec
from tests.fakes_reconcile import FakeStore
from tests.reconcile.conftest import path, until
from tests.reconcile.syncers import commit, git, repository, swap, write

ONE = 'skills = [{ name = "a", tag = "v1" }]'
TWO = 'skills = [{ name = "a", tag = "v2" }]'
TEAM = Namespace("team")


class Loaders:
    """Makes loaders on one root and one store, as restarts do."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "root"
        self.store = FakeStore(tmp_path / "cache")
        self._open: list[Loader] = []

    def make(self, operators: dict[str, object] | None = None) -> Loader:
        """A new one, with these tables in the settings."""
        parsed, problems = parse_operators(operators or {})
        assert problems == ()
        loader = Loader(
            self.root,
            store=self.store,
            operators=parsed,
            registry=RegistryRef(host="registry.example.org"),
            remotes=Remotes(interval=0.0),
        )
        self._open.append(loader)
        return loader

    async def close(self) -> None:
        """Close them all."""
        for loader in self._open:
            await loader.close()


@pytest.fixture
async def loaders(tmp_path: Path) -> AsyncIterator[Loaders]:
    """On an empty place."""
    made = Loaders(tmp_path)
    yield made
    await made.close()


def tags(loaded: Loaded) -> dict[str, str]:
    """Path to tag."""
    return {
        str(p): spec.tag for p, spec in loaded.desired.skills.items() if isinstance(spec, SkillSpec)
    }


async def test_a_git_pull_changes_the_wish_and_its_revision(
    loaders: Loaders, tmp_path: Path
) -> None:
    """The commit is the revision."""
    upstream = tmp_path / "upstream"
    repository(upstream, ONE)
    git(tmp_path, "clone", "-q", str(upstream), str(loaders.root))
    loader = loaders.make()
    assert tags(await loader.load()) == {"team/a": "v1"}

    write(upstream, TWO)
    sha = commit(upstream)
    git(loaders.root, "pull", "-q")

    loaded = await loader.load()
    assert tags(loaded) == {"team/a": "v2"}
    assert loaded.sources[TEAM].revision == sha


async def test_a_swapped_link_changes_the_wish(loaders: Loaders, tmp_path: Path) -> None:
    """git-sync names its trees by commit."""
    shas = ["a" * 40, "b" * 40]
    swap(loaders.root, tmp_path / shas[0], ONE)
    loader = loaders.make()
    await loader.load()

    swap(loaders.root, tmp_path / shas[1], TWO)

    loaded = await loader.load()
    assert tags(loaded) == {"team/a": "v2"}
    assert loaded.sources[TEAM].revision == shas[1]


async def test_the_last_good_wish_outlives_a_restart(loaders: Loaders) -> None:
    """And a file that is broken by then."""
    write(loaders.root, ONE)
    await loaders.make().load()
    write(loaders.root, "skills = [")

    loaded = await loaders.make().load()

    assert tags(loaded) == {"team/a": "v1"}
    assert loaded.sources[TEAM].rejected
    assert loaded.sources[TEAM].problems[0].line == 1


async def test_a_thousand_mistakes_are_told_as_the_first_hundred(loaders: Loaders) -> None:
    """They stand in every answer about the namespace."""
    write(loaders.root, "skills = [\n" + "{ name = 'a' },\n" * 1001 + "]")

    loaded = await loaders.make().load()

    *shown, last = loaded.sources[TEAM].problems
    assert len(shown) == 100
    assert last.message.startswith("900 more problems")


async def test_a_file_that_never_rests_keeps_its_last_good_wish(loaders: Loaders) -> None:
    """And says so; its neighbours' edits take effect."""
    write(loaders.root, ONE)
    write(loaders.root, ONE, namespace="restless")
    loader = loaders.make()
    await loader.load()
    file = (loaders.root / "restless" / "namespace.toml").open("a", buffering=1)
    stop = asyncio.Event()

    async def scribble() -> None:
        while not stop.is_set():
            file.write("# more\n")
            await asyncio.sleep(0)

    scribbler = asyncio.ensure_future(scribble())
    write(loaders.root, TWO)

    loaded = await loader.load()

    assert tags(loaded) == {"team/a": "v2", "restless/a": "v1"}
    failure = loaded.sources[Namespace("restless")].failure
    assert failure is not None
    assert "changes all the time" in failure.message
    assert loaded.complete
    stop.set()
    await scribbler
    file.close()
    assert (await loader.load()).sources[Namespace("restless")].failure is None


def test_nothing_is_complete_before_the_root_came_to_rest() -> None:
    """While git writes the first checkout, what is missing may still come."""
    assert Loaded().complete
    assert not Loaded(root_read=False).complete


async def test_an_unchanged_file_is_the_same_wish(loaders: Loaders) -> None:
    """A pass over thousands of Skills that nobody edited costs nothing."""
    write(loaders.root, ONE)
    loader = loaders.make({"dev": {"skills": [{"name": "b"}]}})
    first = await loader.load()

    second = await loader.load()

    for name, wish in first.desired.wishes.items():
        assert second.desired.wishes[name] is wish


async def test_what_is_gone_is_forgotten(loaders: Loaders) -> None:
    """Its text is not kept, and is a new wish when it is back."""
    write(loaders.root, ONE)
    write(loaders.root, ONE, namespace="other")
    loader = loaders.make()
    await loader.load()
    shutil.rmtree(loaders.root / "other")
    assert tags(await loader.load()) == {"team/a": "v1"}

    write(loaders.root, ONE, namespace="other")

    assert tags(await loader.load()) == {"team/a": "v1", "other/a": "v1"}


async def test_a_large_file_does_not_keep_the_loop_from_its_work(loaders: Loaders) -> None:
    """Calls are answered while it is parsed."""
    write(
        loaders.root, "skills = [\n" + "".join(f"{{ name = 'a{i}' }},\n" for i in range(5000)) + "]"
    )
    loading = asyncio.ensure_future(loaders.make().load())
    turns = 0
    while not loading.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert len((await loading).desired.skills) == 5000
    assert turns > 20


async def test_a_damaged_memory_is_left_aside(loaders: Loaders) -> None:
    """What is read from the root is enough."""
    loaders.store.write_state("wishes.json", b"{ not json")
    write(loaders.root, ONE)

    assert tags(await loaders.make().load()) == {"team/a": "v1"}


async def test_a_watched_directory_offers_its_components(loaders: Loaders, tmp_path: Path) -> None:
    """Only `*.wasm` files, under their full stems."""
    skills = tmp_path / "skills"
    skills.mkdir()
    for name in ("a.wasm", "b.v2.wasm", "README.md", ".hidden.wasm", "c d.wasm"):
        (skills / name).write_bytes(b"")
    (skills / "dir.wasm").mkdir()

    loaded = await loaders.make({"dev": {"directory": str(skills)}}).load()

    assert tags(loaded) == {"dev/a": "latest", "dev/b.v2": "latest"}
    assert loaded.directories == {skills}


async def test_a_watched_directory_that_is_missing_withdraws_nothing(
    loaders: Loaders, tmp_path: Path
) -> None:
    """It is reported, and back when it is back."""
    skills = tmp_path / "skills"
    skills.mkdir()
    (skills / "a.wasm").write_bytes(b"")
    loader = loaders.make({"dev": {"directory": str(skills)}})
    await loader.load()

    skills.rename(tmp_path / "elsewhere")
    loaded = await loader.load()
    assert tags(loaded) == {"dev/a": "latest"}
    assert loaded.sources[Namespace("dev")].failure is not None

    (tmp_path / "elsewhere").rename(skills)
    assert (await loader.load()).sources[Namespace("dev")].failure is None


async def test_the_operator_wins_and_the_clash_is_told(loaders: Loaders) -> None:
    """In the status of the namespace that is served."""
    write(loaders.root, ONE)

    loaded = await loaders.make({"team": {"skills": [{"name": "b"}]}}).load()

    assert set(loaded.desired.skills) == {path("team/b")}
    assert loaded.sources[TEAM].owner == "operator"
    assert "as well" in loaded.sources[TEAM].problems[-1].message


async def test_a_remote_file_that_breaks_withdraws_nothing(
    loaders: Loaders, tmp_path: Path
) -> None:
    """Neither broken TOML nor a vanished file."""
    file = tmp_path / "n.toml"
    file.write_text(ONE)
    loader = loaders.make({"far": {"config-url": f"file://{file}"}})
    assert not (await loader.load()).complete
    await until_loaded(loader)

    for damage in (lambda: file.write_text("skills = ["), file.unlink):
        damage()
        loader.remotes.expire()
        found: list[Loaded] = []
        while not (found and _troubled(found[-1])):
            found.append(await loader.load())
        assert tags(found[-1]) == {"far/a": "v1"}


def _troubled(loaded: Loaded) -> bool:
    source = loaded.sources[Namespace("far")]
    return source.rejected or source.failure is not None


async def until_loaded(loader: Loader) -> None:
    """Load until every remote file was tried."""
    while not (await loader.load()).complete:
        await until(lambda: True)


def test_a_watched_directory_wants_its_components_only(tmp_path: Path) -> None:
    """Not other files, hidden ones, folders, dangling links or names that no Skill can have."""
    for name in ("greet.wasm", "a.b.wasm", ".hidden.wasm", "with space.wasm", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.wasm").mkdir()
    (tmp_path / "dangling.wasm").symlink_to("nowhere")
    (tmp_path / "link.wasm").symlink_to("greet.wasm")

    found = scan(WatchedDirectory(tmp_path))

    assert [entry.name for entry in found.config.skills] == ["a.b", "greet", "link"]
    assert found.problem is None


def test_a_watched_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    """It may be a mount that is late."""
    found = scan(WatchedDirectory(tmp_path / "gone"))

    assert found.problem is not None
    assert "gone can't be read" in found.problem
