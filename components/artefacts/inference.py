"""How a kind answers: the one protocol of every ``components/kinds/<kind>/inference.py``.

    predictor = inference_of(build.manifest.kind).open(build.parts(), build.contract())
    answers = predictor.predict(predictor.tensors(rows))

Data plane, compression, evaluation, scoring, parity ladder and live check ask in this way and in no other. A row is a
tuple in the order of the contract's inputs, decoded by the contract; what a graph takes of it is the kind's affair.
What is answered is numbers: [rows], or [rows, columns] where a row has several; the build's answer shape writes them.
"""

import hashlib
import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.errors import BuildError
from data_contracts.description.field_types import decode_value
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type

Row = tuple[Any, ...]
# What graphs take, by the names of tensors; the first axis of each counts rows.
Batch = Mapping[str, NDArray[Any]]
Answers = NDArray[Any]
# What stands for values, by what it says of them: for each a double or a short vector of 32 bits [values, length], NaN
# if unknown, or a short text, None if unknown.
Description = Mapping[str, NDArray[Any]]

# The graph that compression makes smaller; most kinds have no other.
MODEL = "model"
# Beside this module's package, also where both were packed under another name.
_KINDS = f"{__name__.partition('.artefacts.')[0]}.kinds"


class InvalidRow(ValueError):
    """A row that cannot be answered: which row (from 0), which field, why."""

    def __init__(self, row: int, field: str | None, reason: str) -> None:
        super().__init__(f"row {row}, field {field}: {reason}")
        self.row = row
        self.field = field
        self.reason = reason


class InvalidRows(InvalidRow):
    """Every row of a batch that cannot be read, in their order, and the tensors of the others; it reads as the first.

    Whoever answers the others need not have them read again, which of pictures takes most of the time.
    """

    def __init__(self, unread: Sequence[InvalidRow], others: "Batch") -> None:
        super().__init__(unread[0].row, unread[0].field, unread[0].reason)
        self.unread = tuple(unread)
        self.others = others


class Parts(msgspec.Struct, frozen=True):
    """What a kind answers with: named ONNX graphs, and named files beside them; as files, or as their bytes."""

    graphs: Mapping[str, Path | bytes]
    assets: Mapping[str, Path | bytes] = {}

    @property
    def model(self) -> Path | bytes:
        """The graph named ``model``."""
        return self.graphs[MODEL]

    def with_model(self, model: Path | bytes) -> "Parts":
        """Return the parts with another graph in the place of the model."""
        return Parts({**self.graphs, MODEL: model}, self.assets)


class Predictor(Protocol):
    """Opened parts of a build; safe to be asked from several threads."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of a batch's tensors that the model's graph takes."""

    def tensors(self, rows: Sequence[Row]) -> Batch:
        """Return rows as the graphs take them; InvalidRows for those that the kind cannot read.

        InvalidRow for the first of them will do where reading a row costs nothing: the others are then read again.
        """

    def tensors_of_columns(self, columns: Mapping[str, NDArray[Any]]) -> Batch:
        """Return a checked table, column by column, as the graphs take it.

        Doubles with NaN for missing, moments as seconds since 1970-01-01, texts and bytes as objects. InvalidRow for a
        row that the kind cannot read.
        """

    def predict(self, batch: Batch) -> Answers:
        """Return the numbers of each row."""


class Inference(Protocol):
    """What ``inference.py`` of a kind offers as ``INFERENCE``; it imports NumPy, a runtime and this module alone."""

    # What serving must install for it, beside what the data plane needs itself.
    packages: tuple[str, ...] = ("onnxruntime",)
    # Types of request bodies that are one example and no JSON, such as "image/png".
    media_types: tuple[str, ...] = ()

    def open(self, parts: Parts, contract: ContractSpec, threads: int = 1, *, optimise: bool = True) -> Predictor:
        """Open graphs and assets; without ``optimise`` the graphs run as they were written."""

    def read_body(self, body: bytes, media_type: str, contract: ContractSpec) -> list[dict[str, Any]]:
        """Return a body of one of the media types as rows that JSON would hold; the contract checks them after this."""
        raise InvalidRow(0, None, f"a body of type {media_type} is no row of {contract.name}")

    def unpacked_bytes(self, contract: ContractSpec) -> int:
        """Return how large a row may become at most while it is read; 0 where it stays about as large as its values.

        What may be large is read in a thread, so that the service answers others meanwhile.
        """
        return 0

    def describe(self, field: FieldSpec, values: Sequence[Any]) -> Description:
        """Return what stands for the values of a field of a large type; None is a missing one.

        The prediction log has it in place of the values, and drift compares it: numbers, texts as categories, vectors.
        """
        return {"size": sizes(field, values)}


def sizes(field: FieldSpec, values: Sequence[Any]) -> NDArray[np.float64]:
    """Return how many bytes each value of a large type has, NaN for a missing one."""
    to_bytes = value_type(field.dtype).to_bytes
    return np.array([np.nan if value is None else len(to_bytes(value)) for value in values], dtype=np.float64)


def digests(field: FieldSpec, values: Sequence[Any]) -> NDArray[np.object_]:
    """Return the SHA-256 of each value of a large type, None for a missing one."""
    to_bytes = value_type(field.dtype).to_bytes
    found = [None if value is None else hashlib.sha256(to_bytes(value)).hexdigest() for value in values]
    return np.array(found, dtype=object)


def described(inference: Inference, field: FieldSpec, values: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Return what stands for the values of a field of a large type, by the names of columns: ``picture.size``."""
    # No field has a dot in its name.
    return {f"{field.name}.{name}": column for name, column in inference.describe(field, values).items()}


def kind_folders() -> dict[str, Path]:
    """Return the folder of every kind by its name: ours, and those in a folder ``kinds`` where imports look.

    A process that was begun elsewhere is told of a user's folder by PYTHONPATH.
    """
    package = importlib.import_module(_KINDS)
    for place in sys.path:
        theirs = str(Path(place, "kinds").absolute())
        if Path(theirs).is_dir() and theirs not in package.__path__:
            package.__path__.append(theirs)
    found = [file.parent for place in package.__path__ for file in sorted(Path(place).glob("*/inference.py"))]
    # Nobody takes the place of ours.
    return {folder.name: folder for folder in reversed(found)}


def inference_of(kind: str) -> Inference:
    """Return how a kind answers; BuildError if this version does not know it, or its module is wrong."""
    folder = kind_folders().get(kind)
    if folder is None:
        raise BuildError(f"of kind '{kind}', which this version does not know")
    try:
        inference: Inference = importlib.import_module(f"{_KINDS}.{kind}.inference").INFERENCE
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise BuildError(f"of kind '{kind}', whose {folder / 'inference.py'} gives no INFERENCE: {why}") from error
    return inference


def read_rows(rows: Iterable[Mapping[str, Any]], contract: ContractSpec) -> list[Row]:
    """Return rows as a client would send them (moments as text) as tuples in the order of the contract's inputs."""
    return [tuple(decode_value(field, row[field.name]) for field in contract.inputs) for row in rows]
