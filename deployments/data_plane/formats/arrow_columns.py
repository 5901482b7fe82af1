"""Decoded values, and the graph's input columns, as Arrow columns of the contract's own types."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec


def arrow_type(field: FieldSpec) -> Any:
    """Return the Arrow type that holds every value of a field exactly."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "datetime": pa.timestamp("us"),
        "date": pa.date32(),
    }
    return types[field.dtype]


def arrow_values(values: Sequence[Any], field: FieldSpec) -> Any:
    """Return decoded values as an Arrow array, each as it was decoded; None is null, and "" is not."""
    import pyarrow as pa

    return pa.array(values, arrow_type(field))


def arrow_column(values: NDArray[Any], field: FieldSpec) -> Any:
    """Return a graph's input column as an Arrow array of the contract's own type, null for missing.

    A double stands for integers and moments: those beyond 2^53 and in far years are rounded.
    """
    import pyarrow as pa

    if field.dtype == "string":
        array = pa.array(values, pa.string())
        return array if not field.nullable else _null_where(array, values == "")
    missing = np.isnan(values)
    if field.dtype == "number":
        return pa.array(values, mask=missing)
    filled = np.where(missing, 0.0, values)
    casts: dict[str, Callable[[], NDArray[Any]]] = {
        "integer": lambda: filled.astype(np.int64),
        "boolean": lambda: filled.astype(np.bool_),
        "datetime": lambda: np.round(filled * 1e6).astype("datetime64[us]"),
        "date": lambda: (filled // 86_400).astype("datetime64[D]"),
    }
    return pa.array(casts[field.dtype](), mask=missing)


def _null_where(array: Any, missing: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pa.array(np.asarray(missing, dtype=np.bool_)), None, array)
