"""Every type that a field may have, as a column, by its name: a new one is a module beside these, and a line here."""

from data_contracts.language.column_type import ColumnType
from data_contracts.language.types import binary, moments, numbers, strings, vectors

COLUMN_TYPES: dict[str, ColumnType] = {
    one.name: one for module in (strings, numbers, moments, binary, vectors) for one in module.TYPES
}


def column_type(name: str) -> ColumnType:
    """Return a type by the name that a field has it by."""
    return COLUMN_TYPES[name]
