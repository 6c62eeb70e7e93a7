"""
Every setting: its name, type, default and meaning, on one page.

Leaves out where values come from (`load`) and what operator namespaces mean
(`namespaces/config`): those are carried as the tables that were written.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from daemon.secret import Secret
from daemon.settings import parse


def _setting(parser: Callable[[object], Any], default: object, doc: str, *also: str) -> Any:
    """Declare a setting; *also* are the reference's names for the same thing."""
    return field(default=default, metadata={"parse": parser, "doc": doc, "also": also})


def _table(doc: str) -> Any:
    """Declare a setting that is a table, empty by default."""
    metadata = {"parse": parse.table, "doc": doc, "also": ()}
    return field(default_factory=lambda: MappingProxyType({}), metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, checked. A name is its field's name in capitals, or in kebab-case in TOML."""

    kernel_address: tuple[str, int] = _setting(
        parse.address,
        ("0.0.0.0", 8081),
        "Address of the HTTP API.",
    )
    metrics_address: tuple[str, int] = _setting(
        parse.address,
        ("0.0.0.0", 9000),
        "Address of the Prometheus metrics.",
    )
    namespaces_root: Path = _setting(
        parse.path,
        Path("namespaces"),
        "Directory of `<namespace>/namespace.toml`, kept by a git syncer.",
    )
    namespaces: Mapping[str, Any] = _table(
        "Operator namespaces: `NAMESPACES__<NAME>__<KEY>` or `[namespaces.name]`.",
    )
    namespace_update_interval: float = _setting(
        parse.seconds,
        10.0,
        "How often files are rescanned and moving tags resolved; edits kick earlier.",
    )
    allow_empty: bool = _setting(
        parse.boolean, False, "Let a root that became empty or vanished withdraw its Skills."
    )
    skill_build_cache: Path = _setting(
        parse.path,
        Path("skill_build_cache"),
        "Directory of pulled and precompiled components and of what was last served.",
        "WASMTIME_CACHE_DIR",
    )
    skill_build_cache_size: int = _setting(
        parse.budget,
        10 << 30,
        "Size that the cache is kept under; what is served is never evicted.",
        "WASMTIME_CACHE_SIZE_REQUEST",
        "WASMTIME_CACHE_SIZE_LIMIT",
    )
    registry: str | None = _setting(
        parse.optional_text, None, "Default registry host, for namespaces that name none."
    )
    base_repository: str = _setting(parse.text, "", "Repository prefix in the default registry.")
    registry_user: str | None = _setting(parse.optional_text, None, "User at the default registry.")
    registry_password: Secret = _setting(
        parse.secret, Secret(), "Password at the default registry."
    )
    registry_ca: Path | None = _setting(
        parse.optional_path, None, "Extra CA certificates (PEM) for the default registry."
    )
    registry_plain_http: bool = _setting(
        parse.boolean, False, "Talk plain HTTP to the default registry."
    )
    registries: Mapping[str, Any] = _table(
        'Per-registry options: `[registries."host"]` in `config.toml`, with `user`, `password`, '
        "`password-file`, `ca`, `plain-http`.",
    )
    docker_config: Path | None = _setting(
        parse.optional_path,
        None,
        "Docker's config.json, or its directory, for registry logins (default: docker's own).",
    )
    component_size_limit: int = _setting(parse.size, 512 << 20, "Largest component that is pulled.")
    precompile: Literal["tiered", "split", "whole"] = _setting(
        parse.policy,
        "tiered",
        "`split` (fast to deploy), `whole` (fast to run) or `tiered` (both).",
    )
    compile_parallelism: int = _setting(parse.positive, 1, "Compilations at a time.")
    compile_memory: int = _setting(parse.size, 4 << 30, "Memory cap of one compilation.")
    compile_timeout: float = _setting(parse.seconds, 300.0, "Time cap of one compilation.")
    workers: int = _setting(
        parse.positive,
        len(os.sched_getaffinity(0)),
        "Worker processes; one runs guest code on one core.",
    )
    skill_memory: int = _setting(parse.size, 1 << 30, "Memory cap of one call.")
    skill_timeout: float = _setting(
        parse.seconds, 600.0, "Wall-clock cap of one call, waiting for the host included."
    )
    skill_output: int = _setting(parse.size, 50 << 20, "Cap on the output of one call.")
    skill_concurrency: int = _setting(parse.positive, 1024, "Calls of one Skill at a time.")
    max_calls: int = _setting(parse.positive, 2048, "Calls of all Skills at a time.")
    queue_limit: int = _setting(parse.whole, 1024, "Calls that may wait for a worker.")
    queue_timeout: float = _setting(parse.seconds, 10.0, "How long a call may wait for a worker.")
    body_memory: int = _setting(
        parse.budget,
        512 << 20,
        "Memory for request bodies, all calls together; 64 KiB of each free.",
    )
    warm_instances: int = _setting(
        parse.whole, 2, "Instances kept ready for each hot Skill in each worker; 0 turns it off."
    )
    warm_memory: int = _setting(
        parse.budget, 256 << 20, "Memory for warm instances, all workers together."
    )
    worker_recycle_calls: int = _setting(
        parse.whole, 0, "Replace a worker after so many calls; 0 never."
    )
    worker_memory: int = _setting(
        parse.size, 2 << 30, "Replace a worker whose private memory exceeds this."
    )
    validate_input: bool = _setting(
        parse.boolean, False, "Check inputs against the schema that a Skill declares."
    )
    shutdown_timeout: float = _setting(
        parse.seconds, 25.0, "How long calls may finish on shutdown (Kubernetes kills after 30 s)."
    )
    cors_origins: tuple[str, ...] = _setting(
        parse.words, (), "Origins that browsers may call from; none by default."
    )
    authorization_url: str | None = _setting(
        parse.optional_url,
        None,
        "Identity service that checks bearer tokens; without it all may call.",
    )
    authorization_timeout: float = _setting(parse.seconds, 5.0, "Time cap of one such check.")
    authorization_cache: float = _setting(
        parse.span, 10.0, "How long a granted token is remembered; 0s asks each time."
    )
    inference_url: str | None = _setting(
        parse.optional_url, None, "Aleph Alpha inference; wins over OpenAI."
    )
    openai_inference: Mapping[str, Any] = _table(
        "OpenAI-compatible inference: `__URL` and `__TOKEN`."
    )
    inference_timeout: float = _setting(
        parse.seconds, 900.0, "Time cap of one request to inference, repeats included."
    )
    inference_start_timeout: float = _setting(
        parse.seconds,
        300.0,
        "How long a model may think before its answer begins; unstreamed, before it is whole.",
    )
    inference_idle_timeout: float = _setting(
        parse.seconds, 60.0, "How long an answer that began may pause."
    )
    document_index_url: str | None = _setting(
        parse.index_url, None, "Document Index service, or `embedded:PATH` for one without."
    )
    embedding_model: str | None = _setting(
        parse.optional_text,
        None,
        "Model of OPENAI_INFERENCE for semantic search in the embedded index.",
    )
    tokenizers: Mapping[str, Any] = _table(
        "Paths of `tokenizer.json` by model: `[tokenizers]` in `config.toml`."
    )
    chunking_characters: bool = _setting(
        parse.boolean, False, "Count characters where there is no tokenizer for a model."
    )
    mcp_servers: Mapping[str, Any] = _table(
        'MCP servers: `[mcp-servers."https://…"]` in `config.toml`, with `token`, `token-file`, '
        "`connect-timeout`, `call-timeout`, `namespaces`."
    )
    csi_tools: tuple[str, ...] = _setting(
        parse.words,
        ("*",),
        "Namespaces whose tools callers may use over `/csi`: `*` for all, empty for none.",
    )
    log_level: str = _setting(parse.text, "info", "error, warning, info or debug.")
    log_format: str = _setting(parse.text, "text", "`text` or `json`.")
    otel_endpoint: str | None = _setting(
        parse.optional_url, None, "OTLP/HTTP collector for traces; none by default."
    )
    otel_sampling_ratio: float = _setting(
        parse.ratio, 0.1, "Share of root traces that is exported."
    )
    otel_gen_ai_content_capture: bool = _setting(
        parse.boolean, False, "Accepted for compatibility: spans never hold prompts or answers."
    )
    pharia_ai_feature_set: str = _setting(
        parse.text, "1", "Accepted for compatibility: all features are always on."
    )
    memory_request: int | None = _setting(parse.budget, None, "Accepted for compatibility.")
    memory_limit: int | None = _setting(parse.budget, None, "Accepted for compatibility.")
    use_pooling_allocator: bool = _setting(parse.boolean, False, "Accepted for compatibility.")


FIELDS = MappingProxyType({one.name: one for one in fields(Settings)})
TABLES = frozenset({"namespaces", "registries", "openai_inference", "tokenizers", "mcp_servers"})
SECRETS = frozenset(name for name, one in FIELDS.items() if isinstance(one.default, Secret))
