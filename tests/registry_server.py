"""
A real registry: Debian's docker-registry, with TLS from a CA of its own and a password file.

It listens on a port of its own choosing, and on that one again after a restart.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import bcrypt
import pytest
import trustme

from daemon.registries.options import RegistryOptions
from daemon.secret import Secret
from tests.needs import needs

USER = "publisher"
PASSWORD = "a password: with a colon"
needs_registry = [pytest.mark.registry, needs("docker-registry", package="docker-registry")]
"""What marks the tests that use it: `pytestmark = needs_registry`."""

_CONFIG = """
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}/data}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  secret: of no use to anyone
  tls: {{certificate: {root}/cert.pem, key: {root}/key.pem}}
auth:
  htpasswd: {{realm: tests, path: {root}/htpasswd}}
"""


class RegistryServer:
    """One docker-registry with its storage below *root*; made by `running_registry`."""

    def __init__(self, root: Path) -> None:
        self.ca = root / "ca.pem"
        self._root = root
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._prepare()

    @property
    def host(self) -> str:
        """Name and port, as a namespace file would name it."""
        return f"localhost:{self._port}"

    @property
    def options(self) -> RegistryOptions:
        """What an operator would set to use it."""
        return RegistryOptions(self.host, user=USER, password=Secret(PASSWORD), ca=self.ca)

    @property
    def publishing(self) -> dict[str, str]:
        """The environment in which the public CLI publishes to it."""
        return {
            "SSL_CERT_FILE": str(self.ca),
            "SKILL_REGISTRY": self.host,
            "SKILL_REGISTRY_USER": USER,
            "SKILL_REGISTRY_TOKEN": PASSWORD,
        }

    def start(self) -> None:
        """Run until `stop`; returns once it listens."""
        config = self._root / "config.yml"
        config.write_text(_CONFIG.format(root=self._root, port=self._port))
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        self._port = _listening_port(self._process.stderr)

    def stop(self) -> None:
        """Kill it, in the midst of whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def damage(self, digest: str) -> None:
        """Flip a bit of a stored blob."""
        path = next((self._root / "data").glob(f"**/{digest.removeprefix('sha256:')}/data"))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def _prepare(self) -> None:
        ca = trustme.CA()
        certificate = ca.issue_cert("localhost")
        ca.cert_pem.write_to_path(str(self.ca))
        certificate.private_key_pem.write_to_path(str(self._root / "key.pem"))
        (self._root / "cert.pem").write_bytes(
            b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        )
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(rounds=4)).decode()
        (self._root / "htpasswd").write_text(f"{USER}:{hashed}\n")


@contextmanager
def running_registry(root: Path) -> Iterator[RegistryServer]:
    """Run a registry that keeps everything below *root*."""
    root.mkdir(parents=True, exist_ok=True)
    server = RegistryServer(root)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _listening_port(log: IO[str]) -> int:
    """Read the log until it names the port; leave a thread to drain the rest."""
    seen = []
    for line in log:
        seen.append(line)
        if "listening on" in line:
            threading.Thread(target=_drain, args=(log,), daemon=True).start()
            return int(
                line.split("listening on ")[1].split(",")[0].split('"')[0].rsplit(":", 1)[-1]
            )
    raise AssertionError(f"docker-registry does not start:\n{''.join(seen)}")


def _drain(log: IO[str]) -> None:
    with log:
        for _ in log:
            pass
