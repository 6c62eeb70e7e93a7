"""Under which names compiled files are kept."""

from dataclasses import fields, replace

from daemon.build_cache.key import (
    Build,
    artifact_id,
    component_file,
    digest_hex,
    module_file,
    skill_file,
)
from daemon.names import Digest

DIGEST = Digest("sha256:" + "a" * 64)
BUILD = Build(wasmtime="50.0.1", target="x86_64-linux", cpu="abc")


def test_every_part_of_the_build_changes_the_fingerprint() -> None:
    """Native code fits one build only."""
    changed = [replace(BUILD, **{one.name: "other"}) for one in fields(BUILD)]

    assert len({build.fingerprint for build in [BUILD, *changed]}) == 1 + len(fields(BUILD))


def test_parts_do_not_run_into_each_other() -> None:
    """`ab` + `c` is not `a` + `bc`."""
    one, two = replace(BUILD, target="ab", cpu="c"), replace(BUILD, target="a", cpu="bc")

    assert one.fingerprint != two.fingerprint


def test_files_are_named_by_content_variant_and_build() -> None:
    """Pulled components do not depend on the build."""
    other = replace(BUILD, wasmtime="51.0.0")

    assert component_file(DIGEST) == f"components/{'a' * 64}.wasm"
    assert skill_file(DIGEST, "split", BUILD) != skill_file(DIGEST, "whole", BUILD)
    assert skill_file(DIGEST, "split", BUILD) != skill_file(DIGEST, "split", other)
    assert module_file("b" * 64, BUILD) != module_file("b" * 64, other)
    assert artifact_id(DIGEST, "split", BUILD) != artifact_id(DIGEST, "split", other)


def test_a_file_tells_whose_it_is() -> None:
    """Be it pulled or compiled."""
    for name in (component_file(DIGEST), skill_file(DIGEST, "split", BUILD)):
        assert digest_hex(name) == DIGEST.hex
