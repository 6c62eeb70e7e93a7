"""The docs tell the truth: tables, names, links and examples are checked against the code."""

import re
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.api import app as api
from daemon.api import errors
from daemon.errors import ErrorKind
from daemon.namespaces.config import CHAT_FIELDS, REGISTRY_KEYS, SKILL_FIELDS, TOP_KEYS, parse
from daemon.reconcile import report
from daemon.reconcile.validate import validate
from daemon.settings.load import load
from daemon.settings.model import FIELDS, SECRETS, TABLES
from daemon.skill import World
from daemon.wiring import operators, registry_options
from scripts.docs_tables import filled

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
OPERATORS = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
DEVELOPERS = (ROOT / "docs" / "developers.md").read_text(encoding="utf-8")
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_VARIABLE = re.compile(r"^#?([A-Z][A-Z0-9_]+)=", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced code of a page."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if found[1] == language:
            yield found[2]


def known_variables() -> set[str]:
    """All that may be set in the environment, tables aside."""
    aliases = {one for field in FIELDS.values() for one in field.metadata["also"]}
    return {name.upper() for name in FIELDS} | {f"{n.upper()}_FILE" for n in SECRETS} | aliases


def is_setting(variable: str) -> bool:
    """Tell whether skilld reads *variable*."""
    return variable in known_variables() or any(
        variable.startswith(f"{table.upper()}__") for table in TABLES
    )


# Tables and names ---------------------------------------------------------------------------------


@every_page
def test_tables_are_what_the_code_says(page: Path) -> None:
    """`make docs` writes them."""
    text = page.read_text(encoding="utf-8")

    assert text == filled(text), "run `make docs`"


def test_every_setting_every_error_and_every_command_has_its_table() -> None:
    """All in the operator's guide."""
    for name in ("settings", "errors", "metrics", "commands"):
        assert f"<!-- table: {name} -->" in OPERATORS, name


def test_every_key_of_a_namespace_file_is_explained() -> None:
    """Keys of Skills, chats, registries, and of the file itself."""
    for key in (*TOP_KEYS, *REGISTRY_KEYS, *SKILL_FIELDS, *CHAT_FIELDS):
        assert re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`", OPERATORS), key


def test_every_reason_of_a_condition_is_explained() -> None:
    """As it stands in the code that gives it; those of Skills are made of error codes."""
    source = Path(report.__file__).read_text(encoding="utf-8")
    reasons = set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]+)*)"', source)) - {
        "True",
        "False",
        "Unknown",
    }

    assert {"EmptyGuard", "BuildFailed"} <= reasons
    assert {one for one in reasons if f"`{one}`" not in OPERATORS} == set()


def test_reasons_of_skills_that_the_guide_names_exist() -> None:
    """`NotInRegistry` is the code `not-in-registry`."""
    made = {"".join(word.capitalize() for word in kind.split("-")) for kind in errors.TABLE}
    section = OPERATORS.partition("## When something fails")[2]
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", section))

    assert named - made <= {"BuildFailed", "EmptyGuard", "ArtifactFailed"}


def test_every_error_of_an_installation_has_a_way_out() -> None:
    """They share one title, so the table of failures has to tell them apart."""
    unloadable = errors.TABLE[ErrorKind.NOT_IN_REGISTRY]
    section = OPERATORS.partition("## When something fails")[2]
    for kind, meaning in errors.TABLE.items():
        if meaning is unloadable and kind is not ErrorKind.SKILL_UNSERVABLE:
            assert f"`{''.join(word.capitalize() for word in kind.split('-'))}`" in section, kind


def test_every_route_for_operators_is_explained() -> None:
    """Those of Skills are in the developer's guide; the OpenAPI document has all of them."""
    for _, path, _ in (*api.GUARDED, *api.OPEN):
        plain = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", path.replace(":[^/]+", ""))
        if plain.startswith(("/v1/namespaces", "/v1/catalogue", "/-/", "/livez", "/readyz")):
            assert plain in OPERATORS, plain


def test_every_world_is_listed() -> None:
    """With a link to its text."""
    for world in World:
        assert f"(../wit/{world.value}/skill.wit)" in DEVELOPERS, world


def test_codes_that_the_guides_name_exist() -> None:
    """A misspelt one would be searched for in vain."""
    dashed = re.findall(r"\b(?:40\d|409|422|429|50\d) `([a-z]+(?:-[a-z]+)+)`", OPERATORS)
    rows = re.findall(r"^\|[^|]+\| (?:\d{3}|event) \| `([a-z-]+)` \|$", DEVELOPERS, re.MULTILINE)

    assert dashed
    assert rows
    assert {*dashed, *rows} <= {kind.value for kind in errors.TABLE}


# Links and paths ----------------------------------------------------------------------------------


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Files of this repository, and headings in them."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings are linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_maps_what_is_there() -> None:
    """Each name of the map is a path, below the one that it is indented under."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Where things are")[2]
    found = _BLOCK.search(text)
    assert found is not None
    parent = ROOT
    for line in found[2].splitlines():
        name = "".join(takewhile(lambda letter: letter != " ", line.strip()))
        indented = line.startswith(" ")
        path = (parent if indented else ROOT) / name
        assert path.exists(), line
        parent = parent if indented else path


# Examples -----------------------------------------------------------------------------------------


@every_page
def test_toml_examples_are_valid(page: Path) -> None:
    """Those of a namespace are parsed as one, those of settings loaded."""
    for text in blocks(page, "toml"):
        first = text.partition("\n")[0]
        if first.endswith("namespace.toml"):
            assert parse(text.encode(), file=page.name)[1] == (), text
        else:
            assert first == "# config.toml", text
            check_config(text)


def check_config(text: str) -> None:
    """Load a config.toml as the daemon does. Raises DaemonError."""
    settings = load(environ={}, config_text=text).settings
    registry_options(settings, operators(settings))


@every_page
def test_yaml_examples_parse(page: Path) -> None:
    """And are not empty."""
    for text in blocks(page, "yaml"):
        assert yaml.safe_load(text)


def test_the_example_settings_are_settings() -> None:
    """All variables of `.env.example`, those in comments as well."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = _VARIABLE.findall(text)

    assert names
    assert [name for name in names if not is_setting(name)] == []
    everything = re.sub(r"^#(?=[A-Z][A-Z0-9_]+=)", "", text, flags=re.MULTILINE)
    operators(load(environ={}, dotenv_text=everything).settings)


def test_the_example_config_loads() -> None:
    """As it is."""
    check_config((ROOT / "config.example.toml").read_text(encoding="utf-8"))


def test_the_example_namespaces_are_valid() -> None:
    """What `make dev` serves."""
    assert validate(ROOT / "namespaces") == []


def test_variables_that_the_guides_set_are_settings() -> None:
    """In shell examples: capitals that are neither the shell's nor the SDK's."""
    foreign = re.compile(r"SKILL_REGISTRY|SKILL_REPOSITORY|PHARIA_")
    for page in PAGES:
        for text in blocks(page, "sh"):
            for name in re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]{3,})=", text):
                assert is_setting(name) or foreign.match(name), name


# Deployment ---------------------------------------------------------------------------------------


def documents(file: Path) -> list[dict[str, Any]]:
    """The objects of one manifest."""
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_manifests_are_objects(file: Path) -> None:
    """With a kind and a name."""
    for one in documents(file):
        assert one["apiVersion"]
        assert one["kind"] == "Kustomization" or one["metadata"]["name"]


def test_the_kustomization_lists_all_manifests_but_examples() -> None:
    """An unlisted one would never be applied."""
    listed = documents(ROOT / "deploy/kubernetes/kustomization.yaml")[0]["resources"]
    there = {one.name for one in MANIFESTS} - {"kustomization.yaml", "secret.example.yaml"}

    assert set(listed) == there


def deployed() -> dict[str, Any]:
    """The pod of the Deployment."""
    pod: dict[str, Any] = documents(ROOT / "deploy/kubernetes/deployment.yaml")[0]["spec"][
        "template"
    ]["spec"]
    return pod


def container() -> dict[str, Any]:
    """The one that runs skilld."""
    return next(one for one in deployed()["containers"] if one["name"] == "skilld")


def test_the_deployment_sets_settings_only() -> None:
    """In the container and in its ConfigMap, whose config.toml loads."""
    settings, config = documents(ROOT / "deploy/kubernetes/configmap.yaml")
    names = [one["name"] for one in container()["env"]] + list(settings["data"])

    assert [name for name in names if not is_setting(name)] == []
    load(environ=settings["data"])
    check_config(config["data"]["config.toml"])


def test_the_deployment_gives_calls_the_time_to_finish() -> None:
    """Kubernetes kills after the grace period: the sleep and the drain have to fit."""
    settings = load(
        environ=documents(ROOT / "deploy/kubernetes/configmap.yaml")[0]["data"]
    ).settings
    sleep = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])

    assert sleep + settings.shutdown_timeout < deployed()["terminationGracePeriodSeconds"]


def test_probes_ask_paths_that_exist() -> None:
    """And liveness depends on nothing."""
    paths = {path for _, path, _ in api.OPEN}
    probes = {name: one["httpGet"]["path"] for name, one in container().items() if "Probe" in name}

    assert set(probes.values()) <= paths
    assert probes["livenessProbe"] == "/livez"
    assert probes["readinessProbe"] == "/readyz"


def test_what_the_pod_mounts_is_a_volume_of_it() -> None:
    """Names are only compared by Kubernetes, when it is too late."""
    pod = deployed()
    volumes = {one["name"] for one in pod["volumes"]}
    for one in (*pod["initContainers"], *pod["containers"]):
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes


def test_the_unit_sets_settings_and_waits_for_the_drain() -> None:
    """Systemd kills after TimeoutStopSec."""
    text = (ROOT / "deploy/systemd/skilld.service").read_text(encoding="utf-8")
    variables = re.findall(r"^Environment=([A-Z_]+)=", text, re.MULTILINE)
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)

    assert variables
    assert all(map(is_setting, variables))
    assert stop is not None
    assert int(stop[1]) > load(environ={}).settings.shutdown_timeout


def test_the_containerfile_copies_what_is_there_and_sets_settings() -> None:
    """It is not built here: this much can be known."""
    text = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert all((ROOT / name).exists() for line in sources for name in line.split())
    assert {build["project"]["readme"], *build["project"]["license-files"]} <= {
        name for line in sources for name in line.split()
    }
    assert all(map(is_setting, re.findall(r"^\s+(?:ENV )?([A-Z_]{8,})=(?!1)", text, re.MULTILINE)))
