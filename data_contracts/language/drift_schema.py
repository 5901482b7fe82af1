"""The contract as the schema of a drift reference: which columns are compared, and each as a number or a category."""

from collections.abc import Collection
from typing import NamedTuple

from data_contracts.description.spec import ContractSpec


class DriftSchema(NamedTuple):
    """The columns that a reference and every window compared with it must have."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    def missing(self, columns: Collection[str]) -> tuple[str, ...]:
        """Return which of its columns are not among those."""
        return tuple(name for name in (*self.numbers, *self.categories) if name not in columns)


def drift_schema(contract: ContractSpec) -> DriftSchema:
    """Compile a contract: every field known before the label, but for moments, which always move.

    Fields that are pii are not compared: of the reference only hashes are kept, and of live traffic nothing or others.
    """
    compared = [
        field for field in contract.inputs if field.dtype not in ("datetime", "date") and "pii" not in field.roles
    ]
    numbers = tuple(field.name for field in compared if field.dtype in ("integer", "number"))
    return DriftSchema(numbers, tuple(field.name for field in compared if field.name not in numbers))
