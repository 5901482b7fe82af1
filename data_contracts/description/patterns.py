"""Patterns of text fields: the part of regular expressions that every engine which judges a row reads alike.

The engines are Rust's (pydantic, Polars), Python's (the request decoder), RE2 (columns of a request, in Arrow) and
JavaScript's (whoever reads the OpenAPI document). What is not in ``_PARTS`` at least one of them reads differently.
"""

import re

# Classes of POSIX (`[[:alpha:]]`) and operations on sets (`&&`, `--`, `~~`) are Rust's alone: no `[` and no doubled
# sign in a set. `]` as its first character is an empty set in JavaScript.
_ESCAPE = r"\\(?:[\\.+*?()|\[\]{}^$/nrtfv]|x[0-9A-Fa-f]{2})"
_ONE = rf"(?:{_ESCAPE}|\\-|(?!&&|~~|\|\|)[^\\\[\]\-])"
_SET = rf"\[\^?-?(?:{_ONE}(?:-{_ONE})?)*-?\]"
# RE2 repeats a thousand times at most, and no engine but Rust's reads `{,3}`, `{ 3}` and `{03}` as it does.
_COUNT = r"(?:0|[1-9][0-9]{0,2}|1000)"
_REPEAT = rf"(?:[*+?]|\{{{_COUNT}(?:,(?:{_COUNT})?)?\}})\??"
_PARTS = re.compile(
    rf"(?P<set>(?!\[\^?\]){_SET})|(?P<repeat>{_REPEAT})|(?P<open>\((?:\?:|(?!\?)))|(?P<end>\$)|(?P<any>\.)"
    rf"|(?P<other>{_ESCAPE}|[)|^]|[^\\.+*?()|\[\]{{}}^$])",
    flags=re.DOTALL,
)
# What to show of a part that is not among them.
_SHOWN = re.compile(r"\\x\{[^}]*\}?|\\.|\[(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]?|\(\?.?|\{[^}]*\}?|.", flags=re.DOTALL)


def disputed(pattern: str) -> str | None:
    """Return the first part of a pattern that regular-expression engines do not agree on, or None."""
    place, repeated = 0, ""
    while place < len(pattern):
        part = _PARTS.match(pattern, place)
        if part is None:
            shown = _SHOWN.match(pattern, place)
            assert shown, "every character is shown"
            return shown[0]
        # A second one makes the first possessive (Python), repeats it again (Rust) or is an error (RE2).
        if part["repeat"] and repeated:
            return repeated + part[0]
        repeated = part[0] if part["repeat"] else ""
        place = part.end()
    return None


def python_pattern(pattern: str) -> str:
    """Return a pattern for Python's ``re``, whose ``$`` alone would also match before a newline at the end."""
    return _replaced(pattern, "end", r"\Z")


def script_pattern(pattern: str) -> str:
    """Return a pattern for JavaScript, whose dot also leaves out ``\\r`` and the line separators of Unicode."""
    return _replaced(pattern, "any", r"[^\n]")


def _replaced(pattern: str, kind: str, instead: str) -> str:
    return _PARTS.sub(lambda part: instead if part[kind] else part[0], pattern)
