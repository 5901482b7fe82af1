"""What is kept of an image candidate: its graph, its own answers, and a record that comes last."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from components.artefacts.storage import digest_bytes, write_atomically, write_json
from components.catalog import kind_options
from components.data.results import Prepared
from components.evaluation.hold_out import check_finite, difference_by_unit
from components.evaluation.metrics import HIGHER_IS_BETTER, Interval, score
from components.evaluation.units import Unit, units_of
from components.kinds.image.data import Pictures, read_pictures
from components.kinds.image.inference import PIXELS
from components.kinds.image.mistakes import FILE, worst_mistakes
from components.kinds.image.model import Answering, loss_of, probabilities, statistics
from components.kinds.image.options import ImageOptions
from components.training.onnx_export import export_network, finished
from components.training.part import TrainingPart
from components.training.results import Candidate
from data_contracts.description.spec import ContractSpec

# The splits on which the trainer's own answers are kept: one to choose on, one to evaluate on.
ANSWERED = ("validation", "test")
ROWS_AT_ONCE = 512
RESAMPLES = 1000
NETWORK = "network"


@dataclass(frozen=True)
class Work:
    """What all candidates share."""

    pictures: dict[str, Pictures]
    workload: TrainingPart
    options: ImageOptions
    contract: ContractSpec
    folder: Path
    units: Mapping[str, tuple[Unit, ...]]
    # Mean and deviation of each channel.
    normal: tuple[Tensor, Tensor]

    @property
    def columns(self) -> int:
        """Logits a picture."""
        return len(self.contract.label.allowed) or 1

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the goal's metric is better."""
        return HIGHER_IS_BETTER[self.workload.goal.metric]

    def score(self, labels: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return the goal's metric of probabilities [rows, columns]."""
        return score(self.workload.goal.metric, labels, flat(answers))


class _Record(msgspec.Struct, frozen=True):
    """What is remembered of a finished candidate, so that a training run again does not fit it again."""

    digest: str
    score: float
    seconds: float
    temperature: float
    cut_off: str = ""


def open_work(prepared: Prepared, workload: TrainingPart, contract: ContractSpec, folder: Path) -> Work:
    """Read what all candidates share."""
    options = kind_options(workload)
    assert isinstance(options, ImageOptions), "the image kind declares ImageOptions"
    pictures = {name: read_pictures(prepared.splits[name], options, contract) for name in ("train", *ANSWERED)}
    roles = [field.name for field in contract.fields if {"time", "group"} & set(field.roles)]
    rows = pl.read_parquet(prepared.splits["validation"].path, glob=False, columns=[*roles, contract.label.name])
    normal = statistics(pictures["train"].pixels)
    return Work(pictures, workload, options, contract, folder, units_of(rows, contract), normal)


def flat(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities as metrics take them: [rows] if there is one a row."""
    return answers[:, 0] if answers.ndim == 2 and answers.shape[1] == 1 else answers


def difference(work: Work, first: Candidate, second: Candidate) -> Interval:
    """Return score(first) - score(second) on the validation rows, drawn by the unit that gates draw by."""
    one, other = (_kept_answers(candidate) for candidate in (first, second))
    labels, goal, seed = work.pictures["validation"].labels.numpy(), work.workload.goal, work.workload.seed
    return difference_by_unit(goal.metric, labels, one, other, work.units, goal.unit, seed, RESAMPLES)


@torch.inference_mode()
def logits_of(network: nn.Module, pictures: Pictures) -> Tensor:
    """Return a network's logits in fp32, [rows, columns]: what the exported graph computes."""
    parts = [network(pictures.pixels[at : at + ROWS_AT_ONCE]) for at in range(0, len(pictures), ROWS_AT_ONCE)]
    return torch.cat(parts).float()


def keep(work: Work, name: str, network: nn.Module, seconds: float, cut_off: str = "") -> Candidate:
    """Write graph and answers of a trained network; the record comes last and says that the rest is whole."""
    if (known := kept_candidate(work, name)) is not None:
        return known
    model, predictions, record = _paths(work, name)
    network = network.eval()
    logits = {split: logits_of(network, work.pictures[split]) for split in ANSWERED}
    for split, given in logits.items():
        check_finite(given.numpy(), name, split)
    labels = work.pictures["validation"].labels
    temperature = fitted_temperature(logits["validation"], labels)
    example = work.pictures["validation"].pixels[:2]
    output = "probability" if work.columns == 1 else "probabilities"
    data = finished(export_network(Answering(network, temperature), (example,), (PIXELS,), (output,)))
    write_atomically(model, data)
    answers = {split: probabilities(given / temperature).numpy() for split, given in logits.items()}
    frame = pl.concat(
        pl.DataFrame({"answer": flat(given).tolist()}).select(
            pl.lit(split).alias("split"), pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "answer"
        )
        for split, given in answers.items()
    )
    frame.write_parquet(predictions)
    write_atomically(_mistakes_file(work, name), _mistakes(work, answers["validation"]))
    value = work.score(labels.numpy(), answers["validation"])
    write_json(record, _Record(digest_bytes(data), value, round(seconds, 3), temperature, cut_off))
    kept = kept_candidate(work, name)
    assert kept is not None, "the record was just written"
    return kept


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return what logits are divided by so that their log-loss is smallest (Guo et al. 2017)."""
    found = minimize_scalar(lambda log: float(loss_of(logits / float(np.exp(log)), labels)), bounds=(-3, 3))
    return round(float(np.exp(found.x)), 6)


def kept_candidate(work: Work, name: str) -> Candidate | None:
    """Return a candidate that is whole on disk, None if it is not."""
    model, predictions, record = _paths(work, name)
    if not record.is_file():
        return None
    known = msgspec.json.decode(record.read_bytes(), type=_Record)
    family: Literal["baseline", "lightning"] = "lightning" if name == NETWORK else "baseline"
    return Candidate(
        name=name,
        family=family,
        stored_model=model,
        stored_assets={FILE: _mistakes_file(work, name)},
        digest=known.digest,
        stored_predictions=predictions,
        score=known.score,
        seconds=known.seconds,
        cut_off=known.cut_off,
    )


def _paths(work: Work, name: str) -> tuple[Path, Path, Path]:
    folder = work.folder / "candidates" / name
    return folder / "model.onnx", folder / "predictions.parquet", folder / "candidate.json"


def _mistakes_file(work: Work, name: str) -> Path:
    return work.folder / "candidates" / name / FILE


def _mistakes(work: Work, answers: NDArray[np.float32]) -> bytes:
    pictures, label = work.pictures["validation"], work.contract.label
    names = tuple(map(str, label.allowed)) or ("no", "yes")
    each = answers if len(names) == answers.shape[1] else np.concatenate([1 - answers, answers], axis=1)
    return worst_mistakes(pictures.pixels.numpy(), pictures.labels.numpy(), each, names)


def _kept_answers(candidate: Candidate) -> NDArray[np.float32]:
    rows = pl.read_parquet(candidate.predictions, glob=False).filter(split="validation").sort("row")["answer"]
    return np.array(rows.to_list(), dtype=np.float32)
