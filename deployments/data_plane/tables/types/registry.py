"""Every type that a field may have, as a column of a table, by its name: a new one is a module beside, and a line."""

from deployments.data_plane.tables.table_type import TableType
from deployments.data_plane.tables.types import binary, moments, numbers, strings, vectors

TABLE_TYPES: dict[str, TableType] = {
    one.name: one for module in (strings, numbers, moments, binary, vectors) for one in module.TYPES
}


def table_type(name: str) -> TableType:
    """Return a type by the name that a field has it by."""
    return TABLE_TYPES[name]
