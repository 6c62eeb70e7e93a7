"""
A worker that does what it is told: well-behaved or not.

`python scripted_child.py SCENARIO FD`; SCENARIO says how it starts, and the input of a call what
the "guest" does, for example `{"do": "exit"}`. One thread, no wasmtime.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from daemon.csi import interface as csi
from daemon.skill import Failure, MessageAppend, MessageBegin, SkillMetadata, ToolBegin
from daemon.workers import messages as m


class Child:
    """One connection to the parent."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.scripts: dict[int, dict] = {}
        self.credit: dict[int, int] = {}
        self.left: dict[int, int] = {}
        self.loaded: list[str] = []
        self.refused = False
        self.zombies = 0
        self.memory = 1 << 20
        self.warm: dict[str, int] = {}
        self.draining = False
        self.acts: dict[str, Callable[[m.Run, dict], None]] = {
            "echo": lambda run, _: self.done(run.call, output=run.input),
            "pid": self.pid,
            "loaded": lambda run, _: self.done(run.call, output=json.dumps(self.loaded).encode()),
            "fail": lambda run, _: self.done(run.call, failure=Failure("skill-failed", "no luck")),
            "strange": lambda run, _: self.done(run.call, failure=Failure("brand-new", "?")),
            "exit": lambda *_: self.die(),
            "garbage": lambda *_: self.connection.sendall(b"\0\0\0\3abc"),
            "giant": lambda *_: self.connection.sendall(b"\xff\xff\xff\xff"),
            "half": self.half,
            "hello": lambda *_: self.send(m.Hello(m.PROTOCOL)),
            "freeze": lambda *_: time.sleep(3600),
            "stay": lambda *_: None,
            "ignore": lambda *_: None,
            "warm": lambda run, _: self.done(run.call, output=json.dumps(self.warm).encode()),
            "left": lambda run, _: self.done(run.call, output=b"%d" % sum(self.left.values())),
            "zombie": self.zombie,
            "bloat": self.bloat,
            "host": lambda run, script: self.send(m.HostCall(run.call, 1, csi.ListTools())),
            "host-exit": self.host_exit,
            "twice": self.twice,
            "stream": self.stream,
            "flood": self.flood,
            "tool-event": lambda run, _: self.send(m.Event(run.call, ToolBegin("add"))),
        }

    def send(self, frame: m.FromWorker) -> None:
        self.connection.sendall(m.encode(frame))

    def done(self, call: int, *, output: bytes | None = None, failure: Failure | None = None):
        self.scripts.pop(call, None)
        self.send(m.Done(call, output, failure, cpu=0.5, warm=True))
        if self.draining and not self.scripts:
            sys.exit(0)

    def die(self) -> None:
        print("goodbye, cruel world", file=sys.stderr, flush=True)
        os._exit(3)

    def half(self, run: m.Run, script: dict) -> None:
        self.connection.sendall(m.encode(m.Done(run.call, b"1"))[:7])
        os._exit(0)

    def pid(self, run: m.Run, script: dict) -> None:
        if script.get("elsewhere") != os.getpid():
            self.done(run.call, output=str(os.getpid()).encode())

    def zombie(self, run: m.Run, script: dict) -> None:
        self.zombies += 1
        self.done(run.call, output=b"null")

    def bloat(self, run: m.Run, script: dict) -> None:
        self.memory = 1 << 30
        self.done(run.call, output=b"null")

    def host_exit(self, run: m.Run, script: dict) -> None:
        self.send(m.HostCall(run.call, 1, csi.ListTools()))

    def twice(self, run: m.Run, script: dict) -> None:
        for _ in range(2):
            self.host_exit(run, script)

    def stream(self, run: m.Run, script: dict) -> None:
        self.credit[run.call] = run.credit
        self.left[run.call] = script["events"]
        self.send_events(run.call)

    def send_events(self, call: int) -> None:
        while self.left[call] and self.credit[call]:
            self.send(m.Event(call, MessageAppend(str(self.left[call]))))
            self.left[call] -= 1
            self.credit[call] -= 1
        if not self.left[call]:
            self.done(call)

    def flood(self, run: m.Run, script: dict) -> None:
        event = m.encode(m.Event(run.call, MessageBegin()))
        self.connection.sendall(event * (run.credit + 1))

    def handle(self, frame: m.ToWorker) -> None:
        {
            m.Load: self.load,
            m.Unload: self.unload,
            m.Run: self.run,
            m.Cancel: self.cancel,
            m.Credit: self.credited,
            m.Answer: self.answered,
            m.Ping: lambda _: self.send(m.Pong(self.zombies, self.memory)),
            m.Drain: self.drain,
            m.Warm: self.warm_up,
        }[type(frame)](frame)

    def run(self, run: m.Run) -> None:
        self.scripts[run.call] = script = json.loads(run.input)
        self.acts[script.get("do", "echo")](run, script)

    def cancel(self, cancel: m.Cancel) -> None:
        script = self.scripts.get(cancel.call)
        if script is not None and script["do"] != "ignore":
            self.done(cancel.call, failure=Failure("cancelled", "stopped"))

    def credited(self, credit: m.Credit) -> None:
        if credit.call in self.credit:
            self.credit[credit.call] += credit.events
            self.send_events(credit.call)

    def unload(self, unload: m.Unload) -> None:
        self.loaded.remove(unload.artifact)
        self.warm.pop(unload.artifact, None)

    def warm_up(self, warm: m.Warm) -> None:
        self.warm.pop(warm.artifact, None)
        if warm.instances:
            self.warm[warm.artifact] = warm.memory

    def drain(self, _: m.Drain) -> None:
        self.draining = True
        if not self.scripts:
            sys.exit(0)

    def answered(self, answer: m.Answer) -> None:
        script = self.scripts.get(answer.call)
        if script is None:
            return
        if script["do"] == "host-exit":
            self.die()
        if answer.failure is not None:
            self.done(answer.call, failure=answer.failure)
        elif script["do"] == "host" and script.get("then") == "stream":
            self.credit[answer.call], self.left[answer.call] = 32, 1
            self.send_events(answer.call)
        else:
            names = [tool.name for tool in answer.reply.items]
            self.done(answer.call, output=json.dumps(names).encode())

    def load(self, frame: m.Load) -> None:
        if frame.artifact == "deadly":
            self.die()
        if frame.artifact == "slow":
            return
        if frame.artifact == "bad":
            self.send(m.Loaded("bad", Failure("missing-import", "imports wasi:http")))
            return
        if frame.artifact == "crowded" and not self.refused:
            self.refused = True
            refusal = Failure("overloaded", "no more threads", retry_after=1.0)
            self.send(m.Loaded("crowded", refusal))
            return
        if frame.artifact.startswith("brief"):
            time.sleep(0.002)
        if frame.artifact not in self.loaded:
            self.loaded.append(frame.artifact)
        metadata = SkillMetadata(description="scripted") if frame.describe else None
        self.send(m.Loaded(frame.artifact, metadata=metadata))

    def serve(self) -> None:
        buffer = b""
        while data := self.connection.recv(1 << 16):
            buffer += data
            while len(buffer) >= 4 and len(buffer) >= (
                end := 4 + int.from_bytes(buffer[:4], "big")
            ):
                frame, buffer = m.decode_to_worker(buffer[4:end]), buffer[end:]
                self.handle(frame)


def main() -> None:
    """Follow the scenario."""
    scenario, descriptor = sys.argv[-2:]
    child = Child(socket.socket(fileno=int(descriptor)))
    if scenario == "silent":
        time.sleep(3600)
    if scenario == "dead":
        print("no engine for this CPU", file=sys.stderr)
        sys.exit(7)
    if scenario == "rude":
        child.send(m.Pong(0, 0))
    if scenario == "environment":
        fds = list(Path("/proc/self/fd").iterdir())
        print(f"env={dict(os.environ)} fds={len(fds)} cwd={Path.cwd()}", file=sys.stderr)
        sys.exit(1)
    version = m.PROTOCOL + 1 if scenario == "newer" else m.PROTOCOL
    child.send(m.Hello(version))
    child.serve()


main()
