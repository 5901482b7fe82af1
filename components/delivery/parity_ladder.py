"""From the trainer to the wire: the same rows at every station of a model's way, so that a difference has a name.

    trainer -> graph as written -> graph as optimised -> the build in a clean process -> the live answer

Each rung is compared with the one below it, so the first that does not hold says where the answers changed.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.delivery.build import Build
from components.errors import ServingError

DATA_PLANE = "deployments.data_plane"
CLEAN_SECONDS = 60

Answers = NDArray[np.float64]


class Rung(msgspec.Struct, frozen=True):
    """How far the answers of a station are from those of the station before, and which decisions it turns."""

    name: str
    tolerance: float
    largest_difference: float
    worst_row: int
    turned_to_yes: int
    turned_to_no: int
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
    live: Callable[[Sequence[dict[str, Any]]], Sequence[float]] | None = None,
    graph_tolerance: float = 1e-5,
    same_tolerance: float = 1e-6,
) -> Ladder:
    """Compare a build's golden answers (the trainer's) with the graph's, the clean process's and the live ones.

    ``live`` asks a running service for rows; without it the ladder ends one rung earlier. ``graph_tolerance`` is for
    what the export may change, ``same_tolerance`` for stations that run the same graph.
    """
    golden = build.golden()
    threshold = build.serving().decision_threshold
    written, optimised = (_graph_answers(build, optimise) for optimise in (False, True))
    stations: list[tuple[str, Answers, float]] = [
        ("graph", written, graph_tolerance),
        ("optimised graph", optimised, same_tolerance),
        ("clean process", _clean_answers(build), same_tolerance),
    ]
    if live is not None:
        stations.append(("live", np.array(live(golden.rows), dtype=np.float64), same_tolerance))
    below = np.array(golden.probabilities, dtype=np.float64)
    rungs = []
    for name, answers, tolerance in stations:
        rungs.append(_rung(name, below, answers, tolerance, threshold))
        below = answers
    return Ladder(tuple(rungs))


def _rung(name: str, below: Answers, above: Answers, tolerance: float, threshold: float) -> Rung:
    if above.shape != below.shape:
        raise ServingError(f"rung '{name}': {len(above)} answers to {len(below)} rows")
    differences = np.abs(above - below)
    worst = int(np.argmax(differences))
    before, after = below >= threshold, above >= threshold
    return Rung(
        name=name,
        tolerance=tolerance,
        largest_difference=float(differences[worst]),
        worst_row=worst,
        turned_to_yes=int((~before & after).sum()),
        turned_to_no=int((before & ~after).sum()),
        rows=len(above),
    )


def _graph_answers(build: Build, optimise: bool) -> Answers:
    inference = importlib.import_module(f"components.workloads.{build.manifest.kind}.inference")
    predictor = inference.Predictor(build.model, build.contract(), optimise=optimise)
    rows = inference.read_rows(build.golden().rows, build.contract())
    answers: Answers = predictor.predict(predictor.tensors(rows)).astype(np.float64)
    return answers


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
    return np.array(msgspec.json.decode(done.stdout)["probabilities"], dtype=np.float64)
