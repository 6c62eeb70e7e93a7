"""What others of the same user see of a private process."""

import subprocess
import sys

import pytest

# The one who looks gives its capabilities up, as tests may run as root; so does the other.
_PROGRAM = """
import subprocess, sys
from daemon.privacy import keep_private
from daemon.workers.confinement import drop_capabilities
drop_capabilities()
if sys.argv[2] == "private":
    keep_private()
look = '''
import os, sys
from daemon.workers.confinement import drop_capabilities
drop_capabilities()
try:
    with open(f"/proc/{os.getppid()}/{sys.argv[1]}", "rb"):
        print("seen")
except PermissionError:
    print("refused")
'''
subprocess.run([sys.executable, "-c", look, sys.argv[1]], check=True)
"""


@pytest.mark.parametrize("name", ["environ", "mem", "maps"])
@pytest.mark.parametrize(("how", "expected"), [("private", "refused"), ("plain", "seen")])
def test_others_can_not_look_into_a_private_process(name: str, how: str, expected: str) -> None:
    """Where they otherwise can."""
    command = [sys.executable, "-c", _PROGRAM, name, how]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == f"{expected}\n"


def test_a_private_process_can_look_at_itself() -> None:
    """At what metrics need: memory and the number of descriptors."""
    program = """
import os
from daemon.privacy import keep_private
keep_private()
open("/proc/self/statm").read()
print(len(os.listdir("/proc/self/fd")) > 2)
"""
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "True\n"
