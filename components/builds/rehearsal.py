"""Rehearse a build before it is judged: what will ship is put together, opened, served and asked, and that is evidence.

The files are those that are packaged later, byte for byte: their digests are part of the evidence.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from components.artefacts.build import Build, open_build, seal
from components.artefacts.storage import digest_file, digest_json
from components.builds.core import core_of, write_core
from components.builds.live_check import check_live
from components.builds.parity_ladder import Ladder, climb
from components.builds.part import ServedPart
from components.builds.results import Rehearsed
from components.builds.stage_budget import StageBudget, measure_stages
from components.catalog import Kind
from components.data.results import Prepared
from components.evaluation.evidence import Answers, Evidence, Measure, write_evidence
from components.settings import Home, Settings
from components.training.results import Shipped
from data_contracts.description.spec import ContractSpec

SOURCE = "rehearsal"


def rehearse(
    workload: ServedPart,
    contract: ContractSpec,
    kind: Kind,
    shipped: Shipped,
    prepared: Prepared,
    answers: Answers,
    home: Home,
    settings: Settings,
) -> Rehearsed:
    """Climb the parity ladder and measure the stages of a request; what was found is kept among the evaluations."""
    core = core_of(workload, contract, shipped, prepared, answers, home)
    with tempfile.TemporaryDirectory(prefix="slipway-rehearsal-") as scratch:
        made = Path(scratch)
        names = write_core(made, core)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        seal(made, workload=workload.name, kind=kind.name, created=created)
        # Not signed yet: it was put together here, a moment ago, and is thrown away.
        ladder, budget = _rehearsed(open_build(made, None), settings)
        files = {name: digest_file(made / name) for name in names}
    tables: dict[str, Any] = {"ladder": msgspec.to_builtins(ladder.rungs)}
    measures = [ladder_measure(ladder)]
    if budget is not None:
        tables["stages"] = msgspec.to_builtins(budget)
        measures += budget_measures(budget)
    evidence = Evidence(
        workload=workload.name, model=shipped.digest, split=SOURCE, measures=tuple(measures), tables=tables
    )
    digest = digest_json([evidence.model_dump(mode="json"), files])
    path = write_evidence(home.room("evaluations", digest, "rehearsed.json"), evidence)
    return Rehearsed(digest=digest, stored_evidence=path, files=files)


def _rehearsed(build: Build, settings: Settings) -> tuple[Ladder, StageBudget | None]:
    """Return the ladder up to the live answers, and what each stage of a request takes; none if it cannot be served."""
    ladder = climb(build)
    if ladder.broken:
        return ladder, None
    golden = build.golden()
    live, answers = check_live(build, golden.rows, golden.matrix(), settings.price_per_hour)
    return ladder.stepped("live", answers), measure_stages(build, live)


def ladder_measure(ladder: Ladder) -> Measure:
    """Return the ladder as evidence: how many rungs do not hold, and which one is the first."""
    broken = sum(not rung.holds for rung in ladder.rungs)
    return Measure(name="broken_rungs", value=broken, n=len(ladder.top), source=SOURCE, detail=ladder.told())


def budget_measures(budget: StageBudget) -> list[Measure]:
    """Return the sum of the stages as evidence, at two quantiles."""
    return [
        Measure(name=f"stage_budget_{name}_ms", value=value / 1000, n=budget.requests, source=SOURCE, unit="ms")
        for name, value in (("p95", budget.sum_p95_us), ("p99", budget.sum_p99_us))
    ]
