"""
The child program that runs guests: `python -m daemon.workers.main FD`.

Its own composition root: takes the socket that it inherited, shuts itself off from the rest of
the machine, says hello and serves until its parent is gone. Leaves out what it serves (`worker`).
"""

import gc
import os
import signal
import socket
import sys

from daemon.workers import messages
from daemon.workers.confinement import confine
from daemon.workers.link import Link
from daemon.workers.worker import Worker


def main() -> None:
    """Serve the parent at the other end of the socket whose descriptor is the argument."""
    descriptor = int(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the parent drains us
    unfiltered = confine(descriptor)
    if unfiltered is not None:
        print(f"worker: system calls are not filtered: {unfiltered}", file=sys.stderr)
    link = Link(socket.socket(fileno=descriptor))
    worker = Worker(send=link.send, leave=leave)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: worker.drain())
    gc.freeze()
    link.send(messages.Hello(messages.PROTOCOL))
    while (message := link.receive()) is not None:
        worker.handle(message)
    leave()


def leave() -> None:
    """End at once: guests that still run must not be waited for, and own nothing to be saved."""
    os._exit(0)


if __name__ == "__main__":
    main()
