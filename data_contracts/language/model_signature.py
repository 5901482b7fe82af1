"""The contract as MLflow writes schemas: a model's inputs as they are checked, and a data set's columns as they are.

MLflow checks the inputs before the model sees them, and its checks are not the contract's. ``long`` takes no missing
value and cuts 2.7 to 2, ``double`` takes no column of integers, ``boolean`` makes False of a missing value,
``datetime`` takes no text and makes moments of numbers. The model runs the contract's own checks, so a type is named
for MLflow only where its check changes and refuses nothing that the contract takes: for texts that are always there.
"""

from data_contracts.description.spec import ContractSpec, DType, FieldSpec
from data_contracts.description.types.registry import value_type

ANY = "any"


def signature_inputs(contract: ContractSpec) -> list[dict[str, object]]:
    """Return a column for each field that a request holds, in order: name, MLflow type, and if it must be there."""
    return [
        {"type": "string" if value_type(field.dtype).python is str and not field.nullable else ANY, **_named(field)}
        for field in contract.inputs
    ]


def dataset_columns(contract: ContractSpec) -> list[dict[str, object]]:
    """Return a column for each field, in order, with its own type."""
    return [{"type": value_type(field.dtype).signature, **_named(field)} for field in contract.fields]


def output_column(name: str, dtype: DType) -> dict[str, object]:
    """Return a column of what a model answers."""
    return {"type": value_type(dtype).signature, "name": name, "required": True}


def _named(field: FieldSpec) -> dict[str, object]:
    return {"name": field.name, "required": not field.nullable}
