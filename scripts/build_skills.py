"""
Build the Python Skills of this repository: the examples, and those that the tests run.

    python scripts/build_skills.py [FOLDER | FILE.py …]

A Skill is one Python file whose first line names its world: `# world: skill@0.4.0` is built with
componentize-py against `wit/0.4.0`, `# world: skill@sdk` with the public SDK in `.venv-sdk`. A
component is left alone while nothing that it is made of has changed: beside it lies a fingerprint
of its source, its world and its tools, since git and CI do not keep modification times.

Leaves out any install: `make install` and `make sdk` make the two environments.
"""

import argparse
import concurrent.futures
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "skill_build_cache"
SDK_VENV = ROOT / ".venv-sdk"
FOLDERS = {
    ROOT / "skills": OUTPUT / "dev",
    ROOT / "tests" / "skills_sdk": OUTPUT / "sdk",
    ROOT / "tests" / "skills_worlds": OUTPUT / "worlds",
}
PARALLEL = 2  # each build keeps a core busy for 5 to 10 s and takes about 1 GB
_WORLD = re.compile(r"# world: (?P<world>[\w-]+)@(?P<package>[\w.]+)\n")


class BuildError(Exception):
    """A Skill could not be built; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one Skill is made: *package* is a folder of `wit/`, or `sdk`."""

    source: Path
    target: Path
    world: str
    package: str

    @property
    def stamp(self) -> Path:
        """Where the fingerprint of the last build lies."""
        return self.target.with_name(f".{self.target.stem}.stamp")


def recipe(source: Path) -> Recipe:
    """Read how *source* wants to be built."""
    folder = FOLDERS.get(source.parent)
    if folder is None:
        known = ", ".join(str(known.relative_to(ROOT)) for known in FOLDERS)
        raise BuildError(f"{source}: Skills live in {known}")
    header = _WORLD.match(source.read_text())
    if header is None:
        raise BuildError(f"{source}: the first line has to be like '# world: skill@0.4.0'")
    return Recipe(source, folder / f"{source.stem}.wasm", header["world"], header["package"])


def fingerprint(wanted: Recipe) -> str:
    """All that a component is made of, as one hash."""
    call = " ".join(str(part) for part in command(wanted, wanted.target))
    parts = [wanted.source.read_bytes(), call.encode(), tools(wanted).encode()]
    if wanted.package != "sdk":
        parts += [path.read_bytes() for path in sorted((ROOT / "wit" / wanted.package).iterdir())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def tools(wanted: Recipe) -> str:
    """Names and versions of the packages that build a Skill, from the folder names pip leaves."""
    venv = SDK_VENV if wanted.package == "sdk" else Path(sys.prefix)
    found = venv.glob("lib/python3*/site-packages/*.dist-info")
    names = sorted(path.name for path in found)
    return " ".join(
        n for n in names if n.startswith(("componentize_py", "pharia_skill", "pydantic"))
    )


def is_current(wanted: Recipe) -> bool:
    """Whether the component is there and made of what lies there now."""
    if not (wanted.target.exists() and wanted.stamp.exists()):
        return False
    return wanted.stamp.read_text() == fingerprint(wanted)


def build(wanted: Recipe) -> float:
    """Build one Skill; the old component stays until the new one is whole. Seconds it took."""
    started = time.monotonic()
    mark = fingerprint(wanted)
    wanted.target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.target.parent, prefix=".build-") as scratch:
        made = Path(scratch, wanted.target.name)
        _run(command(wanted, made), cwd=Path(scratch), what=wanted.source)
        made.replace(wanted.target)
    wanted.stamp.write_text(mark)
    return time.monotonic() - started


def command(wanted: Recipe, made: Path) -> list[str | Path]:
    """The call of componentize-py that makes *made*."""
    tail: list[str | Path] = ["componentize", wanted.source.stem, "-p", wanted.source.parent]
    if wanted.package == "sdk":
        tool = SDK_VENV / "bin" / "componentize-py"
        flags: list[str | Path] = []
        tail += ["-p", OUTPUT / "wasi_deps"]
    else:
        tool = Path(sys.prefix, "bin", "componentize-py")
        # The worlds of 0.5.0 are behind a feature gate; the flag changes nothing for the others.
        flags = ["--all-features", "-d", ROOT / "wit" / wanted.package]
    if not tool.exists():
        hint = "make sdk" if wanted.package == "sdk" else "make install"
        raise BuildError(f"{tool.relative_to(ROOT)} is missing: run `{hint}`")
    return [tool, *flags, "-w", wanted.world, *tail, "-o", made]


def _run(command: list[str | Path], *, cwd: Path, what: Path) -> None:
    # componentize-py looks for packages where the first `python3` of the path has them.
    folder = str(Path(command[0]).parent)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{what} does not build:\n{done.stderr[:4000]}")


def build_all(wanted: Iterable[Recipe]) -> list[BuildError]:
    """Build what is missing or outdated, some at a time, telling of each; what failed."""
    with _lock():
        stale = [one for one in wanted if not is_current(one)]
        if any(one.package == "sdk" for one in stale):
            _wasi_packages()
        failures = []
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            jobs = {pool.submit(build, one): one for one in stale}
            for count, job in enumerate(concurrent.futures.as_completed(jobs), 1):
                name = jobs[job].target.relative_to(ROOT)
                try:
                    print(
                        f"[{count}/{len(stale)}] {name} built in {job.result():.1f} s", flush=True
                    )
                except BuildError as error:
                    failures.append(error)
                    print(f"[{count}/{len(stale)}] {name} failed", flush=True)
    return failures


def _wasi_packages() -> None:
    """Unpack the WebAssembly wheels that the SDK carries with it (pydantic-core), once."""
    target = OUTPUT / "wasi_deps"
    wheels = next(SDK_VENV.glob("lib/python3*/site-packages/wasi_wheels"), None)
    if wheels is None:
        raise BuildError(f"{SDK_VENV.name} is missing: run `make sdk`")
    version = next(wheels.glob("pydantic_core-*.whl")).name.split("-")[1]
    if (target / f"pydantic_core-{version}.dist-info").exists():
        return
    platforms = ["--platform", "any", "--platform", "wasi_0_0_0_wasm32"]
    source: list[str | Path] = [
        "--python-version",
        "3.12",
        "--only-binary",
        ":all:",
        "--find-links",
        wheels,
    ]
    flags: list[str | Path] = [
        "--quiet",
        "--disable-pip-version-check",
        "--upgrade",
        "--target",
        target,
    ]
    pip: list[str | Path] = [SDK_VENV / "bin" / "python", "-m", "pip", "install"]
    _run([*pip, *flags, *platforms, *source, f"pydantic-core=={version}"], cwd=ROOT, what=wheels)


@contextmanager
def _lock() -> Iterator[None]:
    """Let one process build at a time: test runs beside each other share the components."""
    OUTPUT.mkdir(exist_ok=True)
    with (OUTPUT / ".build.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sources(paths: Iterable[Path]) -> list[Path]:
    """The Skills at *paths*: files, or all files of folders; those of every folder if none."""
    wanted = [path.resolve() for path in paths] or list(FOLDERS)
    found = [sorted(path.glob("*.py")) if path.is_dir() else [path] for path in wanted]
    return [path for group in found for path in group]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build Skills that are missing or outdated.")
    parser.add_argument("paths", nargs="*", type=Path, help="folders or files; default: all")
    try:
        failures = build_all(recipe(source) for source in sources(parser.parse_args().paths))
    except BuildError as error:
        failures = [error]
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
