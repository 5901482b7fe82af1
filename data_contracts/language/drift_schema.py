"""The contract as the schema of a drift reference: which columns are compared, and each as a number or a category."""

from collections.abc import Collection
from typing import NamedTuple

from data_contracts.description.spec import ContractSpec
from data_contracts.description.types.registry import value_type


class DriftSchema(NamedTuple):
    """The columns that a reference and every window compared with it must have."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    vectors: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.numbers, *self.categories, *self.vectors)

    def missing(self, columns: Collection[str]) -> tuple[str, ...]:
        """Return which of its columns are not among those."""
        return tuple(name for name in self.columns if name not in columns)


def drift_schema(contract: ContractSpec) -> DriftSchema:
    """Compile a contract: every field known before the label, but for moments, which always move, and what is not
    compared value by value.

    Fields that are pii are not compared: of the reference only hashes are kept, and of live traffic nothing or others.
    """
    compared = {field.name: value_type(field.dtype).compared for field in contract.inputs if "pii" not in field.roles}
    return DriftSchema(
        tuple(name for name, how in compared.items() if how == "number"),
        tuple(name for name, how in compared.items() if how == "category"),
    )
