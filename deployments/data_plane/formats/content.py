"""What a body is before it is read: of a declared type, plain or compressed, bounded in both forms."""

import asyncio
import zlib
from collections.abc import Sequence

from deployments.data_plane.formats.request import MalformedRequest
from deployments.data_plane.protocol import BodyTooLarge, Reply, Request

JSON_TYPE = "application/json"
# Window sizes as zlib wants them: with gzip's header, and with zlib's, which is what HTTP calls deflate.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
CODINGS = ("gzip", "deflate")
# Unpacking more than this, compressed, takes longer than others should wait for it.
IN_THREAD = 65_536
# A smaller answer fits into one packet, compressed or not.
COMPRESS_FROM = 1_400
# A hundred megabytes a second; better levels take three times as long for a tenth less.
LEVEL = 1


class WrongContentType(Exception):
    """The body is of a type that the path does not take."""


class WrongContentCoding(Exception):
    """The body is compressed in a way that is not understood."""


async def read_body(request: Request, types: Sequence[str], limit: int, *, untyped: bool = False) -> bytes:
    """Return a request's body, unpacked.

    A page of any origin may make a browser post text, forms, or a body without a type; only what such a page cannot
    send is read. ``untyped``: take a body without a type, from whoever is no browser.

    Raises WrongContentType and WrongContentCoding before anything is read, BodyTooLarge, MalformedRequest.
    """
    said = request.header("content-type")
    if said not in types:
        check_type(said, types, untyped=untyped and request.header("origin") is None)
    coding = request.header("content-encoding")
    if coding is None:
        return await request.body(limit)
    window = _window(coding)
    body = await request.body(limit)
    if window is None:
        return body
    if len(body) > IN_THREAD:
        return await asyncio.to_thread(unpacked, body, window, limit)
    return unpacked(body, window, limit)


def check_type(said: str | None, types: Sequence[str], *, untyped: bool = False) -> str:
    """Return the type that a Content-Type header names, if it is one of ``types``; raises WrongContentType."""
    name = (said or "").partition(";")[0].strip().lower()
    if name not in types and (name or not untyped):
        raise WrongContentType(f"content-type {name[:80] or 'missing'}; use {' or '.join(types)}")
    return name


def _window(coding: str) -> int | None:
    name = coding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _WINDOWS:
        raise WrongContentCoding(f"content-encoding {name[:80]}; use one of {', '.join(CODINGS)}, or none")
    return _WINDOWS[name]


def unpacked(body: bytes, window: int, limit: int) -> bytes:
    """Return what a compressed body holds; BodyTooLarge as soon as that is more than the limit."""
    stream = zlib.decompressobj(window)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedRequest(f"the body is not compressed as its content-encoding says: {error}") from None
    if len(plain) > limit:
        raise BodyTooLarge(f"the body has more than {limit} bytes once it is unpacked")
    if not stream.eof:
        raise MalformedRequest("the compressed body ends too early")
    if stream.unused_data:
        raise MalformedRequest(f"{len(stream.unused_data)} bytes follow the end of the compressed body")
    return plain


def compressed(reply: Reply, request: Request) -> Reply:
    """Return a reply in the coding that its client asks for, if it is large enough to gain by it."""
    status, headers, body = reply
    if len(body) < COMPRESS_FROM:
        return reply
    accepted = request.header("accept-encoding")
    coding = None if accepted is None else _chosen(accepted)
    if coding is None:
        return status, (*headers, ("vary", "accept-encoding")), body
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOWS[coding])
    packed = stream.compress(body) + stream.flush()
    return status, (*headers, ("vary", "accept-encoding"), ("content-encoding", coding)), packed


def _chosen(accepted: str) -> str | None:
    """Return the first coding of ours that an Accept-Encoding header names and does not refuse."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in CODINGS and weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            return name.strip()
    return None
