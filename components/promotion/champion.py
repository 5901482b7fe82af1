"""The champion on the challenger's hold-out: what is gained over it, as a whole and in every slice of the contract.

found = against_champion(workload, build, rollout.champion, open_it)    # None: nothing serves yet, or this very build
"""

from collections.abc import Callable

import polars as pl

from components.artefacts.answer_shape import side_by_side
from components.artefacts.build import Build
from components.artefacts.errors import BuildError
from components.catalog import find_kind
from components.declaration.targets import target_of
from components.declaration.workload import Workload
from components.evaluation.evaluate import RESAMPLES
from components.evaluation.evidence import Measure, Record
from components.evaluation.hold_out import HoldOut, Rival, decide_unit, labels_of
from components.evaluation.slices import goal_measures, slice_measures
from components.evaluation.units import units_of

SOURCE = "promotion"


class Comparison(Record):
    """What a build gains over the champion, paired on the build's own hold-out, or why that cannot be said."""

    champion: str
    gains: tuple[Measure, ...] = ()
    too_small: tuple[str, ...] = ()
    impossible: str = ""


def against_champion(
    workload: Workload,
    build: Build,
    champion: str | None,
    open_champion: Callable[[], Build],
    *,
    resamples: int = RESAMPLES,
) -> Comparison | None:
    """Compare a build with the one that serves, in the goal's metric; None if there is none, or it is the same."""
    if champion is None or champion == build.build_id:
        return None
    try:
        hold_out = _both(build, open_champion(), workload)
    except BuildError as error:
        return Comparison(champion=champion, impossible=f"the champion {champion} cannot be compared: {error}")
    metric, seed = workload.goal.metric, workload.seed
    whole = goal_measures(metric, hold_out, slice=None, rows=None, seed=seed, resamples=resamples)
    slices, small = slice_measures(metric, hold_out, seed=seed, resamples=resamples)
    gains = [measure for measure in (*whole, *slices) if measure.name == "gain_over_champion"]
    return Comparison(
        champion=champion,
        gains=tuple(measure.model_copy(update={"source": SOURCE}) for measure in gains),
        too_small=tuple(small),
    )


def _both(build: Build, champion: Build, workload: Workload) -> HoldOut:
    """Return the build's hold-out with both answers; BuildError if the champion cannot answer its rows."""
    contract = build.contract()
    if lacking := {field.name for field in champion.contract().inputs} - {field.name for field in contract.inputs}:
        raise BuildError(f"it takes {', '.join(sorted(lacking))}, which the new build does not know")
    shape, other = build.serving().answer, champion.serving().answer
    if (shape.label, shape.judged) != (other.label, other.judged):
        raise BuildError(
            f"it answers {', '.join(other.judged)} of {other.label}, the new one {', '.join(shape.judged)}"
        )
    scored = build.read("reference.parquet")
    rows = pl.read_parquet(scored, glob=False)
    own = side_by_side([rows[name].to_numpy() for name in shape.judged])
    answers = find_kind(champion.manifest.kind).predict_file(champion.parts(), champion.contract(), scored)
    labels, goal = labels_of(rows, contract), workload.goal
    unit, _ = decide_unit(goal.metric, labels, own, units_of(rows, contract), goal.unit, workload.seed)
    return HoldOut(
        labels=labels,
        graph=own,
        trainer=own,
        rivals={"champion": Rival(other.point(answers), f"{champion.build_id} on the same rows")},
        rows=rows,
        slices=tuple(field.name for field in contract.with_role("slice") if field.name in rows.columns),
        target=target_of(contract),
        unit=unit,
    )
