"""A build judged on the machine that is about to serve it: its ladder, its live answers, the champion's beside them."""

from functools import partial
from typing import Any

import polars as pl
from numpy.typing import NDArray

from components.artefacts.build import Build
from components.artefacts.errors import GateError
from components.artefacts.rollout import Rollout
from components.builds.core import json_rows
from components.builds.live_check import LiveCheck, check_live
from components.builds.parity_ladder import Ladder, climb
from components.builds.rehearsal import ladder_measure
from components.declaration.targets import label_unit
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence
from components.gates.judge import GateReport, promotion_gates
from components.gates.promotion_evidence import LiveMeasures, promotion_evidence
from components.promotion.champion import Comparison, against_champion
from components.promotion.rollouts import open_champion
from components.provenance import dependency_graph, environment_differences
from components.settings import Home, Settings

LIVE_ROWS = 500


def judge_live(
    workload: Workload, build: Build, before: Rollout, home: Home, settings: Settings
) -> tuple[LiveCheck, Evidence, GateReport]:
    """Return what a client saw of a build, the evidence of that and of the champion's answers, and the verdicts."""
    ladder = climb(build)
    if ladder.broken:
        # Not served even to be looked at; and the data plane would only say that it refuses.
        raise GateError(f"{build.build_id} is not promoted: parity-ladder: {ladder.told()}; build it again")
    rows, evaluated = held_out(build)
    live, answers = check_live(build, rows, evaluated, settings.price_per_hour)
    found = against_champion(workload, build, before.champion, partial(open_champion, before, home, settings))
    evidence = _evidence(workload, build, live, ladder.stepped("live", answers), found)
    return live, evidence, promotion_gates(workload, evidence, not_compared=found.impossible if found else "")


def _evidence(workload: Workload, build: Build, live: LiveCheck, ladder: Ladder, found: Comparison | None) -> Evidence:
    seen = LiveMeasures(
        environment=environment_differences(dependency_graph()),
        broken_rungs=ladder_measure(ladder),
        live_parity=live.max_difference,
        latency_p95_ms=live.latency_p95_ms,
        serving_usd_per_1000=live.usd_per_1000,
        champion=found.gains if found else (),
    )
    report = GateReport.model_validate_json(build.read("gates.json"))
    evidence = promotion_evidence(workload.name, build.build_id, report, seen)
    tables = {"slices_too_small": list(found.too_small)} if found and found.too_small else {}
    return evidence.model_copy(update={"tables": tables, "unit": label_unit(build.contract())})


def held_out(build: Build) -> tuple[list[dict[str, object]], NDArray[Any]]:
    """Return held-out rows as a client sends them, and the numbers evaluated for each, [rows, columns]."""
    scored = pl.read_parquet(build.read("reference.parquet"), glob=False).head(LIVE_ROWS)
    numbers = scored.select(pl.col(build.serving().answer.columns).cast(pl.Float64))
    return json_rows(scored, build.contract()), numbers.to_numpy()
