"""Host calls in the background of their call."""

import asyncio

from daemon.csi import interface as csi
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Failure
from daemon.workers.calls import FunctionCall
from daemon.workers.dispatch import Bounds, Dispatcher, Slot
from daemon.workers.hosting import Hosting
from daemon.workers.messages import Answer, HostCall
from tests.waiting import until
from tests.workers.scripts import NoTools, call


class Asked:
    """A call that was admitted, its host and its answers."""

    def __init__(self) -> None:
        self.host = NoTools()
        self.hosting = Hosting(self.host)
        self.call = FunctionCall(call(), number=7, started=0.0)
        self.dispatcher: Dispatcher[FunctionCall] = Dispatcher(Bounds())
        self.dispatcher.open(Slot(1))
        self.dispatcher.admit(self.call)
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()

    def ask(self, number: int = 1) -> None:
        """The guest asks for the tools."""
        question = HostCall(7, number, csi.ListTools())
        self.hosting.ask(self.call, question, answered=self.answers.put_nowait)


async def test_answers_carry_the_number_of_their_question() -> None:
    """One context serves all questions of a call."""
    asked = Asked()
    asked.ask(1)
    asked.ask(2)
    answers = [await asked.answers.get() for _ in range(2)]
    assert {answer.request for answer in answers} == {1, 2}
    assert all(answer.call == 7 and answer.reply == csi.ToolList([]) for answer in answers)
    assert len(asked.host.callers) == 1
    assert asked.call.requests == {}


async def test_error_is_an_answer() -> None:
    """With its kind, its text and its time."""
    asked = Asked()
    asked.host.error = DaemonError(ErrorKind.CSI_TIMEOUT, "late", retry_after=2.0)
    asked.ask()
    answer = await asked.answers.get()
    assert answer == Answer(7, 1, failure=Failure("csi-timeout", "late", 2.0))


async def test_end_of_the_call_cancels_what_is_asked_and_closes_the_context() -> None:
    """Nobody is answered any more."""
    asked = Asked()
    asked.host.let.clear()
    asked.ask()
    await asked.host.asked.acquire()

    asked.dispatcher.answer(asked.call)
    asked.hosting.dismiss(asked.call)

    await until(lambda: asked.host.closed == 1)
    assert asked.host.cancelled == 1
    assert asked.answers.empty()


async def test_call_that_asked_nothing_has_nothing_to_close() -> None:
    """Most calls are like that."""
    asked = Asked()
    asked.hosting.dismiss(asked.call)
    await asked.hosting.close()
    assert asked.host.callers == []
