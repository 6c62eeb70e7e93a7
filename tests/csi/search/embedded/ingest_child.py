"""Adds documents until it is killed; prints the number of each batch that is committed."""

import asyncio
import sys
from pathlib import Path

from daemon.csi import interface as csi
from daemon.csi.search.embedded.index import EmbeddedIndex
from daemon.csi.search.embedded.values import NewDocument


async def main() -> None:
    """Batches of five documents with a common marker."""
    index = EmbeddedIndex(Path(sys.argv[1]))
    await index.open()
    for batch in range(100_000):
        await index.add(
            [
                NewDocument(csi.DocumentPath("team", "docs", f"{n}"), [f"batch{batch} word " * 200])
                for n in range(5)
            ]
        )
        print(batch, flush=True)


asyncio.run(main())
