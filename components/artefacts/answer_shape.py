"""What a build answers: the numbers of a row, their names, and the decision that follows from them.

The shape lies in ``serving.json`` and is read by whoever handles answers (the data plane, scoring, checks, monitoring),
so none of them asks what kind of label it was. Answers are arrays: [rows] where a row has one number, else
[rows, columns]. The data plane reads this module, so it imports msgspec and NumPy alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from data_contracts.description.spec import DType, FieldSpec

Answers = NDArray[Any]
Writer = Callable[[Sequence[Any]], str]
# Probabilities are counted in tenths.
TENTHS = tuple(step / 10 for step in range(1, 11))
# A float32 has no more digits worth sending.
DIGITS = 8


class Output(msgspec.Struct, frozen=True):
    """One column of what a client gets: its name and, in the contract's words, its type."""

    name: str
    dtype: DType


class _Shape(msgspec.Struct, frozen=True, kw_only=True, tag_field="target"):
    """What every shape knows."""

    label: str
    # What a difference between answers is judged in units of.
    scale: float = 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of a row's numbers, in the order of the graph's output."""
        raise NotImplementedError

    @property
    def tensor(self) -> str:
        """Name of the graph's output, float32 [rows, columns]."""
        return self.columns[0]

    @property
    def judged(self) -> tuple[str, ...]:
        """Names of the numbers that the goal's metric judges, which ``point`` returns."""
        return self.columns

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What a client gets by columns: the numbers, then the decision if there is one."""
        return tuple(Output(name, "number") for name in self.columns)

    @property
    def watched(self) -> tuple[str, str]:
        """Name and meaning of the number that ``leading`` returns, for the metrics."""
        return "probability", "The probabilities that were answered."

    @property
    def bounds(self) -> tuple[float, ...]:
        """Upper bounds of the buckets in which ``leading`` is counted."""
        return TENTHS

    def values(self, answers: Answers) -> list[NDArray[Any]]:
        """Return the columns that ``outputs`` names."""
        return list(_by_row(answers).T)

    def named(self, answers: Answers) -> dict[str, NDArray[Any]]:
        """Return what a client gets, column by column."""
        return {output.name: column for output, column in zip(self.outputs, self.values(answers), strict=True)}

    def numbers(self, answers: Answers) -> dict[str, NDArray[Any]]:
        """Return the numbers alone, column by column."""
        return dict(zip(self.columns, _by_row(answers).T, strict=True))

    def rounded(self, answers: Answers) -> NDArray[np.float64]:
        """Return the numbers as they are sent."""
        wide: NDArray[np.float64] = answers.astype(np.float64)
        return np.round(wide, DIGITS)

    def point(self, answers: Answers) -> Answers:
        """Return the numbers that the goal's metric judges: all but those that only say how sure the answer is."""
        return answers

    def leading(self, answers: Answers) -> Answers:
        """Return the number a row, [rows], whose distribution is watched."""
        return answers

    def decided(self, answers: Answers) -> NDArray[Any] | None:
        """Return the decision a row as text for people; None where the number is the answer."""
        return None

    def counted(self, answers: Answers) -> Mapping[str, int]:
        """Return how many rows got which decision, where the numbers alone do not tell."""
        return {}

    def writer(self) -> Writer:
        """Return a function that writes answers (a list, from ``rounded``) as the JSON objects of a list."""
        raise NotImplementedError

    def read(self, prediction: Mapping[str, Any]) -> list[float]:
        """Return the numbers of one JSON object, in the order of ``columns``."""
        raise NotImplementedError

    def schema(self, label: FieldSpec) -> dict[str, Any]:
        """Return the JSON schema of one prediction."""
        raise NotImplementedError


