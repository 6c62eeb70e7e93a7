"""
Writes down what is served, so that the next start serves it from disk.

Changes that come together are written once, and a long list less often than a short one. Leaves
out what is written (`state`).
"""

import asyncio
import logging
import time

from daemon.catalogue import Catalogue
from daemon.errors import DaemonError
from daemon.reconcile.install import Installer

_log = logging.getLogger(__name__)
_REST = 10  # pause after a write, in multiples of what it took: others need disk and CPU as well


class Saver:
    """Owned by the reconciler."""

    def __init__(self, installer: Installer, catalogue: Catalogue) -> None:
        self._installer = installer
        self._catalogue = catalogue
        self._changed = asyncio.Event()
        self._failing = False

    def changed(self) -> None:
        """Have it written soon."""
        self._changed.set()

    async def run(self) -> None:
        """Write after every change, for ever."""
        while True:
            await self._changed.wait()
            start = time.monotonic()
            await self.save()
            await asyncio.sleep(_REST * (time.monotonic() - start))

    async def save(self) -> None:
        """Write now. A failure is logged once: it costs time at the next start, nothing else."""
        self._changed.clear()
        served = list(self._catalogue.served.values())
        try:
            await asyncio.to_thread(self._installer.remember, served)
        except DaemonError as error:
            if not self._failing:
                _log.warning("a restart won't know what is served now: %s", error)
            self._failing = True
        else:
            self._failing = False
