"""Which registry a namespace means."""

from pathlib import Path

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.registries.directory import DirectoryRegistry
from daemon.registries.oci import OciRegistry
from daemon.registries.options import RegistryOptions
from daemon.registries.registries import Registries, transport
from daemon.skill import RegistryRef


async def test_each_place_is_one_object() -> None:
    """So that grants and hashes are kept."""
    async with Registries() as registries:
        team = registries.get(RegistryRef(host="r.example", repository="team"))

        assert isinstance(team, OciRegistry)
        assert registries.get(RegistryRef(host="r.example", repository="team")) is team
        assert registries.get(RegistryRef(host="r.example")) is not team
        assert registries.client("r.example") is registries.client("r.example")


async def test_a_folder_is_a_registry(tmp_path: Path) -> None:
    """It knows the digests of its files."""
    async with Registries() as registries:
        found = registries.get(RegistryRef(directory=tmp_path))

        assert isinstance(found, DirectoryRegistry)
        assert registries.get(RegistryRef(directory=tmp_path)) is found


async def test_what_is_no_host_is_a_configuration_error() -> None:
    """A user name in it would lead elsewhere."""
    async with Registries() as registries:
        with pytest.raises(DaemonError, match="not a registry host") as caught:
            registries.get(RegistryRef(host="user@evil.example"))

    assert caught.value.kind is ErrorKind.CONFIGURATION


def test_transport_is_per_host() -> None:
    """Plain HTTP and CAs of one registry mean nothing to another."""
    options = [
        RegistryOptions("a.example", plain_http=True),
        RegistryOptions("b.example", repository="team", user="u"),
        RegistryOptions("b.example", ca=Path("ca.pem")),
    ]

    assert transport(options, "a.example").plain_http
    assert transport(options, "b.example") == RegistryOptions("b.example", ca=Path("ca.pem"))
    assert transport(options, "c.example") == RegistryOptions("c.example")
