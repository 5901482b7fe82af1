"""From the trainer to the wire: the same rows at every station of a model's way, so that a difference has a name.

    trainer -> export -> compression -> packaged graph -> optimised graph -> clean process -> live

The first two were answered before there was a build and lie in it (stations.json); the build itself is asked for the
others. Each rung is compared with the one below it, so the first that does not hold says where the answers changed.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.artefacts.answer_shape import AnswerShape, differences
from components.artefacts.build import Build
from components.artefacts.errors import ServingError
from components.artefacts.inference import Batch, inference_of, read_rows
from components.artefacts.lifetime import bound
from components.service.process import DATA_PLANE
from components.user_modules import child_environment

CLEAN_SECONDS = 60
# For stations that run the same graph in the same way, in units of the shape's scale.
SAME = 1e-6

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
    """All rungs, in order, and the numbers that the highest station answered, [rows][columns]."""

    rungs: tuple[Rung, ...]
    top: list[list[float]]
    shape: AnswerShape

    @property
    def broken(self) -> Rung | None:
        """The first rung that does not hold."""
        return next((rung for rung in self.rungs if not rung.holds), None)

    def stepped(self, name: str, answers: Answers, tolerance: float | None = None) -> "Ladder":
        """Return the ladder with one rung more; without a tolerance it is that of stations that run the same graph."""
        allowed = SAME * self.shape.scale if tolerance is None else tolerance
        rung = _rung(name, np.array(self.top), answers, allowed, self.shape)
        return Ladder((*self.rungs, rung), answers.tolist(), self.shape)

    def told(self) -> str:
        """Say which rung does not hold and by how much; empty if all do."""
        if self.broken is None:
            return ""
        rung = self.broken
        turned = ", ".join(f"{count} {which}" for which, count in rung.turned.items()) or "none"
        return (
            f"rung '{rung.name}' does not hold: golden row {rung.worst_row} moves by {rung.largest_difference:.3g}, "
            f"{rung.tolerance:g} is allowed; decisions turned, of {rung.rows}: {turned}"
        )


def climb(build: Build) -> Ladder:
    """Compare the golden rows from the trainer's answers to those of the build in a clean process.

    A ladder that is broken ends at that rung; ``Ladder.stepped("live", ...)`` adds the answers of a running service.
    """
    golden, stations = build.golden(), build.stations()
    ladder = Ladder((), stations.trainer, build.serving().answer)
    steps: list[tuple[str, Callable[[], Answers], float | None]] = [
        ("export", lambda: np.array(stations.exported), stations.export_tolerance),
        ("compression", golden.matrix, stations.compression_tolerance),
        ("packaged graph", lambda: _graph_answers(build, optimise=False), golden.tolerance),
        ("optimised graph", lambda: _graph_answers(build, optimise=True), golden.tolerance),
        ("clean process", lambda: _clean_answers(build), None),
    ]
    for name, ask, tolerance in steps:
        ladder = ladder.stepped(name, ask(), tolerance)
        if ladder.broken:
            break
    return ladder


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


def golden_tensors(build: Build, rows: int | None = None) -> Batch:
    """Return the golden rows (or the first of them) as the graphs take them."""
    contract = build.contract()
    predictor = inference_of(build.manifest.kind).open(build.parts(), contract)
    return predictor.tensors(read_rows(build.golden().rows[:rows], contract))


def _graph_answers(build: Build, *, optimise: bool) -> Answers:
    predictor = inference_of(build.manifest.kind).open(build.parts(), build.contract(), optimise=optimise)
    answers: Answers = predictor.predict(golden_tensors(build)).astype(np.float64)
    return answers.reshape(len(answers), -1)


def _clean_answers(build: Build) -> Answers:
    """Let a fresh interpreter open the build as the service does; ServingError if it cannot."""
    command = bound([sys.executable, "-m", DATA_PLANE, *build.asked_for(), "--check"])
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CLEAN_SECONDS, env=child_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        raise ServingError(
            f"build {build.build_id} was not opened within {CLEAN_SECONDS} s in a clean process"
        ) from None
    if done.returncode:
        raise ServingError(f"build {build.build_id} cannot be opened in a clean process: {done.stderr.strip()}")
    return np.array(msgspec.json.decode(done.stdout)["answers"], dtype=np.float64)
