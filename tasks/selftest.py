"""Selftest: plant known faults and see whether the gate that must catch each does."""

import tempfile
from pathlib import Path

from components import progress
from components.artefacts.build import open_build
from components.builds.packaging import PackagedBuild
from components.builds.signing import public_key_path
from components.catalog import find_kind
from components.compression.results import Compressed
from components.data.results import Prepared
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.faults.bench import make_bench
from components.faults.selftest import Planted, applicable, planted_one_by_one
from components.settings import Settings
from components.training.results import Trained
from tasks.pages import text
from tasks.stage import stage


def _artifact(planted: list[Planted]) -> str:
    missed = [p for p in planted if not p.caught]
    state = f"✗ {len(missed)} of {len(planted)} faults missed" if missed else f"✓ All {len(planted)} faults caught"
    lines = [
        f"- {'✓' if p.caught else '✗'} {text(p.fault)} (planted in {text(p.stage)}): "
        f"{'caught' if p.caught else '**missed**'} by {text(p.gate)}"
        for p in sorted(planted, key=lambda p: p.caught)
    ]
    return "\n".join([f"## {state}", "", *lines])


@stage("selftest", cached=False, artifact=_artifact)
def selftest(
    workload: Workload,
    prepared: Prepared,
    trained: Trained,
    compressed: Compressed,
    packaged: PackagedBuild,
    settings: Settings,
) -> list[Planted]:
    """Return what became of every fault; nothing of the build or the data is changed."""
    planted = []
    with tempfile.TemporaryDirectory() as scratch:
        bench = make_bench(
            workload,
            contract_of(workload),
            prepared,
            trained,
            compressed.shipped,
            open_build(packaged.path, public_key_path(settings.key()), build_id=packaged.build_id),
            find_kind(workload.kind).predict_file,
            Path(scratch),
        )
        total = len(applicable(bench))
        for result in planted_one_by_one(bench):
            planted.append(result)
            progress.report("faults", len(planted), total)
    return planted
