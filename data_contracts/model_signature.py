"""The contract as the inputs of a model's signature in MLflow, in the JSON form that MLflow reads."""

from data_contracts.spec import ContractSpec, DType

_TYPES: dict[DType, str] = {
    "string": "string",
    "integer": "double",  # MLflow's integer columns cannot hold a missing value
    "number": "double",
    "boolean": "boolean",
    "datetime": "datetime",
    "date": "datetime",
}


def signature_inputs(contract: ContractSpec) -> list[dict[str, object]]:
    """Return a column for each field that a request holds, in order: name, MLflow type, and if it must be there."""
    return [
        {"type": _TYPES[field.dtype], "name": field.name, "required": not field.nullable} for field in contract.inputs
    ]
