"""`skilld index` on real files and a real index."""

from pathlib import Path

import pytest

from daemon.csi import interface as csi
from daemon.csi.inference.connections import open_session
from daemon.errors import DaemonError
from daemon.index_commands import add, listing, remove
from daemon.indexes import embedded
from daemon.settings.model import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An embedded index."""
    return Settings(document_index_url=f"embedded:{tmp_path / 'index'}")


async def test_files_and_directories_are_added(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the metadata of all, and their own over it; hidden files and sidecars are left out."""
    docs = tmp_path / "docs"
    (docs / ".git").mkdir(parents=True)
    (docs / ".git" / "config").write_text("x")
    (docs / "a.md").write_text("# Cats")
    (docs / "a.md.json").write_text('{"lang": "en"}')
    (docs / "data.json").write_text("{}")

    assert await add(settings, "team/docs", [docs], metadata='{"lang": "de", "x": 1}') == 0
    assert await add(settings, "team/docs", [docs], metadata='{"lang": "de", "x": 1}') == 0

    assert await add(settings, "team/docs", [docs / "a.md.json"], metadata=None) == 0

    assert "2 unchanged" in capsys.readouterr().err
    async with open_session() as session, embedded(settings, session) as index:
        assert index is not None
        names = await index.names("team", "docs")
        path = csi.DocumentPath("team", "docs", (docs / "a.md").as_posix())
        assert names == [path.name, (docs / "data.json").as_posix()]
        assert await index.metadata(path, csi.Caller()) == b'{"lang":"en","x":1}'
    assert await listing(settings, "team/docs") == 0
    assert await listing(settings, None) == 0
    assert await remove(settings, "team/docs", names) == 0
    assert await remove(settings, "team/docs", names) == 1


async def test_mistakes_are_told(settings: Settings, tmp_path: Path) -> None:
    """Before anything is written."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    with pytest.raises(DaemonError, match="NAMESPACE/COLLECTION"):
        await add(settings, "docs", [binary], metadata=None)
    with pytest.raises(DaemonError, match="no UTF-8"):
        await add(settings, "team/docs", [binary], metadata=None)
    with pytest.raises(DaemonError, match="--metadata is no JSON object"):
        await add(settings, "team/docs", [binary], metadata="[]")
    for metadata in ('{"a":' * 100_000, '{"a": "\udcff"}'):
        with pytest.raises(DaemonError, match="--metadata is no JSON object"):
            await add(settings, "team/docs", [binary], metadata=metadata)
    with pytest.raises(DaemonError, match="DOCUMENT_INDEX_URL=embedded:PATH"):
        await listing(Settings(), None)
