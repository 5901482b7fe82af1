"""Every type that a field may have, by its name: a new one is a module beside these, and a line here.

The line is an import that can be read without running it: what a stage's result depends on is found by such lines.
"""

from data_contracts.description.types import binary, moments, numbers, strings, vectors
from data_contracts.description.value_type import ValueType

TYPES: dict[str, ValueType] = {
    one.name: one for module in (strings, numbers, moments, binary, vectors) for one in module.TYPES
}


def value_type(name: str) -> ValueType:
    """Return a type by the name that a field has it by; LookupError for one that this version does not know."""
    if name not in TYPES:
        raise LookupError(f"the contract has a field of the type '{name}', which is not one of {', '.join(TYPES)}")
    return TYPES[name]
