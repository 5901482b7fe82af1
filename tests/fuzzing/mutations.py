"""Bodies changed at random: bits, numbers that stand for lengths, pieces taken out, repeated and put elsewhere."""

import gzip
import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence

# What a length, a count, an offset or a number of rows must not be believed to be.
WHOLE = (0, 1, -1, 2, 7, 127, 128, 255, 256, 2**15, 2**16, 2**24, 2**31 - 1, -(2**31), 2**32 - 1, 2**53, 2**63 - 1)
TOKENS = (
    *(b"null", b"true", b"[]", b"{}", b'""', b"-0", b"0.1", b"1e999", b"-1e999", b"NaN", b"Infinity", b"1e-999"),
    *(b'"\\ud800"', b'"\\u0000"', b'"\xff"', b"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", b'{"a":{"a":{"a":{}}}}'),
    *(b"9" * 400, b'"' + b"x" * 5_000 + b'"', b'"2024-02-30"', b'"2024-01-01T00:00:00+14:00"'),
    *(b'"9999-12-31T23:59:59.999999"', b'"0001-01-01T00:00:00"'),
)
_VALUE = re.compile(rb'"[^"]*"|-?\d+(?:\.\d+)?|true|false|null')

Change = Callable[[bytearray, random.Random], bytearray]


def flip(body: bytearray, draw: random.Random) -> bytearray:
    """Flip a few bits."""
    for _ in range(draw.randint(1, 4)):
        body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
    return body


def overwrite(body: bytearray, draw: random.Random) -> bytearray:
    """Put a number of 4 or 8 bytes where another may stand."""
    size = draw.choice((4, 8))
    if len(body) < size:
        return body
    place = draw.randrange(0, len(body) - size + 1, draw.choice((1, 4, 8)) if len(body) > 16 else 1)
    value = draw.choice(WHOLE) & (2 ** (8 * size) - 1)
    struct.pack_into("<I" if size == 4 else "<Q", body, place, value)
    return body


def cut(body: bytearray, draw: random.Random) -> bytearray:
    """Take a piece out, or the end off."""
    start = draw.randrange(len(body))
    del body[start : draw.choice((len(body), start + draw.randint(1, 64)))]
    return body


def repeat(body: bytearray, draw: random.Random) -> bytearray:
    """Repeat a piece."""
    start = draw.randrange(len(body))
    piece = body[start : start + draw.randint(1, 256)]
    body[start:start] = piece * draw.choice((1, 1, 2, 50))
    return body


def token(body: bytearray, draw: random.Random) -> bytearray:
    """Put another value in the place of one, if the body has values that can be read."""
    found = list(_VALUE.finditer(body))
    if found:
        place = draw.choice(found)
        body[place.start() : place.end()] = draw.choice(TOKENS)
    return body


def nest(body: bytearray, draw: random.Random) -> bytearray:
    """Put the body, or its beginning, into very many brackets."""
    opening = draw.choice((b"[", b'{"a":', b'{"inputs":['))
    return bytearray(opening * draw.choice((10, 1_000, 20_000))) + body


BYTES: tuple[Change, ...] = (flip, flip, overwrite, overwrite, overwrite, overwrite, cut, repeat)
WORDS: tuple[Change, ...] = (*[token] * 8, flip, overwrite, cut, repeat, nest)


def mutated(body: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    """Return a body changed in one to three ways, now and then with the end of another one."""
    changed = bytearray(body)
    if others and draw.random() < 0.03:
        other = draw.choice(others)
        changed = changed[: draw.randrange(len(changed) + 1)] + bytearray(other[draw.randrange(len(other) + 1) :])
    changes = WORDS if body[:1] in b"[{" else BYTES
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        if changed:
            changed = draw.choice(changes)(changed, draw)
    return bytes(changed)


def compressed(body: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Return a name of a coding and the body in it, sometimes wrongly, sometimes with much behind it."""
    match draw.randrange(4):
        case 0:
            return "gzip", gzip.compress(body)
        case 1:
            return "gzip", gzip.compress(body + b" " * 50_000_000, compresslevel=1)
        case 2:
            return "deflate", zlib.compress(body)
        case _:
            return draw.choice(("gzip", "br", "zstd", "gzip, gzip", "x")), body
