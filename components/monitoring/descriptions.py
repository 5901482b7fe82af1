"""What the kind says of large values, such as the brightness of pictures, as columns that are compared."""

import polars as pl

from components.artefacts.inference import Inference, described
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type
from data_contracts.language.drift_schema import DriftSchema


def described_fields(contract: ContractSpec) -> tuple[FieldSpec, ...]:
    """Return the fields with large values; those that are pii are not compared."""
    return tuple(one for one in contract.inputs if value_type(one.dtype).is_large and "pii" not in one.roles)


def with_descriptions(
    frame: pl.DataFrame, contract: ContractSpec, inference: Inference
) -> tuple[pl.DataFrame, DriftSchema]:
    """Return rows with what the kind says of their large values beside them, and which columns say it.

    Of rows of the prediction log it was said when they were answered: they have no large values.
    """
    columns: list[pl.Series] = []
    for field in described_fields(contract):
        if field.name not in frame.columns:
            columns += [frame[name] for name in _names(field, inference)]
            continue
        for name, values in described(inference, field, frame[field.name].to_list()).items():
            columns.append(pl.Series(name, values, pl.String if values.dtype == object else None))
    sorts = {column.name: _sort(column) for column in columns}
    return frame.with_columns(columns), DriftSchema(
        *(tuple(name for name, found in sorts.items() if found == sort) for sort in DriftSchema._fields)
    )


def undescribed(frame: pl.DataFrame, contract: ContractSpec, inference: Inference) -> tuple[str, ...]:
    """Return the fields with large values of which there are neither the values nor all that the kind says of them."""
    absent = (field for field in described_fields(contract) if field.name not in frame.columns)
    return tuple(field.name for field in absent if not set(frame.columns).issuperset(_names(field, inference)))


def _names(field: FieldSpec, inference: Inference) -> tuple[str, ...]:
    return tuple(described(inference, field, []))


def _sort(column: pl.Series) -> str:
    if isinstance(column.dtype, pl.Array):
        return "vectors"
    return "categories" if column.dtype == pl.String else "numbers"
