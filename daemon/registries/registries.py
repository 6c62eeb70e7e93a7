"""
Which registry a namespace means: one object per place, all over one HTTP session.

Leaves out how either kind works (`directory`, `oci`), and the operator's settings, from which
the options come.
"""

from collections.abc import Iterable
from pathlib import Path

import aiohttp

from daemon.errors import DaemonError, ErrorKind
from daemon.names import InvalidNameError
from daemon.registries.base import Registry
from daemon.registries.client import RegistryClient
from daemon.registries.credentials import Credentials
from daemon.registries.directory import DirectoryRegistry
from daemon.registries.network import open_session
from daemon.registries.oci import OciRegistry
from daemon.registries.options import Patience, RegistryOptions
from daemon.registries.reference import check_host
from daemon.skill import RegistryRef


class Registries:
    """
    All registries of one daemon, made when first asked for. Owned by the composition root.

    *options* are the operator's words about hosts; of several entries for one host each may bring
    credentials for its repository, and the first that says so its transport.
    """

    def __init__(
        self,
        *,
        options: Iterable[RegistryOptions] = (),
        docker_config: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._options = tuple(options)
        self._credentials = Credentials(self._options, docker_config)
        self._patience = patience or Patience()
        self._registries: dict[RegistryRef, Registry] = {}
        self._clients: dict[str, RegistryClient] = {}
        self._session: aiohttp.ClientSession | None = None

    def get(self, ref: RegistryRef) -> Registry:
        """Return the registry of *ref*. Raises DaemonError(CONFIGURATION) for an unusable host."""
        if ref not in self._registries:
            self._registries[ref] = self._make(ref)
        return self._registries[ref]

    def client(self, host: str) -> RegistryClient:
        """Return the client of the registry at *host*. Needs a running loop."""
        if host not in self._clients:
            self._clients[host] = self._connect(host)
        return self._clients[host]

    async def close(self) -> None:
        """Close all connections; nothing can be asked afterwards."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> "Registries":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _make(self, ref: RegistryRef) -> Registry:
        if ref.directory is not None:
            return DirectoryRegistry(ref.directory, component_size=self._patience.component_size)
        return OciRegistry(self.client(ref.host), base=ref.repository)

    def _connect(self, host: str) -> RegistryClient:
        try:
            check_host(host)
        except InvalidNameError as error:
            raise DaemonError(ErrorKind.CONFIGURATION, str(error)) from error
        if self._session is None:
            self._session = open_session(self._patience)
        return RegistryClient(
            transport(self._options, host),
            session=self._session,
            credentials=self._credentials,
            patience=self._patience,
        )


def transport(options: Iterable[RegistryOptions], host: str) -> RegistryOptions:
    """Return how *host* is reached: by TLS, unless an entry for it says otherwise."""
    entries = [entry for entry in options if entry.host == host]
    return RegistryOptions(
        host=host,
        ca=next((entry.ca for entry in entries if entry.ca), None),
        plain_http=any(entry.plain_http for entry in entries),
    )
