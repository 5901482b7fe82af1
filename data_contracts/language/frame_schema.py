"""The contract as a Polars schema: one type for each type of field, the same from source to features."""

import polars as pl

from data_contracts.description.spec import ContractSpec
from data_contracts.language.types.registry import COLUMN_TYPES

POLARS_TYPES: dict[str, pl.DataType] = {name: one.polars for name, one in COLUMN_TYPES.items()}

# A snapshot keeps the text of a value that is not of its field's type in a column beside it.
RAW = ":raw"


def raw_column(field: str) -> str:
    """Return the name of the column that keeps what a value was before it failed to become the field's type."""
    return field + RAW


def frame_schema(contract: ContractSpec) -> pl.Schema:
    """Return the Polars schema of rows that were cast to the contract."""
    return pl.Schema({field.name: POLARS_TYPES[field.dtype] for field in contract.fields})
