"""What is kept of a tabular candidate: graph with recipe and calibration, its own answers, a record at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import onnx
import polars as pl
import torch
from numpy.typing import NDArray

from components.artefacts.answer_shape import side_by_side
from components.artefacts.storage import digest_bytes, write_atomically, write_json
from components.catalog import kind_options
from components.data.results import Prepared
from components.declaration.targets import shape_of
from components.evaluation.hold_out import check_finite, difference_by_unit
from components.evaluation.metrics import Interval, score
from components.evaluation.units import Unit, units_of
from components.features.recipe import Recipe, read_recipe, recipe_graph
from components.kinds.tabular.calibration import calibrated, with_calibration
from components.kinds.tabular.data import Table, read_table
from components.kinds.tabular.heads.choose import head_of
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.model import Answering
from components.kinds.tabular.options import TabularOptions
from components.kinds.tabular.preparation import RECIPE
from components.store.reference import Reference
from components.training.batches import TableBatches
from components.training.onnx_export import export_network, finished, join
from components.training.part import TrainingPart
from components.training.results import Candidate
from data_contracts.description.spec import ContractSpec

# The splits on which the trainer's own answers are kept: one to choose on, one to evaluate on.
ANSWERED = ("validation", "test")
ROWS_AT_ONCE = 65_536
RESAMPLES = 1000

# A table's raw numbers, [rows, columns].
Answer = Callable[[Table], NDArray[np.float32]]


@dataclass(frozen=True)
class Work:
    """What all candidates share."""

    tables: dict[str, Table]
    workload: TrainingPart
    options: TabularOptions
    recipe: Recipe
    recipe_file: Reference
    contract: ContractSpec
    head: Head
    folder: Path
    units: Mapping[str, tuple[Unit, ...]]


class _Record(msgspec.Struct, frozen=True):
    """What is remembered of a finished candidate, so that a training run again does not fit it again."""

    digest: str
    score: float
    seconds: float
    cut_off: str = ""


def open_work(prepared: Prepared, workload: TrainingPart, contract: ContractSpec, folder: Path) -> Work:
    """Read what all candidates share."""
    options = kind_options(workload)
    assert isinstance(options, TabularOptions), "the tabular kind declares TabularOptions"
    recipe = read_recipe(prepared.assets[RECIPE].read_bytes())
    tables = {split: read_table(prepared, split) for split in ("train", *ANSWERED)}
    head = head_of(workload, options, contract, tables["train"])
    units = units_of(pl.read_parquet(prepared.splits["validation"].path, glob=False), contract)
    return Work(tables, workload, options, recipe, prepared.stored_assets[RECIPE], contract, head, folder, units)


def with_options(work: Work, options: TabularOptions) -> Work:
    """Return the work under other options, with the head that they ask for."""
    head = head_of(work.workload, options, work.contract, work.tables["train"])
    return replace(work, options=options, head=head)


def difference(work: Work, first: NDArray[np.float32], second: NDArray[np.float32]) -> Interval:
    """Return score(first) - score(second) of answers to the validation rows, drawn by the unit that gates draw by."""
    labels, goal, seed = work.tables["validation"].labels.numpy(), work.workload.goal, work.workload.seed
    return difference_by_unit(goal.metric, labels, first, second, work.units, goal.unit, seed, RESAMPLES)


def keep_network(work: Work, name: str, network: torch.nn.Module, seconds: float, cut_off: str = "") -> Candidate:
    """Export a trained network and write what is kept of it."""
    if (known := kept_candidate(work, name)) is not None:
        return known
    answers = partial(network_answers, work.head, network)
    return keep(work, name, network_graph(work, network), answers, seconds, cut_off)


def network_graph(work: Work, network: torch.nn.Module) -> onnx.ModelProto:
    """Return a network as ONNX from values and codes to raw numbers, before calibration."""
    example = work.tables["validation"]
    inputs = {"values": example.values[:2], "codes": example.codes[:2]}
    used = {key: tensor for key, tensor in inputs.items() if tensor.shape[1]}
    answer = Answering(network, work.head.raw, values="values" in used, codes="codes" in used)
    return export_network(answer, tuple(used.values()), tuple(used), ("answer",))


def network_inputs(work: Work) -> tuple[int, tuple[int, ...]]:
    """Return how many values there are and the cardinality of each code."""
    return work.tables["train"].values.shape[1], cardinalities_of(work.recipe)


def cardinalities_of(recipe: Recipe) -> tuple[int, ...]:
    """Return the cardinality of each code."""
    return tuple(feature.cardinality for feature in recipe.codes)


def tensors_of(table: Table) -> tuple[torch.Tensor, ...]:
    """Return a table as the parts of a batch."""
    return table.values, table.codes, table.labels


@torch.inference_mode()
def network_answers(head: Head, network: torch.nn.Module, table: Table) -> NDArray[np.float32]:
    """Return a network's own raw numbers, [rows, columns]."""
    # In fp32 whatever the training precision: this is what the exported graph computes.
    batches = TableBatches(tensors_of(table), ROWS_AT_ONCE)
    parts = [head.raw(network(values, codes).float()) for values, codes, _ in batches]
    answers: NDArray[np.float32] = torch.cat(parts).numpy()
    return answers


