"""Package: one sealed folder with the model, its recipe and contract, and everything that justified it."""

import tempfile
from pathlib import Path

import polars as pl

from components.artefacts.answer_shape import read_shape
from components.artefacts.storage import write_atomically
from components.builds.packaging import PackagedBuild, package_build
from components.catalog import kind_module
from components.compression.results import AS_TRAINED
from components.data.results import Expected, Prepared, Snapshot, Validated
from components.data.sources.source import source_modules
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.evaluation.evidence import Evaluated, read_evidence, write_evidence
from components.gates.judge import GateReport
from components.imported_code import code_of
from components.provenance import code_version, dependency_graph, environment_differences, machine
from components.reports.dossier import Subject, write_dossier
from components.reports.model_card import write_card
from components.run_ledger import stage_seconds
from components.settings import Home, Settings
from components.training.results import Trained, training_record
from tasks.pages import fields_of
from tasks.stage import stage


def _code_files(workload: Workload) -> dict[str, str]:
    """Return the digest of every file of code that the build flow, the kind and the contract import."""
    modules = ["flows.build_model", kind_module(workload.kind), workload.contract.partition(":")[0]]
    return code_of([*modules, *source_modules(workload.source)]).digests_by_place()


@stage(
    "package",
    # The whole workload file travels in the build.
    settings=list(Workload.model_fields),
    artifact=fields_of,
)
def package(
    workload: Workload,
    snapshot: Snapshot,
    validated: Validated,
    expected: Expected,
    prepared: Prepared,
    trained: Trained,
    evaluated: Evaluated,
    report: GateReport,
    home: Home,
    settings: Settings,
) -> PackagedBuild:
    """Write and seal the build."""
    from components.training.onnx_export import graph_facts

    files, seconds = _code_files(workload), stage_seconds(home)
    graph, code, contract = dependency_graph(), code_version(used=files), contract_of(workload)
    with tempfile.TemporaryDirectory() as scratch:
        gates = write_atomically(Path(scratch, "gates.json"), report.model_dump_json(indent=2).encode())
        lineage = {"commit": code.commit or "unknown", "uncommitted changes": "yes" if code.diff else "none"}
        made = {
            "data": {
                "snapshot": snapshot.digest,
                "validated": validated.digest,
                "prepared": prepared.digest,
                "rows": validated.rows,
                "quarantined": validated.reasons,
                "left_out": prepared.left_out,
                "splits": {
                    name: split.model_dump(mode="json", include={"rows", "start", "end"})
                    for name, split in prepared.splits.items()
                },
            },
            "code": {"version": code.version, "commit": code.commit, "files": files},
            "model": {"name": trained.chosen, "variant": _variant(trained), "digest": trained.shipped.digest},
            "graph": graph_facts(trained.shipped.model),
            "training": training_record(trained).model_dump(mode="json"),
            "machine": machine(),
            "seeds": {"workload": workload.seed, "training": trained.seed},
            "stage_seconds": seconds,
            "environment_differences": list(environment_differences(graph)),
        }
        packages = {name: package.version for name, package in graph.items()}
        # One document that answers for the whole build, in the build and in the registry.
        evidence = read_evidence(evaluated.evidence).model_copy(
            update={"made": {**made, "uncommitted_changes": bool(code.diff), "packages": packages}}
        )
        whole = write_evidence(Path(scratch, "evidence.json"), evidence)
        subject = Subject(
            workload, contract, evidence, report, validated, expected, prepared, trained, lineage, seconds
        )
        dossier = write_dossier(Path(scratch, "dossier.html"), subject)
        return package_build(
            workload,
            contract,
            home,
            shipped=trained.shipped.parts,
            test_rows=prepared.splits["test"].path,
            answers=pl.read_parquet(evaluated.predictions, glob=False),
            shape=read_shape(evaluated.shape.read_bytes()),
            documents={"evidence.json": whole, "gates.json": gates, "dossier.html": dossier},
            card=write_card(workload, validated, expected, prepared, trained, evaluated, report),
            provenance=made,
            code=code,
            dependencies=graph,
            key=settings.key(),
            rehearsed=evidence.tables.get("rehearsed", {}),
        )


def _variant(trained: Trained) -> str:
    return trained.compression.chosen if trained.compression else AS_TRAINED
