from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from daemon import __version__
from daemon.catalogue import Catalogue
from daemon.csi.mcp.status import ServerStatus, Tally
from daemon.names import Namespace
from daemon.namespaces.status import Condition, ConditionType, NamespaceStatus
from daemon.readings import readings


def test_a_namespace_is_ready_while_it_serves_what_is_wanted() -> None:
    """A bad edit changes nothing for callers: this is where an alert sees it."""
    catalogue = Catalogue()
    for name, ready in (("good", "True"), ("bad", "False")):
        stated = Condition(ConditionType.READY, ready, "Some", "why", datetime.now(UTC))
        catalogue.report(NamespaceStatus(Namespace(name), "a file", "team", (stated,)))
    catalogue.report(NamespaceStatus(Namespace("unread"), "a file", "team", ()))
    absent: Any = None

    found = {
        one.name: one.read
        for one in readings(
            supervisor=absent, store=absent, catalogue=catalogue, watcher=absent, mcp=absent
        )
    }

    assert found["skilld_namespace_ready"]() == {"good": 1, "bad": 0, "unread": 0}
    assert found["skilld_build_info"]() == {__version__: 1}


class TwoSessions:
    """What `McpServers` knows where two namespaces have options of their own for one server."""

    def known(self) -> list[tuple[ServerStatus, Tally]]:
        status = ServerStatus(url="http://tools", state="ready", tools=("a", "b"))
        return [(status, Tally(calls=1)), (replace(status, state="unreachable"), Tally(calls=2))]


def test_mcp_servers_are_told_apart_by_their_urls() -> None:
    """Sessions with one server are added up."""
    absent: Any = None
    servers: Any = TwoSessions()
    found = readings(supervisor=absent, store=absent, catalogue=absent, watcher=absent, mcp=servers)
    told = {one.name: one.read() for one in found if one.label == "server"}
    assert told["skilld_mcp_ready"] == {"http://tools": 1}
    assert told["skilld_mcp_tools"] == {"http://tools": 4}
    assert told["skilld_mcp_calls"] == {"http://tools": 3}
