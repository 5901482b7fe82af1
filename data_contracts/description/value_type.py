"""What a type of values is, in plain terms: one instance a type, in a module of ``types``.

Whoever handles a value asks its type: decoding of requests, OpenAPI document, tensors of the Open Inference Protocol,
MLflow's signature, drift. What the same type is as a column of a table stands in ``data_contracts/language/types`` (as
Polars has it) and in ``deployments/data_plane/tables/types`` (as a request's table has it).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from data_contracts.description.spec import FieldSpec

Schema = Mapping[str, Any]
Compared = Literal["number", "category"] | None
# Says what is wrong with a decoded value, None if nothing is.
Fault = Callable[[Any], str | None]
WHOLE = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
FLOATS = frozenset({"FP16", "BF16", "FP32", "FP64"})


class ValueType:
    """A type of values; a method that is not overridden is what most types do."""

    # As ``FieldSpec.dtype`` has it, and with its article.
    name: ClassVar[str]
    article: ClassVar[str] = "a"
    # What msgspec decodes.
    python: ClassVar[Any]
    # The words of column(...) that say something about it.
    rules: ClassVar[tuple[str, ...]] = ()
    # JSON Schema, without a field's own limits.
    schema: ClassVar[Schema]
    # Datatypes of the Open Inference Protocol: its own, and all that it takes. A client on another platform may have
    # only doubles, or no 64-bit integers. Of all these only floats and BYTES can say that a value is missing.
    datatype: ClassVar[str]
    accepted: ClassVar[frozenset[str]]
    # As MLflow names it.
    signature: ClassVar[str]
    # As what its distribution is compared (splits, drift); None: not value by value.
    compared: ClassVar[Compared] = None
    is_moment: ClassVar[bool] = False
    # Whether values have an order in which there is a middle one.
    is_ordered: ClassVar[bool] = False
    # Whether a single value may be as large as thousands of numbers.
    is_large: ClassVar[bool] = False

    def limits(self, field: FieldSpec) -> dict[str, Any]:
        """Return the limits of a field as msgspec's ``Meta`` takes them."""
        return {}

    def fault(self, field: FieldSpec) -> Fault | None:
        """Return what is to be asked of a decoded value that msgspec does not ask; None if nothing is."""
        return None

    def json_schema(self, field: FieldSpec) -> dict[str, Any]:
        """Return the JSON schema of a field's values, null and description apart."""
        return dict(self.schema)

    def told_limits(self, field: FieldSpec) -> list[str]:
        """Return the limits of a field in a few words each, for people."""
        return []

    def made_up(self, field: FieldSpec) -> Any:
        """Return a value that a field without an example takes, None if none is known."""
        return None

    def of_example(self, example: Any) -> Any:
        """Return the value that a field's example, as JSON has it, stands for."""
        return example

    def most_bytes(self, field: FieldSpec) -> int:
        """Return how much memory a value may take: what bounds how many rows are worked on at once."""
        return 8

    def to_bytes(self, value: Any) -> bytes:
        """Return a value of a large type as bytes: what its size and its digest are of."""
        raise NotImplementedError(f"{self.name} is no large type")

    def shape(self, field: FieldSpec) -> tuple[int, ...]:
        """Return the shape of one value in a tensor; -1 where values differ in it."""
        return ()

    def of_tensor(self, field: FieldSpec, value: Any, datatype: str) -> Any:
        """Return one value of a tensor as a row of JSON has it; ValueError for one that JSON does not have."""
        if isinstance(value, float):
            if math.isnan(value):
                return None
            if math.isinf(value):
                raise ValueError(f"{value} is not finite; send NaN or null if unknown")
        return value


def text(value: Any) -> Any:
    """Return a value of a tensor of BYTES as text; UnicodeDecodeError if it is none."""
    return value.decode() if isinstance(value, bytes) else value
