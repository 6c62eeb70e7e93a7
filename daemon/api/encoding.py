"""
Compressed bodies, both ways: bounded decompression of requests, compression of responses.

Large bodies are worked on in a thread (zlib frees the interpreter), so that neighbours don't
wait. Leaves out streams of events: they are never compressed, each event leaves at once.
"""

import asyncio
import zlib

from aiohttp import web

from daemon.api.negotiation import choose_coding
from daemon.api.ports import Handler
from daemon.errors import DaemonError, ErrorKind

MIN_COMPRESSED = 1 << 10
IN_THREAD = 64 << 10
_LEVEL = 4  # of JSON, level 6 takes twice the time for a few per cent
_MAX_MEMBERS = 64  # each costs a copy of the rest
_GZIP, _ZLIB, _RAW = 31, 15, -15
_COMPRESSIBLE = ("text/", "application/json", "application/problem+json", "application/yaml")


async def decompress(body: bytes, coding: str, *, limit: int) -> bytes:
    """Undo a request's Content-Encoding. Raises DaemonError, also above *limit* bytes."""
    if len(body) < IN_THREAD // 16:
        return decompress_now(body, coding, limit=limit)
    return await asyncio.to_thread(decompress_now, body, coding, limit=limit)


def decompress_now(body: bytes, coding: str, *, limit: int) -> bytes:
    """See `decompress`. At no time are more than *limit* bytes and one made."""
    try:
        return _inflate(body, _window(body, coding), limit=limit)
    except zlib.error as error:
        raise DaemonError(
            ErrorKind.MALFORMED_REQUEST, f"The request body is not valid {coding}: {error}."
        ) from error


def _window(body: bytes, coding: str) -> int:
    if coding in {"gzip", "x-gzip"}:
        return _GZIP
    if coding == "deflate":  # zlib by the standard, bare deflate by some clients
        return _ZLIB if body[:1] and body[0] & 0x0F == 8 else _RAW
    raise DaemonError(
        ErrorKind.UNSUPPORTED_MEDIA_TYPE,
        f"The content encoding {coding!r} is not understood: use gzip, deflate or none.",
    )


def _inflate(body: bytes, window: int, *, limit: int) -> bytes:
    """Inflate one stream, or several gzip members in a row."""
    pieces: list[bytes] = []
    room = limit + 1
    for _ in range(_MAX_MEMBERS):
        if not body:
            break
        inflater = zlib.decompressobj(window)
        piece = inflater.decompress(body, room)
        room -= len(piece)
        if room <= 0:
            raise DaemonError(
                ErrorKind.PAYLOAD_TOO_LARGE,
                f"The request body is larger than {limit} bytes once decompressed.",
            )
        if not inflater.eof:
            raise zlib.error("it ends too early")
        pieces.append(piece)
        body = inflater.unused_data
    if body:
        raise zlib.error(f"it has more than {_MAX_MEMBERS} parts")
    return b"".join(pieces)


def compress(body: bytes, coding: str) -> bytes:
    """Return *body* in `gzip` or `deflate`."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP if coding == "gzip" else _ZLIB)
    return compressor.compress(body) + compressor.flush()


@web.middleware
async def compress_responses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress what is worth it, for clients that accept it."""
    response = await handler(request)
    accepted = request.headers.get("Accept-Encoding")
    if accepted and isinstance(response, web.Response):
        await _compress(response, accepted)
    return response


async def _compress(response: web.Response, accepted: str) -> None:
    body = response.body
    if not isinstance(body, bytes) or len(body) < MIN_COMPRESSED or not _worth(response):
        return
    response.headers["Vary"] = "Accept-Encoding"
    coding = choose_coding(accepted)
    if coding is None:
        return
    if len(body) < IN_THREAD:
        response.body = compress(body, coding)
    else:
        response.body = await asyncio.to_thread(compress, body, coding)
    response.headers["Content-Encoding"] = coding


def _worth(response: web.Response) -> bool:
    kind = response.headers.get("Content-Type", "")
    return kind.startswith(_COMPRESSIBLE) and "Content-Encoding" not in response.headers
