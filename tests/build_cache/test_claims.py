"""Several processes on one cache directory."""

import shutil
import subprocess
import sys
from pathlib import Path

from daemon.build_cache.claims import Claim

OTHER = """
import sys
from pathlib import Path
from daemon.build_cache.claims import Claim
claim = Claim(Path(sys.argv[1]))
claim.update(pinned={"skills/theirs"})
print(claim.token, flush=True)
sys.stdin.read()
"""


def test_others_are_seen_while_they_live(tmp_path: Path) -> None:
    """The claim of a process dies with it, however it dies."""
    claim = Claim(tmp_path)
    claim.update(pinned={"ours"})
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        token = other.stdout.readline().strip()

        assert claim.others() == {token: frozenset({"skills/theirs"})}

        other.kill()
        other.wait()

        assert claim.others() == {}
    assert len(list((tmp_path / "claims").iterdir())) == 2
    claim.release()


def test_a_claim_survives_that_the_cache_is_wiped(tmp_path: Path) -> None:
    """The next update states all of it again."""
    one, two = Claim(tmp_path), Claim(tmp_path)
    one.update(pinned={"first", "gone"})
    shutil.rmtree(tmp_path)

    one.update(pinned={"second"}, unpinned={"gone"})

    assert two.others() == {one.token: frozenset({"first", "second"})}
    one.release()
    assert two.others() == {}
    assert list((tmp_path / "claims").iterdir()) == []


_GIVES_UP = """
import os, sys
from pathlib import Path
from daemon.build_cache.claims import Claim
claim = Claim(Path(sys.argv[1]))
claim.update(pinned={"ours"})
(Path(sys.argv[1]) / "claims").chmod(0o500)
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
claim.release()
"""


def test_a_claim_can_be_given_up_on_a_disk_that_became_read_only(tmp_path: Path) -> None:
    """It ends with the process anyway, which must not fail over it; the next one cleans up."""
    subprocess.run([sys.executable, "-c", _GIVES_UP, str(tmp_path)], check=True)
    assert list((tmp_path / "claims").glob("*.lock"))

    (tmp_path / "claims").chmod(0o700)
    assert Claim(tmp_path).others() == {}
    assert list((tmp_path / "claims").iterdir()) == []
