import os
import subprocess
import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

from scripts import dev


def test_an_address_that_is_taken_is_told_before_anything_starts() -> None:
    """Else another server's readiness would be taken for our own."""
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        thread = Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        address = f"127.0.0.1:{other.server_port}"

        done = subprocess.run(
            [sys.executable, dev.__file__],
            env={**os.environ, "KERNEL_ADDRESS": address},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        other.shutdown()
        thread.join()
    assert done.returncode == 1
    assert f"{address} is taken" in done.stderr
    assert "Ready" not in done.stdout
