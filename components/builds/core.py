"""What a build answers with, and what its answers are compared with: rehearsed first, and packaged unchanged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from components.artefacts.answer_shape import AnswerShape, read_shape
from components.artefacts.build import ASSETS, GRAPH, Golden, ServingSpec, Stations
from components.artefacts.inference import Parts
from components.artefacts.storage import write_json
from components.builds.part import ServedPart
from components.data.pseudonyms import without_pii
from components.data.results import Prepared
from components.evaluation.evidence import Answers
from components.settings import Home
from components.training.results import Shipped
from data_contracts.description.spec import ContractSpec

GOLDEN_ROWS = 64
# Where the answers of the graphs and assets are described, and what they are compared with.
CORE = ("contract.json", "serving.json", "golden.json", "stations.json")


@dataclass(frozen=True)
class Core:
    """The graphs and assets that answer, and the hold-out with what was answered for each of its rows before."""

    workload: ServedPart
    contract: ContractSpec
    parts: Parts
    scored: pl.DataFrame
    shape: AnswerShape


def core_of(
    workload: ServedPart, contract: ContractSpec, shipped: Shipped, prepared: Prepared, answers: Answers, home: Home
) -> Core:
    """Return what ships with the rows that it was evaluated on."""
    shape = read_shape(answers.shape.read_bytes())
    predictions = pl.read_parquet(answers.predictions, glob=False)
    scored = _scored_rows(prepared.splits["test"].path, predictions, shape, contract, home)
    return Core(workload, contract, shipped.parts, scored, shape)


def write_core(folder: Path, core: Core) -> list[str]:
    """Write what a build needs to answer and to be compared; return the names of the files.

    They are rehearsed before the build is judged, and packaged unchanged.
    """
    workload, contract, shape = core.workload, core.contract, core.shape
    named = {f"{name}{GRAPH}": file for name, file in core.parts.graphs.items()}
    named |= {f"{ASSETS}{name}": file for name, file in core.parts.assets.items()}
    for name, file in named.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(file if isinstance(file, bytes) else file.read_bytes())
    write_json(folder / "contract.json", contract)
    write_json(folder / "serving.json", _serving(workload, shape))
    golden = sample(core.scored, GOLDEN_ROWS, workload.seed)
    write_json(folder / "golden.json", golden_of(golden, contract, shape, workload.gates.parity))
    stations = Stations(
        trainer=_numbers(golden, [f"trainer_{name}" for name in shape.columns]),
        exported=_numbers(golden, [f"exported_{name}" for name in shape.columns]),
        export_tolerance=workload.gates.parity * shape.scale,
        compression_tolerance=workload.serving.variants.answer_change * shape.scale,
    )
    write_json(folder / "stations.json", stations)
    return [*named, *CORE]


def _numbers(frame: pl.DataFrame, columns: Sequence[str]) -> list[list[float]]:
    return [list(row) for row in frame.select(pl.col(columns).cast(pl.Float64)).iter_rows()]


def _scored_rows(
    test_rows: Path, answers: pl.DataFrame, shape: AnswerShape, contract: ContractSpec, home: Home
) -> pl.DataFrame:
    """Return the hold-out's inputs and label beside what was answered for each row at each station before the build.

    No value of a pii field is left in it; what is answered does not depend on these, for no feature may be one.
    """
    held = pl.read_parquet(test_rows, glob=False)
    rows = without_pii(held.select(*(field.name for field in contract.inputs), contract.label.name), contract, home)
    return rows.hstack(answers.select(*shape.columns, *stations_of(shape)))


def stations_of(shape: AnswerShape) -> list[str]:
    """Return the columns of what was answered before there was a build."""
    return [f"{station}_{name}" for station in ("trainer", "exported") for name in shape.columns]


def _serving(workload: ServedPart, shape: AnswerShape) -> ServingSpec:
    serving = workload.serving
    return ServingSpec(
        workload=workload.name,
        answer=shape,
        port=serving.port,
        max_rows=serving.max_rows,
        max_body_bytes=serving.max_body_bytes,
        log_predictions=serving.log_predictions,
    )


def sample(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    """Return so many rows of a frame, or all of one that has no more."""
    return frame.sample(rows, seed=seed) if len(frame) > rows else frame


def golden_of(chosen: pl.DataFrame, contract: ContractSpec, shape: AnswerShape, tolerance: float) -> Golden:
    """Return rows as a client would send them, with the numbers that were evaluated for each.

    ``tolerance`` is in units of the shape's scale.
    """
    return Golden(
        rows=json_rows(chosen, contract),
        columns=shape.columns,
        answers=_numbers(chosen, shape.columns),
        tolerance=tolerance * shape.scale,
    )


def json_rows(frame: pl.DataFrame, contract: ContractSpec) -> list[dict[str, Any]]:
    """Return the input fields of contract rows as plain JSON values: ISO 8601 moments, null for missing."""
    names = [field.name for field in contract.inputs]
    rows = frame.select(names).to_dicts()
    encoded = msgspec.json.decode(msgspec.json.encode(rows))
    return [{name: _finite(value) for name, value in row.items()} for row in encoded]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
