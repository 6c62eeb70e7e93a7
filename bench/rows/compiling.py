"""Compiling a Python Skill whose shared modules are compiled already."""

from statistics import mean, median

from bench.row import Bound, Row
from bench.stage import Stage


def second_compile(stage: Stage) -> Row:
    """Through the precompiler, its child and the cache, as the daemon does it."""
    seconds = stage.compiles()
    return Row(
        name="compile",
        what="compile of a second Python Skill",
        baseline="compiling it whole",
        bound=Bound(limit=0.1),
        value=median(seconds.second) / mean(seconds.whole),
        measured=f"{median(seconds.second):.2f} s against {mean(seconds.whole):.1f} s "
        f"(the first Skill, split: {seconds.first:.1f} s)",
        raw={"second": seconds.second, "whole": seconds.whole, "first": seconds.first},
    )
