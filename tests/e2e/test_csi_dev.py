"""The public SDK's `DevCsi` against a whole daemon: its backends and its identity service real."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.background import in_background
from tests.e2e.csi_stage import Stage, stage
from tests.iam_stub import IamStub

SCRIPT = Path(__file__).with_name("dev_csi.py")
USAGE = {"prompt": 3, "completion": 2}
CALL = '{"type": "function", "function": {"name": "add", "parameters": {"a": 1, "b": 2}}}'

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A daemon that lets the token `secret` in, as all its backends do."""
    root = tmp_path_factory.mktemp("dev")
    skills = root / "skills"
    skills.mkdir()
    iam = IamStub(tokens={"secret": ["KernelAccess"]})
    with (
        in_background(iam),
        stage(root, skills=skills, names={}, token="secret", AUTHORIZATION_URL=iam.url) as made,
    ):
        made.index.documents["1842"] = {
            "contents": [{"modality": "text", "text": "Dear"}],
            "metadata": {"a": [1.5, None]},
        }
        made.inference.key = "secret"
        yield made


def _run(python: Path, made: Stage, *, token: str) -> "subprocess.CompletedProcess[str]":
    host, port = made.daemon.address
    environment = {
        "PHARIA_KERNEL_ADDRESS": f"http://{host}:{port}",
        "PHARIA_AI_TOKEN": token,
        "OTEL_SDK_DISABLED": "true",
    }
    return subprocess.run(
        [str(python), str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )


def test_every_method_of_dev_csi_reaches_its_backend(played: Stage, sdk_venv: Path) -> None:
    """With the developer's token, all the way."""
    played.say(CALL)
    played.say("It is 3.")

    done = _run(sdk_venv / "bin" / "python", played, token="secret")

    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = dict(json.loads(line) for line in done.stdout.splitlines())
    assert told["list_tools"] == ["add", "saboteur", "subtract"]
    assert told["invoke_tool_concurrent"] == [{"contents": ["3"]}, {"message": "Out of cheese."}]
    assert told["chat_stream with tools"] == "It is 3."
    assert told["complete"]["text"] == "Hello"
    assert told["completion_stream"] == ["Hello", "stop"]
    assert told["chat"]["message"] == {"role": "assistant", "content": "Hello"}
    assert told["chat_stream"] == ["assistant", "Hello", "stop", USAGE]
    assert told["explain"] == [{"start": 0, "length": 5, "score": 0.25}]
    assert told["chunk"] == [{"text": "a b", "character_offset": 0}]
    assert told["select_language_concurrent"] == ["deu", None]
    assert [one["content"] for one in told["search"]] == ["Dear Ada"]
    assert told["document"]["contents"] == [{"text": "Dear", "modality": "text"}]
    assert told["documents_metadata"] == [{"a": [1.5, None]}]
    assert "csi-unknown-model" in told["unknown model"]
    assert "404" in told["unknown namespace"]
    tokens = {one.headers["Authorization"] for one in played.inference.seen}
    assert tokens == {"Bearer secret"}


def test_a_token_that_nobody_knows_is_refused(played: Stage, sdk_venv: Path) -> None:
    """Before any backend is asked."""
    before = len(played.inference.seen)

    done = _run(sdk_venv / "bin" / "python", played, token="stolen")

    assert done.returncode != 0
    assert "403" in done.stderr
    assert len(played.inference.seen) == before
