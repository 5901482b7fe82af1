"""Put together what a build holds: its evidence, where it comes from, dossier and card, and package it."""

from pathlib import Path
from typing import Any

import yaml

from components.artefacts.storage import json_document
from components.builds.core import core_of
from components.builds.evidence import build_evidence
from components.builds.inputs import BuildInputs
from components.builds.packaging import PackagedBuild, package_build
from components.builds.part import ServedPart
from components.catalog import Kind, kind_modules
from components.compression.results import training_record
from components.data.sources.source import source_modules
from components.declaration.workload import Workload
from components.gates.own import own_modules
from components.imported_code import code_of
from components.provenance import CodeVersion, code_version, dependency_graph, environment_differences, machine
from components.reports.dossier import render_dossier
from components.reports.model_card import write_card
from components.reports.subject import Subject
from components.run_ledger import stage_seconds
from components.settings import Home
from data_contracts.description.spec import ContractSpec


def assemble_build(
    inputs: BuildInputs, workload: Workload, kind: Kind, contract: ContractSpec, home: Home, key: Path
) -> PackagedBuild:
    """Write, seal and sign a build of what the stages made; ``key`` is the private key, made on first use."""
    files, seconds, graph = _code_files(workload, kind), stage_seconds(home), dependency_graph()
    code = code_version(used=files)
    made = {
        **_made(inputs, workload),
        "code": {"version": code.version, "commit": code.commit, "files": files},
        "machine": machine(),
        "stage_seconds": seconds,
        "environment_differences": list(environment_differences(graph)),
    }
    packages = {name: package.version for name, package in graph.items()}
    # One document that answers for the whole build, in the build and in the registry.
    evidence = build_evidence(inputs).model_copy(
        update={"made": {**made, "uncommitted_changes": bool(code.diff), "packages": packages}}
    )
    subject = Subject(
        workload=workload,
        contract=contract,
        evidence=evidence,
        report=inputs.gates,
        validated=inputs.validated,
        expected=inputs.expected,
        prepared=inputs.prepared,
        trained=inputs.trained,
        spent=inputs.spent,
        lineage=_lineage(inputs, code),
        stages=seconds,
    )
    documents = {
        "evidence.json": evidence.model_dump_json(indent=2).encode() + b"\n",
        "gates.json": inputs.gates.model_dump_json(indent=2).encode(),
        "dossier.html": render_dossier(subject).encode(),
        "card.md": write_card(subject).encode(),
        "workload.yaml": yaml.safe_dump(workload.model_dump(mode="json"), sort_keys=False).encode(),
        "provenance.json": json_document(made),
        "dependencies.json": json_document(graph),
        **_uncommitted(code),
    }
    answers, served = inputs.evaluated.answers, ServedPart.of(workload)
    core = core_of(served, contract, inputs.compressed.shipped, inputs.prepared, answers, home)
    return package_build(core, kind.name, documents, graph, inputs.rehearsed.files, home, key)


def _uncommitted(code: CodeVersion) -> dict[str, bytes]:
    if not code.diff and not code.untracked:
        return {}
    notes = "".join(f"untracked: {name}\n" for name in code.untracked)
    return {"uncommitted.diff": (notes + code.diff).encode()}


def _code_files(workload: Workload, kind: Kind) -> dict[str, str]:
    """Return the digest of every file of code that the build flow, the kind and the contract import."""
    modules = ["flows.build_model", *kind_modules(kind.name), workload.contract.partition(":")[0]]
    theirs = (*source_modules(workload.source), *own_modules(workload.gates.own))
    return code_of([*modules, *theirs]).digests_by_place()


def _made(inputs: BuildInputs, workload: Workload) -> dict[str, Any]:
    """Return what a build was made of."""
    from components.training.onnx_export import graph_facts

    validated, prepared, shipped = inputs.validated, inputs.prepared, inputs.compressed.shipped
    return {
        "data": {
            "snapshot": inputs.snapshot.digest,
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
        "model": {
            "name": inputs.trained.chosen,
            "variant": inputs.compressed.compression.chosen,
            "digest": shipped.digest,
        },
        "graph": graph_facts(shipped.model),
        "training": training_record(inputs.trained, inputs.compressed, inputs.usd_per_hour).model_dump(mode="json"),
        "seeds": {"workload": workload.seed, "training": inputs.trained.seed},
    }


def _lineage(inputs: BuildInputs, code: CodeVersion) -> dict[str, str]:
    return {
        "commit": code.commit or "unknown",
        "uncommitted changes": "yes" if code.diff else "none",
        "model": inputs.compressed.shipped.digest,
    }
