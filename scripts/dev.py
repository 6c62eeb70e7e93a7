"""
Serve this repository's namespaces and example Skills on this machine, and say what to try.

Besides `namespaces/`, every component in `skill_build_cache/dev` is served in the namespace `dev`
as soon as it lies there. Settings that are already in the environment win.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import threading
from pathlib import Path

ADDRESS = "127.0.0.1:8081"
SETTINGS = {
    "KERNEL_ADDRESS": ADDRESS,
    "METRICS_ADDRESS": "127.0.0.1:9000",
    "NAMESPACES_ROOT": "namespaces",
    "NAMESPACES__DEV__DIRECTORY": "skill_build_cache/dev",
}
TRY = """
Ready. Try:

  curl -s {address}/v1/skills
  curl -s {address}/v1/skills/example/greet/run --json '{{"name": "Ada"}}'
  curl -N {address}/v1/skills/example/recite/message-stream --json '{{"text": "to be or not"}}'

Edit namespaces/example/namespace.toml and call again. Ctrl-C ends.
"""


def main() -> int:
    environment = {**SETTINGS, **os.environ}
    address = environment["KERNEL_ADDRESS"]
    if readiness(address) is not None:
        sys.exit(
            f"{address} is taken: end what listens there, or set KERNEL_ADDRESS to another one"
        )
    ended = threading.Event()
    command = [str(Path(sys.executable).with_name("skilld")), "serve"]
    with subprocess.Popen(command, env=environment) as server:
        threading.Thread(target=announce, args=(address, ended), daemon=True).start()
        while server.returncode is None:
            # On Ctrl-C the server has had the signal too, and takes its time to drain.
            with contextlib.suppress(KeyboardInterrupt):
                server.wait()
        ended.set()
    return server.returncode


def announce(address: str, ended: threading.Event) -> None:
    """Tell what the server at *address* is waiting for, and, once it is ready, what to try."""
    unready = 0
    while not ended.wait(0.2):
        match readiness(address):
            case 200:
                print(TRY.format(address=address), flush=True)
                return
            case int():
                unready += 1
                if unready == 5:  # after a second: from the cache it takes less
                    print("Compiling the Skills, some 20 s the first time", flush=True)


def readiness(address: str) -> int | None:
    """The status of the readiness probe; None while nobody listens."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
