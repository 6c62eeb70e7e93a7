"""What a machine contributes to the cache key."""

from pathlib import Path

from daemon.build_cache.machine import cpu_features, this_build


def test_order_of_features_does_not_matter() -> None:
    """Kernels list them as they like."""
    assert cpu_features("flags\t: avx sse\n") == cpu_features("flags\t: sse avx\n")


def test_only_what_all_cpus_can_do_counts() -> None:
    """A guest may move from one to the other."""
    mixed = "flags : avx sse\nmodel : x\nflags : sse\n"

    assert cpu_features(mixed) == cpu_features("flags : sse")


def test_other_features_are_another_build() -> None:
    """Code for AVX-512 does not run without it."""
    assert cpu_features("Features : a b") != cpu_features("Features : a")


def test_this_machine_is_described_without_loading_wasmtime(tmp_path: Path) -> None:
    """Also where there is no /proc."""
    assert this_build(tmp_path / "missing").wasmtime
    assert this_build() == this_build()
