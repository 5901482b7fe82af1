"""Text of users in Markdown: one place that makes it safe to stand in a table."""

_SIGNS = str.maketrans({sign: f"\\{sign}" for sign in "\\|`*[]"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def cell(text: object) -> str:
    """Return a text as a cell of a table, in which it is on one line and means nothing but itself."""
    return " ".join(str(text).split()).translate(_SIGNS)
