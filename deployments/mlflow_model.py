"""A build as MLflow's python_function: data frames in, what the service answers out.

MLflow imports this module from the code that is packed with a registered model (``components.registry.model``)
and calls ``_load_pyfunc``. The rows of a data frame are checked by the decoder that checks requests, and answered by
the same graph. This is the one module of the service that imports pandas, which MLflow brings.
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.artefacts.errors import ServingError
from components.artefacts.inference import Answers, Row
from components.artefacts.parts_of_rows import in_parts
from data_contracts.description.spec import FieldSpec
from deployments.data_plane.formats.request import InvalidRow, RowDecoder
from deployments.data_plane.model import load_model

# What may be asked for with ``model_config={"answer": ...}``: all columns of the answer, or one of them by its name.
EVERYTHING = "everything"
# The key that must have signed the build: packed beside this code where there was one.
KEY = Path(__file__).resolve().parent.parent / "signing.pub"
# Rows answered in one call of the graph; more would only take memory.
SLICE = 4_096


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> "FrameModel":
    """Open the build in a folder, which has its name; MLflow calls this."""
    return FrameModel(Path(path), str((model_config or {}).get("answer", EVERYTHING)))


class FrameModel:
    """A build that answers data frames; ``answer`` is the one column wanted, or everything."""

    def __init__(self, path: Path, answer: str = EVERYTHING) -> None:
        self._model = load_model(path, public_key=KEY if KEY.is_file() else None, build_id=path.name)
        self._decoder = RowDecoder(self._model.contract, max_rows=sys.maxsize)
        names = [output.name for output in self._model.serving.answer.outputs]
        if answer not in (EVERYTHING, *names):
            raise ServingError(f"answer: {answer!r} is none of {', '.join((EVERYTHING, *names))}")
        self._answer = answer

    def predict(self, data: pd.DataFrame, params: Mapping[str, Any] | None = None) -> Any:
        """Return the answers, in the order of the rows: a data frame, or an array if one column is wanted.

        A column that may be missing may be left out; InvalidRow (a ValueError) names the first row and field that break
        the contract.
        """
        columns = {field.name: _column(data, field) for field in self._model.contract.inputs}
        names, values = list(columns), list(columns.values())
        shape = self._model.serving.answer
        parts = [np.empty((0, len(shape.columns))[: min(2, len(shape.columns))], np.float32)]
        for start in range(0, len(data), SLICE):
            cut = zip(*(column[start : start + SLICE] for column in values), strict=True)
            try:
                rows = self._decoder.check([dict(zip(names, row, strict=True)) for row in cut])
            except InvalidRow as error:
                raise InvalidRow(start + error.row, error.field, error.reason) from None
            parts.append(self._answers(rows))
        answers = np.concatenate(parts)
        if not np.isfinite(answers).all():
            raise ServingError(f"build {self._model.build_id} answered with something that is not a number")
        named = shape.named(shape.rounded(answers))
        return pd.DataFrame(named, index=data.index) if self._answer == EVERYTHING else named[self._answer]

    def _answers(self, rows: list[Row]) -> Answers:
        predictor = self._model.predictor
        parts = in_parts(lambda first, last: predictor.tensors(rows[first:last]), len(rows), SLICE)
        return np.concatenate([predictor.predict(part) for part in parts])


def _column(data: pd.DataFrame, field: FieldSpec) -> list[Any]:
    """Return a column as the values that a request would hold; None for missing and for a column that was left out."""
    if field.name not in data.columns:
        return [None] * len(data)
    column = data[field.name]
    return [
        None if gone else _value(value, field) for value, gone in zip(column.astype(object), column.isna(), strict=True)
    ]


def _value(value: Any, field: FieldSpec) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    # pandas keeps integers with gaps as floats, and days as moments.
    if field.dtype == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    if (
        field.dtype == "date"
        and isinstance(value, datetime)
        and value == value.replace(hour=0, minute=0, second=0, microsecond=0)
    ):
        return value.date()
    return value
