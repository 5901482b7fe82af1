"""Texts of users in Markdown: one place that makes them safe to stand in a line, a list or the cell of a table."""

import re

_SIGNS = str.maketrans({sign: f"\\{sign}" for sign in "\\|`*[]#~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
# Names are full of it, and after a letter or a digit it begins nothing.
_EMPHASIS = re.compile(r"(?<![^\W_])_")


def cell(text: object) -> str:
    """Return a text as one line of Markdown, in which it means nothing but itself; nothing of it is cut off."""
    return _EMPHASIS.sub(r"\\_", " ".join(str(text).split()).translate(_SIGNS))
