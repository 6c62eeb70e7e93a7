import pytest

from daemon.csi.interface import Caller, LanguageRequest
from daemon.csi.language import CODES, Lingua
from daemon.errors import DaemonError, ErrorKind

CONTRACT = (
    "afr ara aze bel ben bos bul cat ces cym dan deu ell eng epo est eus fas fin fra gle guj "
    "heb hin hrv hun hye ind isl ita jpn kat kaz kor lat lav lit lug mar mkd mon mri msa nld "
    "nno nob pan pol por ron rus slk slv sna som sot spa sqi srp swa swe tam tel tgl tha tsn "
    "tso tur ukr urd vie xho yor zho zul"
)


def test_the_contracts_75_codes_are_known() -> None:
    """No more, no fewer."""
    assert set(CONTRACT.split()) == CODES


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What a lovely morning for a walk through the forest", "eng"),
        ("Was für ein schöner Morgen für einen Spaziergang im Wald", "deu"),
    ],
)
async def test_clear_texts_are_told_apart(text: str, code: str) -> None:
    """Among the languages that were named."""
    assert (
        await Lingua().select_language(LanguageRequest(text, ["eng", "deu", "fra"]), Caller())
        == code
    )


async def test_an_undecided_text_is_none() -> None:
    """Rather a null than a guess."""
    assert (
        await Lingua().select_language(LanguageRequest("12345", ["eng", "deu"]), Caller()) is None
    )


@pytest.mark.parametrize(
    ("languages", "text"),
    [
        ([], "at least one"),
        (["eng", "ger"], "'ger' is not supported"),
        (["ENG"], "did you mean eng"),
    ],
)
async def test_a_bad_list_is_the_callers_mistake(languages: list[str], text: str) -> None:
    """It names the code and the nearest ones."""
    with pytest.raises(DaemonError, match=text) as caught:
        await Lingua().select_language(LanguageRequest("x", languages), Caller())
    assert caught.value.kind is ErrorKind.CSI_BAD_REQUEST


@pytest.mark.timeout(10)
async def test_a_code_without_end_is_neither_compared_nor_told() -> None:
    """To look for the nearest ones would stop the daemon for minutes."""
    with pytest.raises(DaemonError, match="not supported") as caught:
        await Lingua().select_language(LanguageRequest("x", ["x" * 20_000_000]), Caller())
    assert len(caught.value.detail) < 200
