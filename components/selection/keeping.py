"""What is kept of a candidate: its graphs and files, its own answers, and a record that comes last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.artefacts.storage import digest_bytes, write_atomically
from components.evaluation.hold_out import Answers
from components.result import Result
from components.store.reference import Reference
from components.training.results import Candidate, Epoch, HardwareChoice, Role, Stopped

# The splits on which the trainer's own answers are kept: one to choose on, one to evaluate on.
ANSWERED = ("validation", "test")


@dataclass(frozen=True)
class Learnt:
    """What a candidate has become: ONNX from raw fields to the answer, its own answers by split, and how it went."""

    graph: bytes
    # Of ``ANSWERED``, as the trainer itself computes them: [rows] or [rows, columns]. Of a model that learnt again from
    # validation, those of its like that had not; beside them may stand such answers to training.
    answers: Mapping[str, Answers]
    seconds: float
    stopped: Stopped = "finished"
    curve: tuple[Epoch, ...] = ()
    hardware: HardwareChoice | None = None
    # Keys of the ``model`` section that a search chose.
    options: Mapping[str, Any] = field(default_factory=dict)
    graphs: Mapping[str, bytes] = field(default_factory=dict)
    assets: Mapping[str, bytes] = field(default_factory=dict)


class _Record(Result):
    """What is remembered of a finished candidate, so that a training run again does not fit it again."""

    digest: str
    score: float
    seconds: float
    stopped: Stopped
    curve: tuple[Epoch, ...]
    hardware: HardwareChoice | None
    options: dict[str, Any]
    graphs: tuple[str, ...]
    assets: tuple[str, ...]
    judged_crosswise: bool = False


def keep_candidate(
    folder: Path,
    name: str,
    role: Role,
    learnt: Learnt,
    score: Callable[[Answers], float],
    shared: Mapping[str, Reference] | None = None,
) -> Candidate:
    """Write what was learnt; the record comes last and says that the rest is whole.

    ``score`` is the goal's metric of answers to the validation split, ``shared`` are assets of all candidates.
    """
    place = folder / "candidates" / name
    write_atomically(place / "model.onnx", learnt.graph)
    for kind, files in (("graphs", learnt.graphs), ("assets", learnt.assets)):
        for file, data in files.items():
            write_atomically(place / kind / file, data)
    pl.concat(
        pl.DataFrame({"answer": _column(learnt.answers[split])}).select(
            pl.lit(split).alias("split"), pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "answer"
        )
        for split in learnt.answers
    ).write_parquet(place / "predictions.parquet")
    record = _Record(
        digest=digest_bytes(learnt.graph),
        score=score(learnt.answers["validation"]),
        seconds=round(learnt.seconds, 3),
        stopped=learnt.stopped,
        curve=learnt.curve,
        hardware=learnt.hardware,
        options=dict(learnt.options),
        graphs=tuple(learnt.graphs),
        assets=tuple(learnt.assets),
        judged_crosswise="train" in learnt.answers,
    )
    write_atomically(place / "candidate.json", record.model_dump_json(indent=2).encode())
    kept = kept_candidate(folder, name, role, shared)
    assert kept is not None, "the record was just written"
    return kept


def kept_candidate(
    folder: Path, name: str, role: Role, shared: Mapping[str, Reference] | None = None
) -> Candidate | None:
    """Return a candidate that is whole on disk, None if it is not."""
    place = folder / "candidates" / name
    if not (place / "candidate.json").is_file():
        return None
    known = dict(_Record.model_validate_json((place / "candidate.json").read_bytes()))
    graphs, assets = known.pop("graphs"), known.pop("assets")
    return Candidate(
        name=name,
        role=role,
        stored_model=Reference.of_path(place / "model.onnx"),
        stored_graphs={file: Reference.of_path(place / "graphs" / file) for file in graphs},
        stored_assets={**(shared or {}), **{one: Reference.of_path(place / "assets" / one) for one in assets}},
        stored_predictions=Reference.of_path(place / "predictions.parquet"),
        **known,
    )


def _column(answers: Answers) -> NDArray[Any] | list[Any]:
    flat = answers.reshape(len(answers), -1)
    return np.ascontiguousarray(flat[:, 0]) if flat.shape[1] == 1 else flat.tolist()
