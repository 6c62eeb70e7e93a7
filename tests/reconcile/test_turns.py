import asyncio

from daemon.reconcile.turns import in_turns


async def test_others_have_their_turn_between_portions() -> None:
    """And nothing is left out."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    seen = [item async for item in in_turns(range(50), portion=0.0)]
    task.cancel()

    assert seen == list(range(50))
    assert turns > 40
