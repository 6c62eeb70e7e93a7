"""The command line, as hooks, operators and CI call it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import running
from tests.e2e.skills import entry, put, saying, wanting
from tests.reconcile import syncers

SKILLD = Path(sys.executable).with_name("skilld")
BAD = 'skills = [\n  { name = "one", tagg = "v1" },\n  { nam = "two" },\n]\nnative-tools = ["ad"]\n'


def skilld(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with no environment but what is given."""
    return subprocess.run(
        [str(SKILLD), *map(str, arguments)],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_validate_prints_all_mistakes_and_fails(tmp_path: Path) -> None:
    """In compilers' form: file, line, column, key, what is wrong, the nearest spelling."""
    syncers.write(tmp_path, BAD)
    syncers.write(tmp_path, wanting("fine"), namespace="good")

    done = skilld("validate", tmp_path)

    assert done.returncode == 1
    file = tmp_path / "team" / "namespace.toml"
    places = re.findall(rf"^{re.escape(str(file))}:(\d+):\d+: (\S+): ", done.stderr, re.MULTILINE)
    assert {line for line, _ in places} == {"2", "3", "5"}
    assert "tag" in done.stderr and "add" in done.stderr
    assert "good" not in done.stderr


def test_validate_is_content_with_what_is_good(tmp_path: Path) -> None:
    """Exit status 0, for a directory and for one file."""
    syncers.write(tmp_path, wanting("one", entry("two", tag="v2", timeout="3s")))

    assert skilld("validate", tmp_path).returncode == 0
    assert skilld("validate", tmp_path / "team" / "namespace.toml").returncode == 0
    assert skilld("validate", tmp_path / "nowhere").returncode == 2


def test_a_commit_with_a_mistake_is_refused_by_a_hook(tmp_path: Path) -> None:
    """`skilld validate` as git's pre-commit hook."""
    repository = tmp_path / "repository"
    syncers.repository(repository, wanting("one"))
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nexec "{SKILLD}" validate .\n')
    hook.chmod(0o755)
    before = syncers.git(repository, "rev-parse", "HEAD")

    syncers.write(repository, BAD)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        syncers.commit(repository)

    assert "tagg" in refused.value.stderr
    assert syncers.git(repository, "rev-parse", "HEAD") == before
    syncers.write(repository, wanting("one", "two"))
    assert syncers.commit(repository) != before


def test_schema_is_one_that_editors_understand() -> None:
    """JSON Schema, Draft 4."""
    schema = json.loads(skilld("schema").stdout)

    assert "draft-04" in schema["$schema"]
    assert "skills" in schema["properties"]


def test_config_shows_no_secret(tmp_path: Path) -> None:
    """But every other setting as it is in effect."""
    (tmp_path / "config.toml").write_text('workers = 3\nregistry = "registry.example.org"\n')

    done = skilld("config", cwd=tmp_path, REGISTRY_PASSWORD="hush-hush", REGISTRY_USER="me")

    assert done.returncode == 0
    assert "WORKERS=3" in done.stdout
    assert "REGISTRY=registry.example.org" in done.stdout
    assert "hush" not in done.stdout + done.stderr


def test_help_names_every_command() -> None:
    """And the options of the one that serves."""
    told = skilld("--help").stdout

    for command in ("serve", "validate", "schema", "config", "publish", "cache"):
        assert command in told
    assert "--namespaces-root" in skilld("serve", "--help").stdout
    assert "--password" not in skilld("serve", "--help").stdout
    assert skilld("--version").stdout.startswith("skilld")


def test_the_cache_is_listed_verified_and_pruned(tmp_path: Path) -> None:
    """Beside a daemon that uses it, and after it."""
    path = put(tmp_path / "skills", one=saying("one"), two=saying("two"))
    cache = {"SKILL_BUILD_CACHE": str(tmp_path / "cache")}
    with running(tmp_path) as daemon:
        daemon.write(wanting("one", "two", path=path))
        daemon.answers("team/one", "one")
        daemon.answers("team/two", "two")

        listed = skilld("cache", "ls", **cache)
        assert listed.returncode == 0
        assert listed.stdout.count(".cwasm") >= 2
        assert skilld("cache", "verify", **cache).returncode == 0

        daemon.write(wanting("one", path=path))
        daemon.eventually(lambda: daemon.run("team/two", 1).status, lambda status: status == 404)
        assert skilld("cache", "prune", "--all", **cache).returncode == 0
        assert daemon.run("team/one", "hi").json() == "one"
        assert len(list((daemon.cache / "skills").glob("*.cwasm"))) == 1

    (compiled,) = (tmp_path / "cache" / "skills").glob("*.cwasm")
    compiled.write_bytes(compiled.read_bytes()[:-100])
    damaged = skilld("cache", "verify", **cache)

    assert damaged.returncode == 1
    assert "damaged" in damaged.stdout
    with running(tmp_path) as daemon:
        daemon.answers("team/one", "one")


def test_publish_refuses_what_is_no_skill(tmp_path: Path) -> None:
    """Before any registry is asked."""
    file = tmp_path / "module.wasm"
    file.write_bytes(b"\0asm\x01\0\0\0")

    done = skilld("publish", file, "localhost:9/skills/module:v1", "--plain-http")

    assert done.returncode == 1
    assert "component" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_registry_that_is_not_there_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    """With the address that was tried."""
    file = tmp_path / "greet.wasm"
    file.write_bytes(saying("hello"))

    done = skilld("publish", file, "localhost:9/skills/greet:v1", "--plain-http")

    assert done.returncode == 1
    assert "localhost:9" in done.stderr
    assert "Traceback" not in done.stderr