class Binary(_Shape, frozen=True, kw_only=True, tag="binary", omit_defaults=True):
    """A probability of yes, and yes from a threshold on.

    ``classes`` are what no and yes are called, in this order, if the label is no boolean.
    """

    threshold: float
    classes: tuple[str | int, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return ("probability",)

    @property
    def outputs(self) -> tuple[Output, ...]:
        return Output("probability", "number"), Output(self.label, _kind(self.classes))

    def values(self, answers: Answers) -> list[NDArray[Any]]:
        said = answers >= self.threshold
        return [answers, _array(self.classes)[said.astype(np.intp)] if self.classes else said]

    def decided(self, answers: Answers) -> NDArray[Any]:
        no, yes = map(str, self.classes or ("no", "yes"))
        return np.where(answers >= self.threshold, yes, no)

    def writer(self) -> Writer:
        threshold = self.threshold
        no, yes = (f",{_text(self.label)}:{_text(one)}}}" for one in self.classes or (False, True))

        def write(answers: Sequence[float]) -> str:
            return ",".join([f'{{"probability":{p!r}{yes if p >= threshold else no}' for p in answers])

        return write

    def read(self, prediction: Mapping[str, Any]) -> list[float]:
        return [prediction["probability"]]

    def schema(self, label: FieldSpec) -> dict[str, Any]:
        told = f"{label.description}: probability >= {self.threshold:g}"
        decision: dict[str, Any] = {"type": _kind(self.classes)}
        probability = _PROBABILITY
        if self.classes:
            decision["enum"] = list(self.classes)
            probability = {**_PROBABILITY, "description": f"Of {self.classes[1]}."}
        return _object({"probability": probability, self.label: {**decision, "description": told}})


class Multiclass(_Shape, frozen=True, kw_only=True, tag="multiclass"):
    """A probability for each class, and the class for which probability x weight is largest.

    ``weights`` are what it costs to miss each class; the decision then costs least in expectation (Elkan 2001).
    """

    classes: tuple[str | int, ...]
    weights: tuple[float, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"probability_{one}" for one in self.classes)

    @property
    def outputs(self) -> tuple[Output, ...]:
        return *(Output(name, "number") for name in self.columns), Output(self.label, _kind(self.classes))

    @property
    def tensor(self) -> str:
        return "probabilities"

    @property
    def watched(self) -> tuple[str, str]:
        return "probability", "The largest of the probabilities that were answered to a row."

    def values(self, answers: Answers) -> list[NDArray[Any]]:
        return [*answers.T, _array(self.classes)[self._places(answers)]]

    def leading(self, answers: Answers) -> Answers:
        largest: Answers = answers.max(axis=1)
        return largest

    def decided(self, answers: Answers) -> NDArray[Any]:
        return np.array([str(one) for one in self.classes])[self._places(answers)]

    def counted(self, answers: Answers) -> Mapping[str, int]:
        counts = np.bincount(self._places(answers), minlength=len(self.classes)).tolist()
        return {str(one): count for one, count in zip(self.classes, counts, strict=True)}

    def writer(self) -> Writer:
        pairs = ",".join(f"{_text(str(one))}:".replace("%", "%%") + "%r" for one in self.classes)
        template = f'{{"probabilities":{{{pairs}}},'
        endings = [f"{_text(self.label)}:{_text(one)}}}" for one in self.classes]

        def write(answers: Sequence[Sequence[float]]) -> str:
            places = self._places(np.array(answers)).tolist()
            return ",".join(
                [template % tuple(row) + endings[place] for row, place in zip(answers, places, strict=True)]
            )

        return write

    def read(self, prediction: Mapping[str, Any]) -> list[float]:
        return [prediction["probabilities"][str(one)] for one in self.classes]

    def schema(self, label: FieldSpec) -> dict[str, Any]:
        decision = {"type": _kind(self.classes), "enum": list(self.classes), "description": label.description}
        parts = {str(one): _PROBABILITY for one in self.classes}
        return _object({"probabilities": _object(parts), self.label: decision})

    def _places(self, answers: Answers) -> NDArray[np.intp]:
        places: NDArray[np.intp] = (answers * np.array(self.weights)).argmax(axis=1)
        return places


class Regression(_Shape, frozen=True, kw_only=True, tag="regression"):
    """A number and, if any were asked for, quantiles of what may come.

    ``scale`` is the label's size (root mean square) in training, ``buckets`` are values that cut the evaluated answers
    into equal parts.
    """

    buckets: tuple[float, ...]
    quantiles: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return "value", *(f"quantile_{level:g}" for level in self.quantiles)

    @property
    def judged(self) -> tuple[str, ...]:
        return ("value",)

    @property
    def watched(self) -> tuple[str, str]:
        return "value", "The values that were answered."

    @property
    def bounds(self) -> tuple[float, ...]:
        return self.buckets

    def rounded(self, answers: Answers) -> NDArray[np.float64]:
        wide = answers.astype(np.float64)
        size = np.abs(wide)
        places = DIGITS - 1 - np.floor(np.log10(np.where(size > 0, size, 1.0)))
        # A negative power of ten would be inexact, and so would what is divided by it.
        up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
        rounded: NDArray[np.float64] = np.round(wide * up / down) * down / up
        return rounded

    def point(self, answers: Answers) -> Answers:
        return self.leading(answers)

    def leading(self, answers: Answers) -> Answers:
        first: Answers = answers if answers.ndim == 1 else answers[:, 0]
        return first

    def writer(self) -> Writer:
        if not self.quantiles:
            return lambda answers: ",".join([f'{{"value":{value!r}}}' for value in answers])
        pairs = ",".join(f'"{level:g}":%r' for level in self.quantiles)
        template = f'{{"value":%r,"quantiles":{{{pairs}}}}}'
        return lambda answers: ",".join([template % tuple(row) for row in answers])

    def read(self, prediction: Mapping[str, Any]) -> list[float]:
        return [prediction["value"], *(prediction["quantiles"][f"{level:g}"] for level in self.quantiles)]

    def schema(self, label: FieldSpec) -> dict[str, Any]:
        unit = f" ({label.unit})" if label.unit else ""
        parts: dict[str, Any] = {"value": {"type": "number", "description": f"{label.description}{unit}"}}
        if self.quantiles:
            told = {
                f"{q:g}": {"type": "number", "description": f"{q:.0%} of outcomes lie below"} for q in self.quantiles
            }
            parts["quantiles"] = _object(told)
        return _object(parts)


AnswerShape = Binary | Multiclass | Regression


def read_shape(data: bytes) -> AnswerShape:
    """Decode a shape from its JSON."""
    shape: AnswerShape = msgspec.json.decode(data, type=AnswerShape)
    return shape


def side_by_side(columns: Sequence[NDArray[Any]]) -> Answers:
    """Return columns of numbers as answers: [rows] of one column, else [rows, columns]."""
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)


def differences(first: Answers, second: Answers) -> NDArray[np.float64]:
    """Return the largest difference between the numbers of each row, [rows]; infinite where one is not a number."""
    apart = np.abs(_by_row(first).astype(np.float64) - _by_row(second).astype(np.float64))
    largest: NDArray[np.float64] = np.where(np.isfinite(apart), apart, np.inf).max(axis=1)
    return largest


def _by_row(answers: Answers) -> Answers:
    return answers if answers.ndim == 2 else answers[:, None]


_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _kind(classes: tuple[str | int, ...]) -> DType:
    """Return the type of a decision between classes; without any it is yes or no."""
    if not classes:
        return "boolean"
    return "integer" if isinstance(classes[0], int) else "string"


def _array(classes: tuple[str | int, ...]) -> NDArray[Any]:
    return np.array(classes, dtype=np.int64 if isinstance(classes[0], int) else object)


def _text(value: str | int) -> str:
    return msgspec.json.encode(value).decode()
