"""
Binds the drivers to one invocation: namespace, token, deadline, trace, and its open streams.

Translates the one-message requests of guests into calls of the drivers: batches run concurrently
and in order, the first error fails the whole. Leaves out what a backend does (the drivers) and
who asked (workers, API).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from daemon.csi import interface as csi
from daemon.errors import DaemonError, first
from daemon.skill import StreamEvent, ToolBegin, ToolEnd, ToolFailed

Emit = Callable[[StreamEvent], None]
"""Takes the tool events of an invocation, in order."""

_A = TypeVar("_A")
_B = TypeVar("_B")


class HostContext(Protocol):
    """Answers the host calls of one invocation."""

    async def answer(self, request: csi.Request) -> csi.Reply:
        """Do what the guest asked. Raises DaemonError; cancelling it cancels all below."""
        ...

    async def close(self) -> None:
        """Close every stream that the guest left open."""
        ...


async def _batch(call: Callable[[_A], Awaitable[_B]], requests: Sequence[_A]) -> list[_B]:
    """Run *call* over all requests at once; keep their order; the first error cancels the rest."""
    if len(requests) == 1:
        return [await call(requests[0])]
    tasks: list[asyncio.Task[_B]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_as_coroutine(call, one)) for one in requests]
    except* DaemonError as errors:
        raise first(errors) from None
    return [task.result() for task in tasks]


async def _as_coroutine(call: Callable[[_A], Awaitable[_B]], request: _A) -> _B:
    return await call(request)


class DriverContext:
    """The real `HostContext`: owned by one invocation, closed with it."""

    def __init__(self, drivers: csi.Drivers, caller: csi.Caller, emit: Emit) -> None:
        """*emit* hears of tools as they begin and end; it must not block."""
        self._drivers = drivers
        self._caller = caller
        self._emit = emit
        self._streams: dict[int, AsyncGenerator[csi.InferenceEvent, None]] = {}
        self._opened = 0

    async def answer(self, request: csi.Request) -> csi.Reply:
        """See `HostContext`."""
        match request:
            case csi.Complete() | csi.Chat() | csi.Explain():
                return await self._infer(request)
            case (
                csi.OpenCompletionStream() | csi.OpenChatStream() | csi.NextEvent()
                | csi.CloseStream()
            ):  # fmt: skip
                return await self._stream(request)
            case csi.Search() | csi.Documents() | csi.DocumentMetadata():
                return await self._look_up(request)
            case csi.ChunkTexts() | csi.SelectLanguage():
                return await self._process(request)
            case csi.InvokeTools() | csi.ListTools():
                return await self._use_tools(request)

    async def _infer(self, request: csi.Complete | csi.Chat | csi.Explain) -> csi.Reply:
        inference, caller = self._drivers.inference, self._caller
        match request:
            case csi.Complete(completions):
                done = await _batch(lambda one: inference.complete(one, caller), completions)
                return csi.Completions(done)
            case csi.Chat(chats):
                return csi.ChatResponses(
                    await _batch(lambda one: inference.chat(one, caller), chats)
                )
            case csi.Explain(targets):
                return csi.Explanations(
                    await _batch(lambda one: inference.explain(one, caller), targets)
                )

    async def _stream(
        self,
        request: csi.OpenCompletionStream | csi.OpenChatStream | csi.NextEvent | csi.CloseStream,
    ) -> csi.Reply:
        match request:
            case csi.NextEvent(number):
                return csi.StreamNext(await self._next(number))
            case csi.CloseStream(number):
                await self._close_stream(number)
                return csi.StreamClosed()
            case _:
                return self._open(request)

    async def _look_up(
        self, request: csi.Search | csi.Documents | csi.DocumentMetadata
    ) -> csi.Reply:
        index, caller = self._drivers.document_index, self._caller
        match request:
            case csi.Search(queries):
                return csi.SearchResults(
                    await _batch(lambda one: index.search(one, caller), queries)
                )
            case csi.Documents(paths):
                return csi.DocumentsFound(
                    await _batch(lambda one: index.document(one, caller), paths)
                )
            case csi.DocumentMetadata(paths):
                return csi.MetadataFound(
                    await _batch(lambda one: index.metadata(one, caller), paths)
                )

    async def _process(self, request: csi.ChunkTexts | csi.SelectLanguage) -> csi.Reply:
        drivers, caller = self._drivers, self._caller
        match request:
            case csi.ChunkTexts(texts):
                return csi.Chunks(
                    await _batch(lambda one: drivers.chunking.chunk(one, caller), texts)
                )
            case csi.SelectLanguage(texts_):
                return csi.Languages(
                    await _batch(lambda one: drivers.language.select_language(one, caller), texts_)
                )

    async def _use_tools(self, request: csi.InvokeTools | csi.ListTools) -> csi.Reply:
        match request:
            case csi.InvokeTools(invocations):
                return csi.ToolResults(await self._invoke_all(invocations))
            case csi.ListTools():
                return csi.ToolList(list(await self._drivers.tools.list(self._caller)))

    async def _invoke_all(self, invocations: Sequence[csi.ToolInvocation]) -> list[csi.ToolResult]:
        """Tell of all beginnings in order, and of each end when it happens: tools may be slow."""
        for one in invocations:
            self._emit(ToolBegin(one.name))
        return await _batch(self._invoke, invocations)

    async def _invoke(self, invocation: csi.ToolInvocation) -> csi.ToolResult:
        result = await self._drivers.tools.invoke(invocation, self._caller)
        match result:
            case csi.ToolError(message):
                self._emit(ToolFailed(invocation.name, message))
            case csi.ToolOutput():
                self._emit(ToolEnd(invocation.name))
        return result

    def _open(self, request: csi.OpenCompletionStream | csi.OpenChatStream) -> csi.StreamOpened:
        inference, caller = self._drivers.inference, self._caller
        match request:
            case csi.OpenCompletionStream(completion):
                stream = inference.completion_stream(completion, caller)
            case csi.OpenChatStream(chat):
                stream = inference.chat_stream(chat, caller)
        self._opened += 1
        self._streams[self._opened] = stream
        return csi.StreamOpened(self._opened)

    async def _next(self, number: int) -> csi.InferenceEvent | None:
        stream = self._streams.get(number)
        if stream is None:
            return None
        event = await anext(stream, None)
        if event is None:
            await self._close_stream(number)
        return event

    async def _close_stream(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            await stream.aclose()

    async def close(self) -> None:
        """See `HostContext`."""
        for number in list(self._streams):
            await self._close_stream(number)
