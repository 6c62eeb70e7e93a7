"""A team edits `namespace.toml`, a syncer brings it, and the daemon serves what it says."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hammer import Hammer
from tests.e2e.harness import Daemon, running
from tests.e2e.skills import entry, put, saying, wanting
from tests.reconcile import syncers


@pytest.fixture(scope="module")
def skills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with `one` to `four`, which say their names."""
    names = ("one", "two", "three", "four")
    return put(tmp_path_factory.mktemp("skills"), **{name: saying(name) for name in names})


@pytest.fixture
def daemon(tmp_path: Path, skills: Path) -> Iterator[Daemon]:
    """A daemon that serves `team/one`, and rescans rarely: edits must be noticed as they happen."""
    with running(tmp_path, NAMESPACE_UPDATE_INTERVAL="60s") as daemon:
        daemon.write(wanting("one", path=skills))
        daemon.answers("team/one", "one")
        yield daemon


def test_an_edit_is_live_within_seconds(daemon: Daemon, skills: Path) -> None:
    """An editor writes beside the file and renames over it; nobody waits for the next rescan."""
    edited = time.monotonic()
    daemon.write(wanting("one", "two", path=skills))

    daemon.answers("team/two", "two", within=10)

    assert time.monotonic() - edited < 5
    assert daemon.run("team/one", "hi").json() == "one"


def test_a_file_edited_in_place_is_noticed(daemon: Daemon, skills: Path) -> None:
    """As `sed -i` does not, but many editors do."""
    (daemon.namespaces / "team" / "namespace.toml").write_text(wanting("two", path=skills))

    daemon.answers("team/two", "two", within=10)
    daemon.eventually(lambda: daemon.run("team/one", 1).status, lambda status: status == 404)


def test_a_new_namespace_and_the_removal_of_one(daemon: Daemon, skills: Path) -> None:
    """Directories come and go while others stay."""
    daemon.write(wanting("two", path=skills), namespace="other")
    daemon.answers("other/two", "two", within=10)

    shutil.rmtree(daemon.namespaces / "other")

    gone = daemon.eventually(lambda: daemon.run("other/two", 1), lambda a: a.status == 404)
    assert gone.json()["code"] == "namespace-not-found"
    assert daemon.get("/v1/namespaces/other").status == 404
    assert daemon.run("team/one", "hi").json() == "one"


def test_a_bad_edit_keeps_all_that_is_served(daemon: Daemon, skills: Path) -> None:
    """Its error, with file, line, column, key and the nearest spelling, is on the status."""
    daemon.write('skills = [\n  { name = "one" },\n]\nnative-tolls = ["add"]\n')

    status = daemon.eventually(lambda: daemon.status("team"), lambda s: s["problems"])

    (problem,) = status["problems"]
    assert problem["file"].endswith("team/namespace.toml")
    assert (problem["line"], problem["column"], problem["key"]) == (4, 1, "native-tolls")
    assert "native-tools" in problem["suggestion"]
    assert daemon.condition("team")["reason"] == "BuildFailed"
    assert daemon.run("team/one", "hi").json() == "one"

    daemon.write(wanting("one", "two", path=skills))

    daemon.answers("team/two", "two", within=10)
    daemon.eventually(lambda: daemon.condition("team"), lambda ready: ready.get("status") == "True")
    assert daemon.status("team")["problems"] == []


def test_a_syntax_error_names_its_place(daemon: Daemon) -> None:
    """TOML that does not parse changes nothing either."""
    daemon.write('skills = [\n  { name = "one" \n')

    (problem,) = daemon.eventually(lambda: daemon.status("team"), lambda s: s["problems"])[
        "problems"
    ]

    assert problem["line"] in {2, 3}
    assert problem["message"].startswith("not TOML")
    assert daemon.run("team/one", "hi").json() == "one"


def test_one_bad_entry_holds_back_only_itself(daemon: Daemon, skills: Path) -> None:
    """The good entries of the same edit are served, and the bad one's last version stays."""
    bad = entry("one", timeout=5)
    daemon.write(wanting(bad, "two", entry("three", tagg="v1"), path=skills))

    daemon.answers("team/two", "two", within=10)

    problems = daemon.status("team")["problems"]
    assert [(one["skill"], one["line"]) for one in problems] == [("one", 2), ("three", 4)]
    assert problems[1]["key"] == "skills[1].tagg" or "tagg" in problems[1]["key"]
    assert "tag" in problems[1]["suggestion"]
    assert daemon.run("team/one", "hi").json() == "one"
    refused = daemon.run("team/three", "hi")
    assert (refused.status, refused.json()["code"]) == (503, "namespace-invalid")
    assert "tagg" in refused.json()["detail"]


def test_a_skill_that_is_not_in_the_registry_holds_back_only_itself(
    daemon: Daemon, skills: Path
) -> None:
    """And is served as soon as it appears, without a restart or another edit."""
    daemon.write(wanting("one", "late", path=skills))
    missing = daemon.eventually(
        lambda: daemon.run("team/late", "hi"), lambda a: "late.wasm" in a.body.decode()
    )
    assert missing.status == 503
    assert "Retry-After".lower() in missing.headers

    put(skills, late=saying("late"))

    daemon.answers("team/late", "late", within=20)
    assert daemon.run("team/one", "hi").json() == "one"


