"""Decoded values, and what a predictor is given, as Arrow columns of the contract's own types.

pyarrow is imported when the first is made, not when the service starts.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec


def arrow_values(values: Sequence[Any], field: FieldSpec) -> Any:
    """Return decoded values as an Arrow array, each as it was decoded; None is null, and "" is not."""
    from deployments.data_plane.tables.types.registry import table_type

    return table_type(field.dtype).of_values(values)


def arrow_column(values: NDArray[Any], field: FieldSpec) -> Any:
    """Return a graph's input column as an Arrow array of the contract's own type, null for missing.

    A double stands for integers and moments: those beyond 2^53 and in far years are rounded.
    """
    from deployments.data_plane.tables.types.registry import table_type

    return table_type(field.dtype).of_graph(values, field)
