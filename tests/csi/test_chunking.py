import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from daemon.csi.chunking import SemanticChunking
from daemon.csi.interface import Caller, ChunkRequest
from daemon.errors import DaemonError, ErrorKind

TEXT = "One two three. Four five six.\n\nSieben acht neun, zehn elf. Ünïcödé wörds ärë fïne."


class WordTokenizers:
    """Knows one model, `words`, whose tokens are words."""

    async def get(self, model: str, caller: Caller) -> Tokenizer:
        """Refuse any other, under its own name if that is one of our kinds."""
        if model in set(ErrorKind):
            raise DaemonError(ErrorKind(model), f"no tokenizer: {model}")
        if model != "words":
            raise DaemonError(ErrorKind.CSI_UNKNOWN_MODEL, f"no tokenizer for {model}")
        tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return tokenizer


def _request(
    text: str = TEXT, *, size: int = 4, overlap: int = 0, model: str = "words"
) -> ChunkRequest:
    return ChunkRequest(text, model, size, overlap, character_offsets=True)


async def test_chunks_are_counted_in_the_models_tokens() -> None:
    """And end at sentences and paragraphs where they can."""
    chunks = await SemanticChunking(WordTokenizers()).chunk(_request(), Caller())

    assert [chunk.text for chunk in chunks] == [
        "One two three.",
        "Four five six.",
        "Sieben acht neun, zehn",
        "elf.",
        "Ünïcödé wörds ärë fïne.",
    ]


async def test_overlap_repeats_the_end_of_the_one_before() -> None:
    """In the same unit."""
    chunks = await SemanticChunking(WordTokenizers()).chunk(
        _request("a b c d e f", size=3, overlap=1), Caller()
    )

    assert [chunk.text for chunk in chunks] == ["a b c", "c d e", "e f"]


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 20))
async def test_offsets_point_at_the_chunk(text: str, size: int) -> None:
    """In bytes and in characters, whatever the text."""
    chunks = await SemanticChunking(WordTokenizers()).chunk(_request(text, size=size), Caller())

    for chunk in chunks:
        assert chunk.character_offset is not None
        assert text[chunk.character_offset :].startswith(chunk.text)
        assert text.encode()[chunk.byte_offset :].startswith(chunk.text.encode())


async def test_character_offsets_come_only_on_request() -> None:
    """They cost extra."""
    request = ChunkRequest(TEXT, "words", 100)
    (chunk,) = await SemanticChunking(WordTokenizers()).chunk(request, Caller())

    assert chunk.character_offset is None


@pytest.mark.parametrize(
    ("size", "overlap", "text"), [(0, 0, "at least 1"), (3, 3, "must be less than max_tokens")]
)
async def test_impossible_sizes_are_the_callers_mistake(size: int, overlap: int, text: str) -> None:
    """The error says which."""
    with pytest.raises(DaemonError, match=text) as caught:
        await SemanticChunking(WordTokenizers()).chunk(
            _request(size=size, overlap=overlap), Caller()
        )
    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


async def test_without_a_tokenizer_the_call_fails() -> None:
    """Characters would silently change the size of every chunk."""
    with pytest.raises(DaemonError, match="no tokenizer for other"):
        await SemanticChunking(WordTokenizers()).chunk(_request(model="other"), Caller())


async def test_characters_count_where_the_operator_said_so() -> None:
    """An explicit choice."""
    chunking = SemanticChunking(WordTokenizers(), character_fallback=True)

    chunks = await chunking.chunk(_request("abc def", size=3, model="other"), Caller())

    assert [chunk.text for chunk in chunks] == ["abc", "def"]


@pytest.mark.parametrize(
    "kind",
    [
        ErrorKind.CSI_TIMEOUT,
        ErrorKind.CSI_UPSTREAM,
        ErrorKind.CSI_UNAUTHORIZED,
        ErrorKind.CSI_RATE_LIMITED,
    ],
)
async def test_a_backend_that_fails_is_no_reason_to_count_characters(kind: ErrorKind) -> None:
    """The same text would have other chunks a minute later."""
    chunking = SemanticChunking(WordTokenizers(), character_fallback=True)

    with pytest.raises(DaemonError) as caught:
        await chunking.chunk(_request(model=kind.value), Caller())

    assert caught.value.kind is kind
