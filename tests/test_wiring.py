import pwd
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from prometheus_client import generate_latest

from daemon.catalogue import Catalogue, ServedChat
from daemon.errors import DaemonError, ErrorKind
from daemon.names import SkillPath
from daemon.namespaces.status import NamespaceStatus
from daemon.observability.metrics import Metrics
from daemon.reconcile.attempt import Event
from daemon.settings.load import load
from daemon.settings.model import Settings
from daemon.skill import ChatSpec, Limits, RegistryRef
from daemon.wiring import (
    Built,
    Heat,
    counter,
    default_registry,
    docker_config,
    fleet_policy,
    observer,
    operators,
    registry_options,
    skill_limits,
    supervisor_policy,
)
from daemon.workers.report import Finished

PATH = SkillPath.parse("team", "greet")


def test_numbers_go_to_those_whom_they_bound() -> None:
    """A mix-up of two would go unnoticed for long."""
    settings = Settings(
        workers=3,
        max_calls=5,
        queue_limit=7,
        warm_instances=11,
        warm_memory=13,
        worker_recycle_calls=17,
        worker_memory=19,
        skill_memory=23,
        skill_timeout=29.0,
        skill_output=31,
        skill_concurrency=37,
    )

    fleet, supervisor = fleet_policy(settings), supervisor_policy(settings)

    assert (fleet.workers, fleet.health.calls, fleet.health.resident) == (3, 17, 19)
    assert fleet.drain > 29.0
    assert (supervisor.bounds.calls, supervisor.bounds.queue) == (5, 7)
    assert (supervisor.warm.instances, supervisor.warm.memory) == (11, 13)
    assert skill_limits(settings) == Limits(memory=23, timeout=29.0, output=31, concurrency=37)


def test_the_default_registry_is_one_only_if_a_host_is_set() -> None:
    """Its repository is without outer slashes."""
    assert default_registry(Settings()) is None
    assert default_registry(Settings(registry="r", base_repository="/a/b/")) == RegistryRef(
        host="r", repository="a/b"
    )


def test_credentials_of_hosts_namespaces_and_the_default_stand_side_by_side() -> None:
    """Each says where it was set, for error texts."""
    settings = load(
        environ={
            "REGISTRY": "one:5000",
            "REGISTRY_USER": "me",
            "REGISTRY_PASSWORD": "hush",
            "NAMESPACES__A__CONFIG_URL": "https://example.org/n.toml",
            "NAMESPACES__A__REGISTRY": "three",
            "NAMESPACES__A__REGISTRY_USER": "her",
            "NAMESPACES__A__REGISTRY_PASSWORD": "hush",
        },
        config_text='[registries."two"]\nuser = "you"\npassword-file = "p"\nplain-http = true',
    ).settings

    options = registry_options(settings, operators(settings))

    assert [(one.host, one.user, one.plain_http) for one in options] == [
        ("two", "you", True),
        ("one:5000", "me", False),
        ("three", "her", False),
    ]
    assert options[0].password.file == Path("p")
    assert "REGISTRY_USER" in options[1].source


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ('[registries."r"]\nuzer = "x"', "uzer is not a key: choose from ca, password"),
        ('[registries]\n"r" = 1', "must be a table"),
        ('[registries.r]\nplain-http = "no way"', "plain-http: 'no way' is neither true nor false"),
        ('[registries.r]\nca = "~nobody-of-this-name/ca"', "ca: .* no home directory is known"),
        ('[registries.r]\nuser = "x"', 'user is set, registries."r": password is not'),
        ('[registries.r]\npassword = "x"', 'password is set, registries."r": user is not'),
        ('registry = "r"\nregistry-user = "x"', "REGISTRY_USER is set, REGISTRY_PASSWORD is not"),
        ('registry = "r"\nregistry-password = "x"', "REGISTRY_USER is not: they go together"),
    ],
)
def test_a_mistake_in_a_registry_table_names_it(toml: str, text: str) -> None:
    """Before anything starts."""
    settings = load(environ={}, config_text=toml).settings

    with pytest.raises(DaemonError, match=text) as caught:
        registry_options(settings, operators(settings))
    assert caught.value.kind is ErrorKind.CONFIGURATION


def test_plain_http_may_be_a_text() -> None:
    """As all is in the environment."""
    settings = load(
        environ={"REGISTRIES__ONE__PLAIN_HTTP": "true", "REGISTRIES__TWO__PLAIN_HTTP": "false"},
        config_text='[registries."three:5000"]\nplain-http = "true"',
    ).settings

    options = registry_options(settings, {})

    plain = {one.host: one.plain_http for one in options}
    assert plain == {"one": True, "two": False, "three:5000": True}