def test_a_half_written_file_withdraws_nothing(daemon: Daemon, skills: Path) -> None:
    """Its prefix is valid TOML with fewer Skills; a slow writer must not cost a Skill."""
    daemon.write(wanting("one", "two", "three", path=skills))
    daemon.answers("team/three", "three", within=10)
    file = daemon.namespaces / "team" / "namespace.toml"
    text = wanting("one", "two", "three", "four", path=skills)

    with Hammer(daemon, "team/three", clients=1) as hammer, file.open("w") as half:
        for piece in (text[:30], text[30:60], text[60:]):
            half.write(piece)
            half.flush()
            before = hammer.calls
            daemon.eventually(lambda: hammer.calls, lambda calls, b=before: calls > b + 5)
        half.close()
        daemon.answers("team/four", "four", within=10)

    assert hammer.failures == []


def test_a_root_that_vanishes_keeps_serving(daemon: Daemon, skills: Path) -> None:
    """An empty root is not believed; when it is back, edits count again."""
    hidden = daemon.root / "hidden"
    daemon.namespaces.rename(hidden)

    daemon.eventually(lambda: daemon.condition("team"), lambda r: r.get("reason") == "EmptyGuard")
    assert daemon.run("team/one", "hi").json() == "one"
    assert "ALLOW_EMPTY" in daemon.condition("team")["message"]

    hidden.rename(daemon.namespaces)
    daemon.write(wanting("one", "two", path=skills))
    daemon.answers("team/two", "two", within=20)


def test_a_removed_skill_is_retired(daemon: Daemon, skills: Path) -> None:
    """Its callers get 404, its history says so."""
    daemon.write(wanting("one", "two", path=skills))
    daemon.answers("team/two", "two", within=10)

    daemon.write(wanting("two", path=skills))

    gone = daemon.eventually(lambda: daemon.run("team/one", 1), lambda a: a.status == 404)
    assert gone.json()["code"] == "skill-not-found"
    assert daemon.get("/v1/skills").json() == ["team/two"]
    actions = [(one["skill"], one["action"]) for one in daemon.status("team")["history"]]
    assert ("one", "retired") in actions


class TestSyncers:
    """What the tools do that bring files."""

    def test_git_pull_in_a_clone(self, tmp_path: Path, skills: Path) -> None:
        """The commit that is served is on the status; calls never fail meanwhile."""
        origin = tmp_path / "origin"
        first = syncers.repository(origin, wanting("one", path=skills))
        clone = tmp_path / "clone"
        syncers.git(tmp_path, "clone", "-q", str(origin), str(clone))
        with running(tmp_path / "d", NAMESPACES_ROOT=clone, NAMESPACE_UPDATE_INTERVAL="60s") as d:
            d.answers("team/one", "one")
            d.eventually(lambda: d.status("team")["applied_revision"], lambda sha: sha == first)
            syncers.write(origin, wanting("one", "two", path=skills))
            second = syncers.commit(origin)

            with Hammer(d, "team/one", clients=1) as hammer:
                syncers.git(clone, "pull", "-q", "--ff-only")
                d.answers("team/two", "two", within=10)

            assert hammer.failures == []
            d.eventually(lambda: d.status("team")["applied_revision"], lambda sha: sha == second)

    def test_git_sync_swaps_a_link_and_deletes_the_old_tree(
        self, tmp_path: Path, skills: Path
    ) -> None:
        """Again and again: a watch on the link itself would go silent after the first swap."""
        link = tmp_path / "sync" / "current"
        link.parent.mkdir()
        syncers.swap(link, link.parent / "tree-0", wanting("one", path=skills))
        with running(tmp_path / "d", NAMESPACES_ROOT=link, NAMESPACE_UPDATE_INTERVAL="60s") as d:
            d.answers("team/one", "one")
            with Hammer(d, "team/one", clients=1) as hammer:
                for number, name in enumerate(("two", "three", "four"), start=1):
                    text = wanting("one", name, path=skills)
                    syncers.swap(link, link.parent / f"tree-{number}", text)
                    d.answers(f"team/{name}", name, within=10)

            assert hammer.failures == []
            assert d.run("team/two", "hi").status == 404

    def test_a_config_map_swaps_its_data(self, tmp_path: Path, skills: Path) -> None:
        """The kubelet's `..data` link, twice."""
        volume = tmp_path / "volume"
        volume.mkdir()
        syncers.project(volume, "v0", wanting("one", path=skills))
        with running(tmp_path / "d", NAMESPACES_ROOT=volume, NAMESPACE_UPDATE_INTERVAL="60s") as d:
            d.answers("team/one", "one")
            for version, name in (("v1", "two"), ("v2", "three")):
                syncers.project(volume, version, wanting("one", name, path=skills))
                d.answers(f"team/{name}", name, within=10)
            assert d.run("team/one", "hi").json() == "one"
