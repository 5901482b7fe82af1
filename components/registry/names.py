"""Names of ours as MLflow takes them for parameters, metrics and tags: any text, and no two texts the same.

MLflow takes letters, digits, ``_``, ``-``, ``.``, ``/``, ``:`` and spaces, and no name that would be another one as a
path. Names of classes and of options are any text: ``<=50K``, ``C++``, ``50%``. What it does not take is written as its
code point, ``-u3c-`` for ``<``; nearly all names stay as they are.
"""

import re

from components.artefacts.storage import digest_bytes

# MLflow's limit is 250.
LONGEST = 240
_DIGITS = 16
# ":" is refused on Windows, and "/" makes folders of a name, in which ".." and nothing have a meaning. A hyphen is
# written out where it would be read, with what follows, as a code point.
_CHANGED = re.compile(r"[^\w.\- ]|^\.|-(?=u[0-9a-f]*(?:-|[^\w.\- ]))")
_WRITTEN = re.compile(r"-u([0-9a-f]*)-")


def safe_name(text: str) -> str:
    """Return a text as a name that MLflow takes; different texts give different names.

    ``plain_name`` gives the text back, unless it was too long: then a digest stands for its end.
    """
    name = _CHANGED.sub(lambda found: f"-u{ord(found[0]):x}-", text) or "-u-"
    if len(name) <= LONGEST:
        return name
    digest = digest_bytes(text.encode(errors="surrogatepass"))[:_DIGITS]
    return f"{name[: LONGEST - _DIGITS - 3]}-u-{digest}"


def plain_name(name: str) -> str:
    """Return the text that a name stands for."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)) if found[1] else "", name)
