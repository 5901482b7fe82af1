"""From the trainer to the wire: the same rows at every station of a model's way, so that a difference has a name.

    trainer -> graph as written -> graph as optimised -> the build in a clean process -> the live answer

Each rung is compared with the one below it, so the first that does not hold says where the answers changed.
"""

import importlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.answer_shape import AnswerShape, differences
from components.delivery.build import Build
from components.errors import ServingError

DATA_PLANE = "deployments.data_plane"
CLEAN_SECONDS = 60

Answers = NDArray[np.float64]


class Rung(msgspec.Struct, frozen=True):
    """How far the answers of a station are from those of the station before.

    ``turned`` counts the decisions that it turns, as "no to yes".
    """

    name: str
    tolerance: float
    largest_difference: float
    worst_row: int
    turned: dict[str, int]
    rows: int

    @property
    def holds(self) -> bool:
        # Written so that NaN fails.
        return bool(self.largest_difference <= self.tolerance)


class Ladder(msgspec.Struct, frozen=True):
    """All rungs, in order."""

    rungs: tuple[Rung, ...]

    @property
    def broken(self) -> Rung | None:
        """The first rung that does not hold."""
        return next((rung for rung in self.rungs if not rung.holds), None)


def climb(
    build: Build,
    live: Callable[[Sequence[dict[str, Any]]], Sequence[Sequence[float]]] | None = None,
    graph_tolerance: float = 1e-5,
    same_tolerance: float = 1e-6,
) -> Ladder:
    """Compare a build's golden answers (the trainer's) with the graph's, the clean process's and the live ones.

    ``live`` asks a running service for rows; without it the ladder ends one rung earlier. ``graph_tolerance`` is for
    what the export may change, ``same_tolerance`` for stations that run the same graph; both in units of the shape's
    scale.
    """
    golden, shape = build.golden(), build.serving().answer
    written, optimised = (_graph_answers(build, optimise) for optimise in (False, True))
    stations: list[tuple[str, Answers, float]] = [
        ("graph", written, graph_tolerance),
        ("optimised graph", optimised, same_tolerance),
        ("clean process", _clean_answers(build), same_tolerance),
    ]
    if live is not None:
        stations.append(("live", np.array(live(golden.rows), dtype=np.float64), same_tolerance))
    below = golden.matrix()
    rungs = []
    for name, answers, tolerance in stations:
        rungs.append(_rung(name, below, answers, tolerance * shape.scale, shape))
        below = answers
    return Ladder(tuple(rungs))


def _rung(name: str, below: Answers, above: Answers, tolerance: float, shape: AnswerShape) -> Rung:
    if above.shape != below.shape:
        raise ServingError(f"rung '{name}': {len(above)} answers to {len(below)} rows")
    apart = differences(above, below)
    worst = int(np.argmax(apart))
    return Rung(
        name=name,
        tolerance=tolerance,
        largest_difference=float(apart[worst]),
        worst_row=worst,
        turned=_turned(shape, below, above),
        rows=len(above),
    )


def _turned(shape: AnswerShape, below: Answers, above: Answers) -> dict[str, int]:
    before, after = (shape.decided(_as_answered(answers)) for answers in (below, above))
    if before is None or after is None:
        return {}
    pairs = [f"{old} to {new}" for old, new in zip(before, after, strict=True) if old != new]
    return dict(Counter(pairs))


def _as_answered(answers: Answers) -> Answers:
    """Return numbers [rows, columns] as a predictor answers them: [rows] where a row has one."""
    return answers[:, 0] if answers.shape[1] == 1 else answers


def _graph_answers(build: Build, optimise: bool) -> Answers:
    inference = importlib.import_module(f"components.workloads.{build.manifest.kind}.inference")
    predictor = inference.Predictor(build.model, build.contract(), optimise=optimise)
    rows = inference.read_rows(build.golden().rows, build.contract())
    answers: Answers = predictor.predict(predictor.tensors(rows)).astype(np.float64)
    return answers.reshape(len(rows), -1)


def _clean_answers(build: Build) -> Answers:
    """Let a fresh interpreter open the build as the service does; ServingError if it cannot."""
    command = [sys.executable, "-m", DATA_PLANE, "--build", str(build.path), "--check"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if Path(path or ".").is_dir())}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CLEAN_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise ServingError(
            f"build {build.build_id} was not opened within {CLEAN_SECONDS} s in a clean process"
        ) from None
    if done.returncode:
        raise ServingError(f"build {build.build_id} cannot be opened in a clean process: {done.stderr.strip()}")
    return np.array(msgspec.json.decode(done.stdout)["answers"], dtype=np.float64)
