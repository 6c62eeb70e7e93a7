"""Host calls, events and credit, without process or socket."""

import pytest

from daemon.csi import interface as csi
from daemon.engine.call import Call
from daemon.engine.gate import Gate
from daemon.errors import DaemonError, ErrorKind
from daemon.skill import Failure, MessageAppend, MessageBegin, MessageEnd
from daemon.workers import messages
from daemon.workers.conversation import Conversation


def _conversation(
    *, credit: int = 9, output: int = 100, timeout: float = 30.0
) -> tuple[Conversation, Call, list[messages.FromWorker]]:
    sent: list[messages.FromWorker] = []
    conversation = Conversation(send=sent.append, credit=credit, output=output)
    call = Call(number=5, timeout=timeout, gate=Gate(), host=conversation)
    call.begin()
    return conversation, call, sent


def test_a_question_is_sent_and_its_answer_returned() -> None:
    """Answers to other questions are none."""
    conversation, call, sent = _conversation()
    conversation.deliver(messages.Answer(5, 99, csi.StreamClosed()))
    conversation.deliver(messages.Answer(5, 1, csi.ToolList([])))

    assert call.ask(csi.ListTools()) == csi.ToolList([])
    assert sent == [messages.HostCall(5, 1, csi.ListTools())]


def test_a_failure_is_raised_with_all_it_says() -> None:
    """Its kind, its text and when to try again."""
    conversation, call, _ = _conversation()
    conversation.deliver(messages.Answer(5, 1, failure=Failure("csi-timeout", "late", 2.0)))

    with pytest.raises(DaemonError) as caught:
        call.ask(csi.ListTools())

    error = caught.value
    assert (error.kind, error.detail, error.retry_after) == (ErrorKind.CSI_TIMEOUT, "late", 2.0)


def test_an_answer_without_content_is_an_error() -> None:
    """Neither reply nor failure: the parent's bug."""
    conversation, call, _ = _conversation()
    conversation.deliver(messages.Answer(5, 1))

    with pytest.raises(DaemonError, match="neither"):
        call.ask(csi.ListTools())


def test_events_are_sent_while_there_is_credit() -> None:
    """Credit may come at any time, also before it is needed."""
    conversation, call, sent = _conversation(credit=1)
    conversation.deliver(messages.Credit(5, 1))

    call.emit(MessageBegin())
    call.emit(MessageAppend("x"))

    assert sent == [messages.Event(5, MessageBegin()), messages.Event(5, MessageAppend("x"))]


def test_credit_that_comes_while_a_question_waits_is_not_lost() -> None:
    """Both travel through one inbox."""
    conversation, call, sent = _conversation(credit=0)
    conversation.deliver(messages.Credit(5, 1))
    conversation.deliver(messages.Answer(5, 1, csi.ToolList([])))
    call.ask(csi.ListTools())

    call.emit(MessageBegin())

    assert len(sent) == 2


def test_without_credit_the_deadline_ends_the_waiting() -> None:
    """So does being stopped."""
    _, call, sent = _conversation(credit=0, timeout=0.05)
    with pytest.raises(DaemonError, match="time limit"):
        call.emit(MessageBegin())

    _, call, sent = _conversation(credit=0)
    call.stop(DaemonError(ErrorKind.CANCELLED, "enough"))
    with pytest.raises(DaemonError, match="enough"):
        call.emit(MessageBegin())
    assert sent == []


def test_all_events_together_have_a_cap() -> None:
    """Payloads count like text."""
    _, call, _ = _conversation(output=5)
    call.emit(MessageBegin())
    call.emit(MessageAppend("abc"))

    with pytest.raises(DaemonError) as caught:
        call.emit(MessageEnd(b"123"))

    assert caught.value.kind is ErrorKind.OUTPUT_TOO_LARGE


def test_the_order_of_a_stream_is_watched() -> None:
    """Before anything is sent."""
    _, call, sent = _conversation()

    with pytest.raises(DaemonError):
        call.emit(MessageAppend("x"))

    assert sent == []