def test_mistakes_in_operator_namespaces_are_all_told() -> None:
    """With the nearest key."""
    settings = load(environ={"NAMESPACES__A__DIRECTRY": "x", "NAMESPACES__B_": "y"}).settings

    with pytest.raises(DaemonError) as caught:
        operators(settings)
    assert len(caught.value.detail.splitlines()) >= 2


def test_docker_config_that_was_named_is_used_even_if_missing(tmp_path: Path) -> None:
    """So that its absence is told."""
    assert docker_config(Settings(docker_config=tmp_path / "x")) == tmp_path / "x"


def test_docker_config_may_be_dockers_directory(tmp_path: Path) -> None:
    """Docker's own variable of this name is one, and may be in the environment already."""
    found = docker_config(Settings(docker_config=tmp_path))

    assert found == tmp_path / "config.json"


def test_a_user_without_a_home_has_no_docker_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many a container runs under a number that no /etc/passwd knows."""

    def unknown(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)

    assert docker_config(Settings()) is None


def _chat() -> Catalogue:
    catalogue = Catalogue()
    catalogue.serve(ServedChat(ChatSpec(PATH, "1", "m", "s"), "r", datetime.now(UTC)))
    return catalogue


async def test_only_components_are_built() -> None:
    """A chat Skill has nothing to build."""
    built = Built(_chat(), lambda path: path == PATH)

    assert built.paths() == []
    assert await built.discard(PATH)


def test_calls_are_counted_while_the_skill_is_served() -> None:
    """A series that nobody would drop any more must not begin."""
    metrics, catalogue = Metrics(), _chat()
    count = counter(metrics, catalogue, Heat())

    count(Finished(PATH, None, 0.1, 0.0, warm=False))
    catalogue.retire(PATH)
    count(Finished(PATH, ErrorKind.INVALID_INPUT, 0.1, 0.0, warm=False))

    text = generate_latest(metrics.registry).decode()
    assert 'kernel_skill_execution_total{name="greet",namespace="team",status="ok"} 1.0' in text
    assert "logic_error" not in text


def test_the_series_of_a_retired_skill_are_dropped() -> None:
    """And what changed is counted."""
    metrics, catalogue = Metrics(), _chat()
    catalogue.report(NamespaceStatus(PATH.namespace, "a file", "team", ()))
    observe = observer(metrics, catalogue, Heat())

    observe(Event("served", PATH, "r", phases={"pull": 0.2, "total": 1.0}))
    assert 'fetch_duration_seconds_count{name="greet"' in generate_latest(metrics.registry).decode()
    observe(Event("retired", PATH, "r"))

    text = generate_latest(metrics.registry).decode()
    assert 'name="greet"' not in text
    assert 'skilld_changes_total{action="served",namespace="team"} 1.0' in text
    assert 'skilld_install_step_seconds_count{step="pull"} 1.0' in text


def test_the_changes_of_a_namespace_that_is_gone_are_dropped() -> None:
    """Previews come and go with their branches, and there is no end of names."""
    metrics, catalogue = Metrics(), Catalogue()
    observe = observer(metrics, catalogue, Heat())
    well = SkillPath.parse("preview-7", "greet")
    broken = SkillPath.parse("preview-8", "greet")
    for path in (PATH, well, broken):
        catalogue.report(NamespaceStatus(path.namespace, "a file", path.namespace, ()))
        observe(Event("failed" if path is broken else "served", path, "r"))

    for path in (well, broken):
        catalogue.forget(path.namespace)
    observe(Event("retired", well, "r"))

    text = generate_latest(metrics.registry).decode()
    assert "preview-" not in text
    assert 'skilld_changes_total{action="served",namespace="team"} 1.0' in text


def test_a_skill_that_is_gone_is_no_longer_hot() -> None:
    """Nor are calls noted that end after it."""
    heat, catalogue = Heat(), _chat()
    count = counter(Metrics(), catalogue, heat)
    done = Finished(PATH, None, 0.1, 0.0, warm=False)
    count(done)
    assert heat.of(PATH) == 1

    catalogue.retire(PATH)
    observer(Metrics(), catalogue, heat)(Event("retired", PATH, "r"))
    count(done)

    assert heat.of(PATH) == 0


def test_the_skill_that_is_called_most_is_the_hottest() -> None:
    """It is compiled whole first."""
    heat = Heat()
    other = SkillPath.parse("team", "other")
    for path in (PATH, other, PATH):
        heat.note(Finished(path, None, 0.1, 0.0, warm=False))

    assert heat.of(PATH) > heat.of(other) > heat.of(SkillPath.parse("team", "third"))
