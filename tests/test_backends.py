import asyncio

import pytest

from daemon.backends import backends
from daemon.catalogue import Catalogue, NamespaceTools
from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.names import Namespace
from daemon.observability.metrics import Metrics
from daemon.settings.load import load
from daemon.settings.model import Settings
from tests import openai_stub
from tests.inference_stub import StubBackend, serve
from tests.waiting import unexpected

TEAM = Namespace("team")


def _chat() -> csi.ChatRequest:
    return csi.ChatRequest("m", [csi.OtherMessage("user", "Hello")])


async def test_what_is_not_configured_says_what_to_set() -> None:
    """Rather than being absent."""
    async with backends(Settings(), Catalogue(), metrics=Metrics(), on_fatal=unexpected) as found:
        with pytest.raises(DaemonError, match="OPENAI_INFERENCE__URL") as caught:
            await found.drivers.inference.chat(_chat(), csi.Caller())
    assert caught.value.kind is ErrorKind.CSI_NOT_CONFIGURED


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"OPENAI_INFERENCE__URL": "http://x"}, "OPENAI_INFERENCE__TOKEN is not"),
        ({"OPENAI_INFERENCE__TOKEN": "x"}, "OPENAI_INFERENCE__URL is not"),
        ({"TOKENIZERS__M": "~nobody-of-this-name/x"}, "tokenizers: m: .* no home directory"),
        ({"OPENAI_INFERENCE__UR": "x"}, "ur is not a key: choose from token"),
    ],
)
async def test_half_a_backend_is_a_configuration_error(environ: dict[str, str], text: str) -> None:
    """Found at the start, not at the first request."""
    with pytest.raises(DaemonError, match=text) as caught:
        settings = load(environ=environ).settings
        async with backends(settings, Catalogue(), metrics=Metrics(), on_fatal=unexpected):
            pass
    assert caught.value.kind is ErrorKind.CONFIGURATION


async def test_patience_with_a_model_is_the_operators() -> None:
    """Local models may think for minutes; others shall be given up sooner."""
    stub = StubBackend(key="x", held=asyncio.Event())
    async with serve(stub, openai_stub.routes(stub)):
        environ = {
            "OPENAI_INFERENCE__URL": stub.url,
            "OPENAI_INFERENCE__TOKEN": "x",
            "INFERENCE_START_TIMEOUT": "50ms",
        }
        async with backends(
            load(environ=environ).settings, Catalogue(), metrics=Metrics(), on_fatal=unexpected
        ) as found:
            with pytest.raises(DaemonError) as caught:
                await found.drivers.inference.chat(_chat(), csi.Caller())
    assert caught.value.kind is ErrorKind.CSI_TIMEOUT


async def test_languages_need_no_backend() -> None:
    """And every request is counted, whoever asks."""
    metrics = Metrics()
    async with backends(Settings(), Catalogue(), metrics=metrics, on_fatal=unexpected) as found:
        request = csi.LanguageRequest("Was für ein schöner Morgen", ["deu", "eng"])
        assert await found.drivers.language.select_language(request, csi.Caller()) == "deu"
    labels = {"function": "select_language"}
    assert metrics.registry.get_sample_value("kernel_csi_requests_total", labels) == 1


async def test_tools_are_those_that_the_catalogue_enables_now() -> None:
    """An edit counts from the next call on."""
    catalogue = Catalogue()
    async with backends(Settings(), catalogue, metrics=Metrics(), on_fatal=unexpected) as found:
        assert await found.drivers.tools.list(csi.Caller(namespace=TEAM)) == []
        catalogue.enable_tools(TEAM, NamespaceTools(native=("add",)))
        (tool,) = await found.drivers.tools.list(csi.Caller(namespace=TEAM))
    assert tool.name == "add"
