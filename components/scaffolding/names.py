"""Names that Python takes, for columns that may be called anything."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

from pydantic import BaseModel

from data_contracts.contract import Contract

# What the written module names itself.
USED = frozenset(
    ["Contract", "Expectation", "Literal", "column", "date", "datetime", "bool", "bytes", "float", "int", "str", "list"]
)
_TAKEN = USED | frozenset(dir(BaseModel)) | frozenset(dir(Contract)) | frozenset(["None", "True", "False"])
MOST = 60


def attribute_names(columns: Iterable[str]) -> dict[str, str]:
    """Return for each column the attribute that stands for it: its own name wherever Python takes that."""
    found: dict[str, str] = {}
    for name in columns:
        plain = name if _is_attribute(name) else _plain(name)
        fresh, number = plain, 2
        while fresh in found.values():
            fresh, number = f"{plain}_{number}", number + 1
        found[name] = fresh
    return found


def class_name(workload: str) -> str:
    """Return the name of the class for a workload's rows."""
    made = "".join(part.capitalize() for part in workload.split("_") if part) or "Row"
    return f"{made}Row" if made in USED or keyword.iskeyword(made) else made


def workload_name(said: str) -> str:
    """Return a text as the name of a workload: small letters, digits and underscores."""
    ascii_text = unicodedata.normalize("NFKD", said).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_")[:60]
    return plain if plain and plain[0].isalpha() else f"table_{plain}".rstrip("_")


def _is_attribute(name: str) -> bool:
    taken = name in _TAKEN or keyword.iskeyword(name) or name.startswith(("_", "model_"))
    # Python reads ª as a: one name would be two.
    return name.isidentifier() and name.isascii() and len(name) <= MOST and not taken


def _plain(name: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", ascii_text).strip("_").lower()[:MOST]
    if not plain:
        return "column_"
    if plain[0].isdigit():
        plain = f"c_{plain}"
    return plain if _is_attribute(plain) else f"{plain}_"
