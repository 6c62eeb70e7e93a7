"""
What a manifest says: where the component's bytes are, or why there are none. Pure.

The reference accepts one layer `application/wasm` under one config type. Other tools publish the
same component under other media types; those seen in the wild are accepted too, since the
component's own bytes decide in the end what can be served. Signatures, attestations and indexes
of platforms may stand beside a component.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest, InvalidNameError
from daemon.registries.options import UNREADABLE

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST))

WASM_CONFIG = "application/vnd.wasm.config.v0+json"
WASM_LAYER = "application/wasm"
WASM_LAYERS = frozenset(
    {
        WASM_LAYER,
        "application/vnd.wasm.content.layer.v1+wasm",  # wasm-to-oci and its successors
        "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",  # early component tools
        "application/vnd.module.wasm.content.layer.v1+wasm",  # oras-based proxies
    }
)
"""Layer media types that hold the plain bytes of a component; the first is what we publish."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The blob that holds a component; size in bytes."""

    digest: Digest
    size: int


class _Platform(msgspec.Struct):
    architecture: str = ""


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str = ""
    size: int = -1
    media_type: str = ""
    artifact_type: str = ""
    platform: _Platform | None = None


class _Manifest(msgspec.Struct, rename="camel"):
    schema_version: int = 0
    media_type: str = ""
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None


def read(raw: bytes, what: str) -> Layer | Digest:
    """
    Return the component's layer, or the digest of the manifest that the index *raw* leads to.

    Raises DaemonError(BAD_ARTIFACT), its text starting with *what* was read.
    """
    try:
        manifest = msgspec.json.decode(raw, type=_Manifest)
    except UNREADABLE as error:
        raise _bad(what, f"has a manifest that can't be read: {error}") from error
    if manifest.schema_version != 2:
        raise _bad(what, f"has a manifest of schema {manifest.schema_version}, not 2")
    if manifest.manifests is not None and manifest.layers is None:
        return _single_manifest(manifest.manifests, what)
    return _single_layer(manifest.layers or [], what)


def _single_layer(layers: list[_Descriptor], what: str) -> Layer:
    if len(layers) != 1:
        raise _bad(
            what, f"has {len(layers)} layers{_listed(layers)}, but a component is exactly one"
        )
    layer = layers[0]
    if layer.media_type not in WASM_LAYERS:
        raise _bad(what, f"holds {layer.media_type or 'an untyped layer'}, not {WASM_LAYER}")
    if layer.size < 0:
        raise _bad(what, "has a layer without a size")
    return Layer(_digest(layer, what), layer.size)


def _single_manifest(manifests: list[_Descriptor], what: str) -> Digest:
    usable = list(_usable(manifests))
    if len(usable) != 1:
        raise _bad(
            what,
            f"is an index of {len(manifests)} manifests, {len(usable)} of them for WebAssembly: "
            "exactly one is needed",
        )
    return _digest(usable[0], what)


def _usable(manifests: Iterable[_Descriptor]) -> Iterable[_Descriptor]:
    """Those marked as WebAssembly, else (one manifest, unmarked) the only one there is."""
    images = [one for one in manifests if one.media_type in {MANIFEST, DOCKER_MANIFEST}]
    marked = [one for one in images if one.platform and one.platform.architecture == "wasm"]
    typed = [one for one in images if one.artifact_type in {WASM_CONFIG, WASM_LAYER}]
    unmarked = [one for one in images if one.platform is None and not one.artifact_type]
    return marked or typed or unmarked


def _digest(descriptor: _Descriptor, what: str) -> Digest:
    try:
        return Digest(descriptor.digest)
    except InvalidNameError as error:
        raise _bad(what, f"refers to an unusable digest: {error}") from error


def _listed(layers: list[_Descriptor]) -> str:
    kinds = ", ".join(layer.media_type or "untyped" for layer in layers[:4])
    return f" ({kinds}{', …' if len(layers) > 4 else ''})" if layers else ""


def _bad(what: str, why: str) -> DaemonError:
    return DaemonError(
        ErrorKind.BAD_ARTIFACT,
        f"{what} {why}; publish the component with `skilld publish` or the SDK's CLI",
    )
