"""
Which artifacts are loaded, how many calls use each, and which are worth warm instances. Pure.

An artifact that was retired stays until its last call has ended. Leaves out who loads them
(`fleet`).
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmPolicy:
    """
    How many instances are made ahead.

    `instances` for each hot artifact in each worker, 0 for none. `memory` in bytes bounds all of
    them in all workers, `instance` is what one is reckoned to take. `fades`: what remains of an
    artifact's heat after one period.
    """

    instances: int = 2
    memory: int = 256 << 20
    instance: int = 1 << 20
    fades: float = 0.98

    def artifacts(self, *, workers: int) -> int:
        """Return how many artifacts can have warm instances."""
        each = self.instances * self.instance * max(1, workers)
        return max(0, self.memory) // each if each > 0 else 0


@dataclass(slots=True)
class _Use:
    """One artifact. Owned by its `Shelf`; heat is a count of calls that fades with time."""

    memory: int = 1 << 30
    calls: int = 0
    heat: float = 0.0
    retired: bool = False


class Shelf:
    """All loaded artifacts, by id. Owned by the supervisor."""

    def __init__(self, policy: WarmPolicy) -> None:
        self._policy = policy
        self._uses: dict[str, _Use] = {}

    def add(self, artifact: str) -> None:
        """It is loaded, and as good as called: a fresh deployment is warmed too."""
        use = self._uses.setdefault(artifact, _Use())
        use.retired = False
        use.heat += 1.0

    def take(self, artifact: str, *, memory: int) -> bool:
        """A call with this cap of memory uses it; False if it is not loaded (any more)."""
        use = self._uses.get(artifact)
        if use is None:
            return False
        use.calls += 1
        use.memory = memory
        use.heat += 1.0
        return True

    def give_back(self, artifact: str) -> bool:
        """A call of it has ended; return whether it is to be unloaded now."""
        use = self._uses[artifact]
        use.calls -= 1
        return self._dropped(artifact, use)

    def retire(self, artifact: str) -> bool:
        """Nobody will ask for it again; return whether it is to be unloaded now."""
        use = self._uses.get(artifact)
        if use is None:
            return False
        use.retired = True
        return self._dropped(artifact, use)

    def _dropped(self, artifact: str, use: _Use) -> bool:
        if use.calls or not use.retired:
            return False
        del self._uses[artifact]
        return True

    def cool(self) -> None:
        """A period has passed."""
        for use in self._uses.values():
            use.heat *= self._policy.fades

    def few(self, *, workers: int) -> bool:
        """Whether all can be warm, so that there is nothing to choose."""
        return len(self._uses) <= self._policy.artifacts(workers=workers)

    def hottest(self, *, workers: int) -> Iterable[tuple[str, int]]:
        """Return the artifacts to keep warm in each of so many workers, with their memory caps."""
        wanted = (
            (-use.heat, artifact, use.memory)
            for artifact, use in self._uses.items()
            if not use.retired
        )
        ranked = sorted(wanted)[: self._policy.artifacts(workers=workers)]
        return [(artifact, memory) for _, artifact, memory in ranked]
