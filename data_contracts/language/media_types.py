"""Media types as a contract writes them: one (``image/png``), or all of a kind (``image/*``); RFC 6838."""

import re
from typing import Any

from data_contracts.language.fault import fault

_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
_FORM = re.compile(rf"{_NAME}/(?:{_NAME}|\*)")


def check_media_type(field: str, value: Any, example: str) -> None:
    """Raise TypeError for what is no media type."""
    if not isinstance(value, str) or not _FORM.fullmatch(value):
        raise fault(field, f"media_type={value!r} is no media type in small letters: write, for instance, {example!r}")
