"""From the trainer to the wire: the same rows at every station of a model's way, so that a difference has a name.

    trainer -> export -> compression -> packaged graph -> optimised graph -> clean process -> live

The first two were answered before there was a build and lie in it (stations.json); the build itself is asked for the
others. Each rung is compared with the one below it, so the first that does not hold says where the answers changed.
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
# For stations that run the same graph in the same way.
SAME = 1e-6

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
    """All rungs, in order, and the answers of the highest station."""

    rungs: tuple[Rung, ...]
    top: tuple[float, ...]
    threshold: float

    @property
    def broken(self) -> Rung | None:
        """The first rung that does not hold."""
        return next((rung for rung in self.rungs if not rung.holds), None)

    def stepped(self, name: str, answers: Sequence[float], tolerance: float = SAME) -> "Ladder":
        """Return the ladder with one rung more."""
        below, above = np.array(self.top), np.array(answers, dtype=np.float64)
        rung = _rung(name, below, above, tolerance, self.threshold)
        return Ladder((*self.rungs, rung), tuple(above.tolist()), self.threshold)

    def told(self) -> str:
        """Say which rung does not hold and by how much; empty if all do."""
        if self.broken is None:
            return ""
        rung = self.broken
        return (
            f"rung '{rung.name}' does not hold: golden row {rung.worst_row} moves by {rung.largest_difference:.3g}, "
            f"{rung.tolerance:g} is allowed; {rung.turned_to_yes} of {rung.rows} decisions turn to yes, "
            f"{rung.turned_to_no} to no"
        )


def climb(build: Build) -> Ladder:
    """Compare the golden rows from the trainer's answers to those of the build in a clean process.

    A ladder that is broken ends at that rung; ``Ladder.stepped("live", ...)`` adds the answers of a running service.
    """
    golden, stations = build.golden(), build.stations()
    start = Ladder((), tuple(stations.trainer), build.serving().decision_threshold)
    steps: list[tuple[str, Callable[[], Sequence[float]], float]] = [
        ("export", lambda: stations.exported, stations.export_tolerance),
        ("compression", lambda: golden.probabilities, stations.compression_tolerance),
        ("packaged graph", lambda: _graph_answers(build, optimise=False), golden.tolerance),
        ("optimised graph", lambda: _graph_answers(build, optimise=True), golden.tolerance),
        ("clean process", lambda: _clean_answers(build), SAME),
    ]
    ladder = start
    for name, ask, tolerance in steps:
        ladder = ladder.stepped(name, ask(), tolerance)
        if ladder.broken:
            break
    return ladder


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


def golden_tensors(build: Build, rows: int | None = None) -> dict[str, NDArray[Any]]:
    """Return the golden rows (or the first of them) as the graph takes them."""
    inference = _inference(build)
    contract = build.contract()
    predictor = inference.Predictor(build.model, contract)
    columns: dict[str, NDArray[Any]] = predictor.tensors(inference.read_rows(build.golden().rows[:rows], contract))
    return columns


def _graph_answers(build: Build, *, optimise: bool) -> Sequence[float]:
    predictor = _inference(build).Predictor(build.model, build.contract(), optimise=optimise)
    answers: list[float] = predictor.predict(golden_tensors(build)).astype(np.float64).tolist()
    return answers


def _inference(build: Build) -> Any:
    return importlib.import_module(f"components.workloads.{build.manifest.kind}.inference")


def _clean_answers(build: Build) -> Sequence[float]:
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
    answers: list[float] = msgspec.json.decode(done.stdout)["probabilities"]
    return answers
