"""Of values too large to be kept there are their size and their digest, whatever their type."""

import hashlib
from typing import Any

import numpy as np
import pytest

from components.artefacts.inference import described, digests, inference_of
from data_contracts.description.spec import FieldSpec


@pytest.mark.parametrize(
    ("dtype", "value", "as_bytes"),
    [
        ("bytes", b"\x00\xff", b"\x00\xff"),
        ("text", "größe", "größe".encode()),
        ("vector", [1.0, -2.5], np.array([1.0, -2.5]).tobytes()),
    ],
)
def test_a_large_value_has_a_size_in_bytes_and_a_digest(dtype: Any, value: Any, as_bytes: bytes) -> None:
    """The tabular kind says nothing of its own."""
    field = FieldSpec(name="x", dtype=dtype, description="", nullable=True)
    made = described(inference_of("tabular"), field, [value, None])
    assert list(made) == ["x.size"]
    np.testing.assert_array_equal(made["x.size"], [len(as_bytes), np.nan])
    assert digests(field, [value, None]).tolist() == [hashlib.sha256(as_bytes).hexdigest(), None]
