"""
Which language is a text written in? By lingua, the n-gram detector that the reference uses.

Detection runs in a thread (the library releases the GIL). Leaves out mixed texts: one text, one
language, or None where the best guess is not clearly better than the next.
"""

import difflib
import functools

from lingua import IsoCode639_3, Language, LanguageDetector, LanguageDetectorBuilder

from daemon.csi.interface import Caller, LanguageRequest
from daemon.csi.threads import Threads
from daemon.errors import DaemonError, ErrorKind

CODES = frozenset(language.iso_code_639_3.name.lower() for language in Language.all())
"""The ISO 639-3 codes that can be told apart."""

_MINIMUM_RELATIVE_DISTANCE = 0.5
_DETECTORS = 64
_SHOWN = 40  # characters of a code that is none


class Lingua:
    """The `LanguageDetection` driver; models are loaded at first use and shared."""

    def __init__(self) -> None:
        self._threads = Threads("language")

    async def select_language(self, request: LanguageRequest, caller: Caller) -> str | None:
        """See the Protocol. Raises DaemonError(CSI_BAD_REQUEST) for no or unknown codes."""
        codes = _checked(request.languages)
        return await self._threads.run(lambda: _detect(codes, request.text))


def _checked(languages: list[str]) -> frozenset[str]:
    if not languages:
        raise DaemonError(
            ErrorKind.CSI_BAD_REQUEST,
            "no languages to choose from: name at least one ISO 639-3 code",
        )
    for code in languages:
        if code not in CODES:
            raise DaemonError(
                ErrorKind.CSI_BAD_REQUEST,
                f"the language {code[:_SHOWN]!r} is not supported{_hint(code[:_SHOWN])}",
            )
    return frozenset(languages)


def _hint(code: str) -> str:
    near = difflib.get_close_matches(code.lower(), sorted(CODES), n=3)
    return (
        f": did you mean {', '.join(near)}?" if near else ": use ISO 639-3 codes such as eng, deu"
    )


def _detect(codes: frozenset[str], text: str) -> str | None:
    language = _detector(codes).detect_language_of(text)
    return None if language is None else language.iso_code_639_3.name.lower()


@functools.lru_cache(_DETECTORS)
def _detector(codes: frozenset[str]) -> LanguageDetector:
    wanted = [getattr(IsoCode639_3, code.upper()) for code in sorted(codes)]
    builder = LanguageDetectorBuilder.from_iso_codes_639_3(*wanted)
    return builder.with_minimum_relative_distance(_MINIMUM_RELATIVE_DISTANCE).build()
