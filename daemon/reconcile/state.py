"""
What survives a restart, as JSON under the cache's state: last good wishes, and what was served.

A state that can't be read is as good as none: it saves time and outages, it decides nothing that
the next pass would not decide. Leaves out files and checksums (`build_cache/store`).
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from daemon.catalogue import Served, ServedSkill
from daemon.errors import DaemonError
from daemon.names import Digest, Namespace
from daemon.namespaces.desired import Wish
from daemon.reconcile.ports import StateStore
from daemon.skill import ChatSpec, SkillSpec

_log = logging.getLogger(__name__)
WISHES = "wishes.json"
SERVED = "served.json"


class ServedRecord(msgspec.Struct, frozen=True):
    """One Skill that was served: its wish, and for a component the digest."""

    revision: str
    since: datetime
    skill: SkillSpec | None = None
    chat: ChatSpec | None = None
    digest: Digest | None = None


class StoredSkill(msgspec.Struct, frozen=True, tag="skill"):
    """A wish for a component."""

    spec: SkillSpec


class StoredChat(msgspec.Struct, frozen=True, tag="chat"):
    """A wish for a chat Skill."""

    spec: ChatSpec


class StoredWish(msgspec.Struct, frozen=True):
    """A namespace's wish; `operator` tells who owns it."""

    namespace: Namespace
    operator: bool
    skills: list[StoredSkill | StoredChat]
    native_tools: tuple[str, ...]
    mcp_servers: tuple[str, ...]


def read_wishes(store: StateStore) -> list[StoredWish]:
    """Return the last good wishes, none where they can't be read."""
    found: list[StoredWish] = _read(store, WISHES, list[StoredWish])
    return found


def write_wishes(store: StateStore, wishes: Iterable[tuple[Wish, bool]]) -> None:
    """
    Replace the last good wishes; each comes with whether it is an operator's.

    Blocking. Raises DaemonError.
    """
    store.write_state(
        WISHES, _encode([_stored(one, operator=operator) for one, operator in wishes])
    )


def _stored(wish: Wish, *, operator: bool) -> StoredWish:
    skills = [
        StoredChat(spec) if isinstance(spec, ChatSpec) else StoredSkill(spec)
        for spec in wish.skills
    ]
    return StoredWish(wish.namespace, operator, skills, wish.native_tools, wish.mcp_servers)


def read_served(store: StateStore) -> list[ServedRecord]:
    """Return what was served last, nothing where it can't be read."""
    found: list[ServedRecord] = _read(store, SERVED, list[ServedRecord])
    return found


def write_served(store: StateStore, served: Iterable[Served]) -> None:
    """Replace what was served last; blocking. Raises DaemonError."""
    store.write_state(SERVED, _encode([_record(one) for one in served]))


def _record(served: Served) -> ServedRecord:
    if isinstance(served, ServedSkill):
        return ServedRecord(served.revision, served.since, skill=served.spec, digest=served.digest)
    return ServedRecord(served.revision, served.since, chat=served.spec)


def _encode(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)


def _read(store: StateStore, name: str, kind: Any) -> Any:
    try:
        data = store.read_state(name)
        return msgspec.json.decode(data, type=kind, dec_hook=_decode) if data else []
    except (DaemonError, msgspec.MsgspecError, RecursionError) as error:
        _log.warning("%s can't be read and is left aside: %s", name, error)
        return []


def _decode(kind: type, value: object) -> object:
    return Path(str(value)) if kind is Path else kind(value)