def judged(work: Work, answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the goal's metric judges, of answers [rows, columns]: it stands first."""
    count = len(shape_of(work.contract).judged)
    return side_by_side([answers[:, place] for place in range(count)])


def kept_answers(work: Work, candidate: Candidate, split: str) -> NDArray[np.float32]:
    """Return a kept candidate's own answers on a split, as the goal's metric judges them."""
    column = pl.read_parquet(candidate.predictions, glob=False).filter(pl.col("split") == split).sort("row")["answer"]
    return judged(work, np.stack(column.to_list()).astype(np.float32).reshape(len(column), -1))


def _family(name: str) -> Literal["baseline", "lightning"]:
    return "lightning" if name == "network" else "baseline"


def _paths(work: Work, name: str) -> tuple[Path, Path, Path]:
    folder = work.folder / "candidates" / name
    return folder / "model.onnx", folder / "predictions.parquet", folder / "candidate.json"


def kept_candidate(work: Work, name: str) -> Candidate | None:
    """Return a candidate that is whole on disk, None if it is not."""
    model, predictions, record = _paths(work, name)
    if not record.is_file():
        return None
    known = msgspec.json.decode(record.read_bytes(), type=_Record)
    return Candidate(
        name=name,
        family=_family(name),
        stored_model=model,
        stored_assets={RECIPE: work.recipe_file},
        digest=known.digest,
        stored_predictions=predictions,
        score=known.score,
        seconds=known.seconds,
        cut_off=known.cut_off,
    )


def keep(work: Work, name: str, back: onnx.ModelProto, answer: Answer, seconds: float, cut_off: str = "") -> Candidate:
    """Write graph and answers of a candidate; the record comes last and says that the rest is whole."""
    model, predictions, record = _paths(work, name)
    raw = {split: answer(work.tables[split]) for split in ANSWERED}
    for split, given in raw.items():
        check_finite(given, name, split)
    labels = work.tables["validation"].labels.numpy()
    calibration = work.head.calibrate(labels, raw["validation"])
    answers = {split: calibrated(given, calibration) for split, given in raw.items()}
    whole = with_calibration(back, calibration, work.head.tensor, work.head.columns)
    data = finished(join(recipe_graph(work.recipe, work.contract), whole))
    write_atomically(model, data)
    frame = pl.concat(
        pl.DataFrame({"answer": given[:, 0] if given.shape[1] == 1 else given.tolist()}).select(
            pl.lit(split).alias("split"), pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "answer"
        )
        for split, given in answers.items()
    )
    frame.write_parquet(predictions)
    value = score(work.workload.goal.metric, labels, judged(work, answers["validation"]))
    write_json(record, _Record(digest_bytes(data), value, round(seconds, 3), cut_off))
    kept = kept_candidate(work, name)
    assert kept is not None, "the record was just written"
    return kept
