"""What manifests say."""

import json
from typing import Any

import pytest

from daemon.errors import DaemonError, ErrorKind
from daemon.names import Digest
from daemon.registries import manifest
from daemon.registries.manifest import Layer

ONE, TWO = Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64)
WASM = {"mediaType": "application/wasm", "digest": ONE, "size": 7}


def read(**document: Any) -> Layer | Digest:
    """Read a manifest of these parts."""
    return manifest.read(json.dumps({"schemaVersion": 2} | document).encode(), "the Skill")


@pytest.mark.parametrize("media_type", sorted(manifest.WASM_LAYERS))
def test_the_layer_is_found_under_every_media_type_in_use(media_type: str) -> None:
    """The component's bytes decide later whether it can be served."""
    assert read(layers=[WASM | {"mediaType": media_type}]) == Layer(ONE, 7)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"layers": []}, "0 layers"),
        ({"layers": [WASM, WASM]}, "2 layers .application/wasm, application/wasm."),
        ({}, "0 layers"),
        ({"layers": [WASM | {"mediaType": "application/tar"}]}, "holds application/tar"),
        ({"layers": [WASM | {"digest": "sha512:12"}]}, "unusable digest"),
        ({"layers": [WASM | {"digest": "sha256:../../x"}]}, "unusable digest"),
        ({"layers": [WASM | {"size": -7}]}, "without a size"),
        ({"layers": [WASM | {"size": "7"}]}, "can't be read"),
        ({"layers": "none"}, "can't be read"),
        ({"schemaVersion": 1}, "schema 1"),
        ({"manifests": []}, "index of 0 manifests"),
    ],
)
def test_what_is_no_skill_is_a_bad_artifact(document: dict[str, Any], text: str) -> None:
    """The text says what it is, and how to publish."""
    with pytest.raises(DaemonError, match=text) as caught:
        read(**document)

    assert caught.value.kind is ErrorKind.BAD_ARTIFACT
    assert caught.value.detail.startswith("the Skill ")
    assert "skilld publish" in caught.value.detail


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b"null", b"<html>", b'{"x":' + b"[" * 100_000]
)
def test_what_is_no_manifest_is_a_bad_artifact(raw: bytes) -> None:
    """Never another exception."""
    with pytest.raises(DaemonError, match="can't be read"):
        manifest.read(raw, "the Skill")


ENTRY = {"mediaType": manifest.MANIFEST, "digest": ONE, "size": 7}
OTHER = ENTRY | {"digest": TWO}


@pytest.mark.parametrize(
    "entries",
    [
        [ENTRY],
        [ENTRY | {"platform": {"architecture": "wasm"}}, OTHER],
        [ENTRY | {"artifactType": manifest.WASM_CONFIG}, OTHER],
        [ENTRY, OTHER | {"platform": {"architecture": "amd64"}}],
        [ENTRY, OTHER | {"mediaType": "application/vnd.in-toto+json"}],
    ],
)
def test_an_index_leads_to_its_only_webassembly_manifest(entries: list[Any]) -> None:
    """Marked as such, or the only one without a platform."""
    assert read(manifests=entries) == ONE


def test_an_index_of_several_is_ambiguous() -> None:
    """We don't guess."""
    with pytest.raises(DaemonError, match="2 of them for WebAssembly"):
        read(manifests=[ENTRY, OTHER])
