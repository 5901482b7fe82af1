"""Pictures: which limits a contract may set for them, and reading one that keeps them; Pillow is imported for that."""

import io
from collections.abc import Mapping
from typing import Any

from data_contracts.description.spec import FieldSpec

# Limits that ``media=`` of a field may set. Channels: 1 is grey, 3 is colour; an alpha channel is none.
LIMITS = ("min_width", "max_width", "min_height", "max_height", "max_pixels", "channels")
# Formats that are read, by their media types. No other reader is tried: Pillow has some that start programs, as
# Ghostscript for EPS, and bytes come from anybody.
FORMATS = {f"image/{name.lower()}": name for name in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")}
# Unless the contract says otherwise: a few kilobytes may unpack to gigabytes.
MAX_PIXELS = 50_000_000
UNREADABLE = "cannot be read as a picture"
# What is black and what is white in 32 bits, or in fractions, no file says.
UNBOUNDED = "grey values of more than 16 bits"


def read(data: bytes, field: FieldSpec) -> Any:
    """Return a decoded Pillow image; ValueError with the reason, one of ``reasons``, for what the contract refuses."""
    from PIL import Image

    wanted, limits = _wanted(field), dict(field.media)
    most = limits.get("max_pixels", MAX_PIXELS)
    try:
        picture = Image.open(io.BytesIO(data), formats=tuple(FORMATS.values()))
        told = {"width": picture.width, "height": picture.height, "channels": _channels(picture.mode)}
        if picture.mode in ("I", "F"):
            raise _Refused(UNBOUNDED)
        if wanted and picture.get_format_mimetype() != field.media_type:
            raise _Refused(wanted)
        if picture.width * picture.height > most:
            raise _Refused(_too_many(most))
        for text, word, of, sign in _rules(limits):
            if (told[of] - limits[word]) * sign > 0 or (sign == 0 and told[of] != limits[word]):
                raise _Refused(text)
        picture.load()
        if picture.mode.startswith("I;16"):
            picture = _of_eight_bits(picture)
    except _Refused as error:
        raise ValueError(str(error)) from None
    except Exception:  # Pillow's readers raise nearly anything for bytes that are no picture
        raise ValueError(UNREADABLE) from None
    return picture


def most_pixels(field: FieldSpec) -> int:
    """Return how many pixels a picture that keeps the limits may have."""
    limits = dict(field.media)
    most = limits.get("max_pixels", MAX_PIXELS)
    return min(most, limits.get("max_width", most) * limits.get("max_height", most))


def reasons(field: FieldSpec) -> list[str]:
    """Return every reason for which ``read`` may refuse."""
    told = [_wanted(field), *(rule[0] for rule in _rules(dict(field.media)))]
    return [UNREADABLE, UNBOUNDED, _too_many(dict(field.media).get("max_pixels", MAX_PIXELS)), *filter(None, told)]


class _Refused(Exception):
    pass


def _wanted(field: FieldSpec) -> str:
    return "" if str(field.media_type).endswith("/*") else f"not {field.media_type}"


def _too_many(most: int) -> str:
    return f"more than {most:,} pixels"


def _rules(limits: Mapping[str, int]) -> list[tuple[str, str, str, int]]:
    """Return for each limit the reason, its word, what it limits, and on which side: 1 above, -1 below, 0 either."""
    words = {
        "min_width": ("narrower than {} pixels", "width", -1),
        "max_width": ("wider than {} pixels", "width", 1),
        "min_height": ("lower than {} pixels", "height", -1),
        "max_height": ("higher than {} pixels", "height", 1),
        "channels": ("not of {} channels", "channels", 0),
    }
    return [(text.format(limits[word]), word, of, sign) for word, (text, of, sign) in words.items() if word in limits]


def _channels(mode: str) -> int:
    return 1 if mode in ("1", "L", "LA") or mode.startswith("I;16") else 3


def _of_eight_bits(picture: Any) -> Any:
    """Return a picture of 16-bit grey values with those of 8 bits: Pillow's own way makes all from 255 on white."""
    from PIL import ImageOps

    # Upright first: what the file says of that is not kept by another mode.
    wide = ImageOps.exif_transpose(picture).convert("I")
    # One of 65,536 shades may be transparent; of 256 it would be other ones, too.
    wide.info.pop("transparency", None)
    return wide.point(lambda value: value * (1 / 257) + 0.5).convert("L")
