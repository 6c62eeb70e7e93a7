"""Twenty Python Skills: how soon they are back after a restart, and what they weigh."""

import http.client
import time
from collections.abc import Iterable
from statistics import median

from bench.memory import proportional
from bench.row import Bound, Row
from bench.stage import MANY, TOPIC, Stage, hello
from tests.e2e.harness import Daemon
from tests.e2e.skills import names, wanting

_FEW = 2


def restart(stage: Stage) -> Row:
    """From the start of the process until it is ready and serves all; then each is called once."""
    many = stage.many()
    took = []
    skills = many / "skills"
    with stage.daemon(many / "cache", PRECOMPILE="split") as daemon:
        daemon.write(wanting(*_wanted(MANY), path=skills))
        _call(daemon, range(1, MANY + 1))
        gone = skills.rename(many / "skills-off")
        try:
            for _ in stage.rounds(6, 3):
                daemon.stop()
                start = time.perf_counter()
                daemon.start().ready()
                _await_all(daemon)
                took.append(time.perf_counter() - start)
                _call(daemon, range(1, MANY + 1))
        finally:
            gone.rename(skills)
    return Row(
        name="restart",
        what=f"restart with {MANY} Python Skills until all are ready",
        baseline="absolute; registry off",
        bound=Bound(limit=2.0),
        value=median(took),
        unit="s",
        measured=f"from {min(took):.2f} to {max(took):.2f} s",
        raw={"seconds": took},
    )


def memory(stage: Stage) -> Row:
    """All processes' share of memory with 20 Skills, each called, less that with 2."""
    many = stage.many()
    grown = []
    few, all_of_them = range(1, _FEW + 1), range(1, MANY + 1)
    for _ in stage.rounds(2, 1):
        with stage.daemon(many / "cache", PRECOMPILE="split", WARM_INSTANCES=0) as daemon:
            daemon.write(wanting(*_wanted(_FEW), path=many / "skills"))
            _call(daemon, few, times=8)
            before = proportional(daemon)
            daemon.write(wanting(*_wanted(MANY), path=many / "skills"))
            _call(daemon, all_of_them, times=8)
            after = proportional(daemon)
        grown.append((after - before) / (MANY - _FEW) / (1 << 20))
    return Row(
        name="memory",
        what="memory (PSS of all processes) per further Python Skill served and called",
        baseline="absolute; no warm instances",
        bound=Bound(limit=8.0),
        value=median(grown),
        unit="MB",
        measured=f"{before >> 20} MB with {_FEW}, {after >> 20} MB with {MANY}",
        raw={"megabytes": grown},
    )


def _wanted(count: int) -> Iterable[str]:
    return names(count, prefix="hello")


def _await_all(daemon: Daemon) -> None:
    """Wait until all are served, as the status has it."""

    def served() -> int:
        skills = daemon.status("team").get("skills") or ()
        return sum(one["served_digest"] is not None for one in skills)

    daemon.eventually(served, lambda count: count == MANY, within=60)


def _call(daemon: Daemon, numbers: Iterable[int], *, times: int = 1) -> None:
    """Call each Skill, the first time until it answers well."""
    for number in numbers:
        daemon.answers(f"team/hello-{number}", hello(number), to={"topic": "you"}, within=60)
    connection = http.client.HTTPConnection(*daemon.address, timeout=60)
    for number in (number for number in numbers for _ in range(times - 1)):
        path = f"/v1/skills/team/hello-{number}/run"
        connection.request("POST", path, TOPIC, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    connection.close()
