"""Drivers that write down what they are asked and answer what they were given."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.csi import interface as csi
from daemon.csi.tools import NativeTools, Toolbox
from daemon.errors import DaemonError

HI = csi.Logprob(b"Hi", -0.5)
USAGE = csi.TokenUsage(3, 2)
PLACE = csi.DocumentPath("library", "letters", "1842")


@dataclass
class Oracle:
    """A model: says `answer`, or `events` one by one; fails with `error`, hangs if it shall."""

    answer: csi.AssistantMessage = field(default_factory=lambda: csi.AssistantMessage("Hello"))
    finish: csi.FinishReason = "stop"
    events: Sequence[csi.InferenceEvent] = ()
    error: DaemonError | None = None
    hang: bool = False
    asked: list[Any] = field(default_factory=list)
    callers: list[csi.Caller] = field(default_factory=list)
    given: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def complete(self, request: csi.CompletionRequest, caller: csi.Caller) -> csi.Completion:
        await self._ask(request, caller)
        logprobs = [csi.Distribution(HI, [HI])]
        return csi.Completion(request.prompt, self.finish, USAGE, logprobs)

    async def chat(self, request: csi.ChatRequest, caller: csi.Caller) -> csi.ChatResponse:
        await self._ask(request, caller)
        return csi.ChatResponse(self.answer, self.finish, USAGE, [csi.Distribution(HI)])

    async def explain(
        self, request: csi.ExplanationRequest, caller: csi.Caller
    ) -> list[csi.TextScore]:
        await self._ask(request, caller)
        return [csi.TextScore(0, 2, 0.5)]

    async def completion_stream(
        self, request: csi.CompletionRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        async for event in self._say(request, caller):
            yield event

    async def chat_stream(
        self, request: csi.ChatRequest, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        async for event in self._say(request, caller):
            yield event

    async def _ask(self, request: object, caller: csi.Caller) -> None:
        self.asked.append(request)
        self.callers.append(caller)
        if self.error is not None:
            raise self.error
        if self.hang:
            try:
                await asyncio.Event().wait()
            finally:
                self.closed.set()

    async def _say(
        self, request: object, caller: csi.Caller
    ) -> AsyncGenerator[csi.InferenceEvent, None]:
        self.asked.append(request)
        self.callers.append(caller)
        try:
            for event in self.events:
                self.given += 1
                yield event
            if self.error is not None:
                raise self.error
            if self.hang:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


@dataclass
class Archive:
    """A Document Index with one letter."""

    asked: list[Any] = field(default_factory=list)
    metadata_text: csi.Json | None = b'{"b":1,"a":[1.50,null]}'

    async def search(
        self, request: csi.SearchRequest, caller: csi.Caller
    ) -> list[csi.SearchResult]:
        self.asked.append(request)
        start, end = csi.TextCursor(0, 0), csi.TextCursor(1, 5)
        return [csi.SearchResult(PLACE, "The engine", 0.75, start, end)]

    async def document(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Document:
        self.asked.append(path)
        return csi.Document(path, ["Dear", None], self.metadata_text)

    async def metadata(self, path: csi.DocumentPath, caller: csi.Caller) -> csi.Json | None:
        self.asked.append(path)
        return self.metadata_text


@dataclass
class Scissors:
    """Cuts at spaces; every text is German if that is to choose from, else undecided."""

    asked: list[Any] = field(default_factory=list)

    async def chunk(self, request: csi.ChunkRequest, caller: csi.Caller) -> list[csi.Chunk]:
        self.asked.append(request)
        characters = 0 if request.character_offsets else None
        return [csi.Chunk(word, 0, characters) for word in request.text.split()]

    async def select_language(self, request: csi.LanguageRequest, caller: csi.Caller) -> str | None:
        self.asked.append(request)
        return "deu" if "deu" in request.languages else None


def drivers(
    inference: csi.Inference | None = None, archive: csi.DocumentIndex | None = None
) -> csi.Drivers:
    """A full set, with the native tools in `test-beta` and none elsewhere."""
    scissors = Scissors()
    return csi.Drivers(
        tools=Toolbox(NativeTools(lambda _: ())),
        inference=inference or Oracle(),
        document_index=archive or Archive(),
        chunking=scissors,
        language=scissors,
    )
