"""What real syncers do to a root: git, git-sync, kubelet, editors."""

import shutil
import subprocess
from pathlib import Path


def write(root: Path, text: str, *, namespace: str = "team") -> None:
    """Write a namespace's file in place."""
    (root / namespace).mkdir(parents=True, exist_ok=True)
    (root / namespace / "namespace.toml").write_text(text)


def git(directory: Path, *arguments: str) -> str:
    """Run git there; returns what it printed."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0"]
    command = ["git", "-C", str(directory), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(directory: Path, text: str) -> str:
    """Make a repository with one commit; returns its SHA."""
    write(directory, text)
    git(directory, "init", "-q", "-b", "main")
    return commit(directory)


def commit(directory: Path) -> str:
    """Commit all; returns the SHA."""
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "edit")
    return git(directory, "rev-parse", "HEAD")


def swap(link: Path, tree: Path, text: str) -> None:
    """Publish *tree* as git-sync does: rename a new link over the old, delete the old tree."""
    write(tree, text)
    old = link.resolve() if link.exists() else None
    fresh = link.with_name("tmp-link")
    fresh.symlink_to(tree)
    fresh.replace(link)
    if old is not None:
        shutil.rmtree(old)


def project(volume: Path, version: str, text: str) -> None:
    """Update a ConfigMap volume as the kubelet does: swap `..data`, delete the old version."""
    fresh, data = volume / f"..{version}", volume / "..data"
    write(fresh, text)
    old = data.resolve() if data.exists() else None
    link = volume / "..data_tmp"
    link.symlink_to(fresh.name)
    link.replace(data)
    if not (volume / "team").is_symlink():
        (volume / "team").symlink_to("..data/team")
    if old is not None:
        shutil.rmtree(old)
