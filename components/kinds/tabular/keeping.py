"""What all tabular candidates share, and what becomes of a fitted one: a graph with recipe and calibration, answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from components.catalog import kind_options
from components.data.results import Prepared
from components.evaluation.hold_out import check_finite
from components.features.recipe import Recipe, read_recipe, recipe_graph
from components.kinds.tabular.calibration import calibrated, with_calibration
from components.kinds.tabular.data import Table, read_table
from components.kinds.tabular.folds import REFIT_ROWS, folds_of, is_in_order
from components.kinds.tabular.heads.choose import head_of
from components.kinds.tabular.heads.head import Head
from components.kinds.tabular.model import Answering
from components.kinds.tabular.options import TabularOptions
from components.kinds.tabular.ordering import Codes
from components.kinds.tabular.preparation import RECIPE
from components.selection.keeping import ANSWERED, Learnt
from components.selection.validation import Validation, validation_of
from components.store.reference import Reference
from components.training.batches import TableBatches
from components.training.onnx_export import export_network, finished, join
from components.training.part import TrainingPart
from data_contracts.description.spec import ContractSpec

ROWS_AT_ONCE = 65_536

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
    validation: Validation
    # Of training and validation together, where they are judged crosswise.
    folds: NDArray[np.int64] | None = None
    # Whether what ships learns from the validation rows, too.
    refits: bool = False

    @property
    def known(self) -> Table:
        """Training and validation together."""
        return self.tables["train"].with_rows_of(self.tables["validation"])


def open_work(prepared: Prepared, workload: TrainingPart, contract: ContractSpec) -> Work:
    """Read what all candidates share."""
    options = kind_options(workload)
    assert isinstance(options, TabularOptions), "the tabular kind declares TabularOptions"
    recipe = read_recipe(prepared.assets[RECIPE].read_bytes())
    tables = {split: read_table(prepared, split) for split in ("train", *ANSWERED)}
    head = head_of(workload, options, contract, tables["train"])
    work = Work(
        tables,
        workload,
        options,
        recipe,
        prepared.stored_assets[RECIPE],
        contract,
        head,
        validation_of(prepared, workload, contract),
    )
    folds = folds_of(work.known, prepared, contract, head.columns, options.folds)
    small = sum(len(tables[name]) for name in ("train", "validation")) <= REFIT_ROWS
    refits = options.refit if options.refit is not None else small and not is_in_order(prepared)
    return replace(work, folds=folds, refits=refits or folds is not None)


def with_options(work: Work, options: TabularOptions) -> Work:
    """Return the work under other options, with the head that they ask for."""
    head = head_of(work.workload, options, work.contract, work.tables["train"])
    return replace(work, options=options, head=head)


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


def codes_of(recipe: Recipe) -> Codes:
    """Return what trees must know of the codes."""
    return Codes(cardinalities_of(recipe), recipe.named)


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


def learnt(
    work: Work,
    name: str,
    back: onnx.ModelProto,
    answer: Answer,
    seconds: float,
    held: NDArray[np.float32] | None = None,
    **more: Any,
) -> Learnt:
    """Return what a fitted model leaves, calibrated: ``back`` and ``answer`` are its own graph and numbers.

    ``held`` are raw numbers for rows that it, or its like, did not learn from: those of training and validation where
    they are judged crosswise, else of validation. Without them the model's own for validation are.
    """
    raw = {
        "validation": answer(work.tables["validation"]) if held is None else held,
        "test": answer(work.tables["test"]),
    }
    for split, given in raw.items():
        check_finite(given, name, split)
    crosswise = held is not None and work.folds is not None
    judged = work.known if crosswise else work.tables["validation"]
    calibration = work.head.calibrate(judged.labels.numpy(), raw["validation"])
    whole = with_calibration(back, calibration, work.head.tensor, work.head.columns)
    answers = {split: calibrated(given, calibration) for split, given in raw.items()}
    if crosswise:
        both, rows = answers["validation"], len(work.tables["train"])
        answers |= {"train": both[:rows], "validation": both[rows:]}
    return Learnt(
        graph=finished(join(recipe_graph(work.recipe, work.contract), whole)),
        answers=answers,
        seconds=seconds,
        **more,
    )


def learnt_network(
    work: Work,
    name: str,
    network: torch.nn.Module,
    seconds: float,
    held: NDArray[np.float32] | None = None,
    **more: Any,
) -> Learnt:
    """Return what a trained network leaves."""
    answer = partial(network_answers, work.head, network)
    return learnt(work, name, network_graph(work, network), answer, seconds, held, **more)
