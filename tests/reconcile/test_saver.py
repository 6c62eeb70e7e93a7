import pytest

from daemon.reconcile.saver import Saver
from daemon.tasks import Tasks
from tests.reconcile.conftest import World, until


async def test_a_change_is_written_by_itself(world: World) -> None:
    """As soon as the loop comes to it."""
    saver, tasks = Saver(world.installer, world.catalogue), Tasks()
    tasks.spawn(saver.run(), name="save")

    saver.changed()

    await until(lambda: world.store.read_state("served.json") == b"[]")
    await tasks.close()


async def test_a_full_disk_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """And again only after it had room in between."""
    saver = Saver(world.installer, world.catalogue)
    for full in (True, True, False, True):
        world.store.full = full
        await saver.save()

    assert len(caplog.messages) == 2
