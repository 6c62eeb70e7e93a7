"""Which Document Index the settings mean."""

from pathlib import Path

import pytest

from daemon.csi.inference.connections import open_session
from daemon.errors import DaemonError
from daemon.indexes import embedded, service
from daemon.settings.model import Settings


async def test_a_url_is_a_service() -> None:
    """And nothing else."""
    settings = Settings(document_index_url="http://127.0.0.1:1")
    async with open_session() as session, embedded(settings, session) as index:
        assert service(settings, session) is not None
        assert index is None


async def test_embedded_is_a_file_of_ours(tmp_path: Path) -> None:
    """At the path after the colon."""
    settings = Settings(document_index_url=f"embedded:{tmp_path / 'index'}")
    async with open_session() as session, embedded(settings, session) as index:
        assert service(settings, session) is None
        assert index is not None
        assert await index.collections() == []
    assert (tmp_path / "index" / "index.sqlite3").is_file()


async def test_embeddings_need_a_backend(tmp_path: Path) -> None:
    """Otherwise documents would silently have none."""
    settings = Settings(document_index_url=f"embedded:{tmp_path}", embedding_model="m")

    async with open_session() as session:
        with pytest.raises(DaemonError, match="OPENAI_INFERENCE__URL"):
            async with embedded(settings, session):
                pass
        with pytest.raises(DaemonError, match="path after the colon"):
            async with embedded(Settings(document_index_url="embedded:"), session):
                pass
