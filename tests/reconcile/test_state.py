from datetime import UTC, datetime
from pathlib import Path

from daemon.catalogue import ServedChat, ServedSkill
from daemon.names import Digest, Namespace, Tag
from daemon.namespaces.desired import Wish
from daemon.reconcile import state
from daemon.skill import Artifact, ChatSpec, Limits, RegistryRef, SkillKind, SkillSpec, World
from tests.fakes_reconcile import FakeStore
from tests.reconcile.conftest import path

DIGEST = Digest("sha256:" + "1" * 64)
SKILL = SkillSpec(
    path("team/a"), RegistryRef(directory=Path("/srv/skills")), Tag("v1"), DIGEST, 1 << 20, 1.5, 3
)
CHAT = ChatSpec(path("team/c"), "1", "m", "p")
NOW = datetime.now(tz=UTC)


def test_what_was_served_is_read_back(tmp_path: Path) -> None:
    """With the very types that were written."""
    store = FakeStore(tmp_path)
    artifact = Artifact("id", DIGEST, World.V0_5, SkillKind.FUNCTION, tmp_path)
    skill = ServedSkill(SKILL, DIGEST, artifact, Limits(), "sha", NOW)

    state.write_served(store, [skill, ServedChat(CHAT, "sha", NOW)])

    first, second = state.read_served(store)
    assert (first.skill, first.digest, first.revision, first.since) == (SKILL, DIGEST, "sha", NOW)
    assert second.chat == CHAT
    assert isinstance(first.digest, Digest)


def test_wishes_are_read_back(tmp_path: Path) -> None:
    """With tools and owner."""
    store = FakeStore(tmp_path)
    wish = Wish(Namespace("team"), (SKILL, CHAT), ("add",), ("https://example.org",))

    state.write_wishes(store, [(wish, True)])

    (found,) = state.read_wishes(store)
    assert tuple(one.spec for one in found.skills) == wish.skills
    assert (found.native_tools, found.mcp_servers) == (wish.native_tools, wish.mcp_servers)
    assert found.operator


def test_a_damaged_state_is_none(tmp_path: Path) -> None:
    """Nothing is decided by it alone."""
    store = FakeStore(tmp_path)
    deep = b'[{"more": ' + b"[" * 100_000
    for damage in (b"", b"{", b"[1]", b'[{"revision": "x", "since": 3}]', deep):
        store.write_state(state.SERVED, damage)
        assert state.read_served(store) == []


def test_wishes_by_other_rules_are_left_aside(tmp_path: Path) -> None:
    """Another version of skilld may have allowed other names."""
    store = FakeStore(tmp_path)
    state.write_wishes(store, [(Wish(Namespace("team"), (SKILL,)), False)])
    text = store.read_state(state.WISHES) or b""
    assert state.read_wishes(store)

    for name in (b'"namespace":"team"', b'"name":"a"'):
        key = name.partition(b":")[0]
        store.write_state(state.WISHES, text.replace(name, key + b':"T E A M"'))
        assert state.read_wishes(store) == []
