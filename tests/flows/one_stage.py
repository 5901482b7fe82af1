"""One stage of a build in a process of its own: WORKLOAD STAGE RESULTS, a folder with a JSON document for each stage.

All that it has of the stages before it are these documents, and the store.
"""

import sys
from pathlib import Path
from typing import Any

from prefect.serializers import JSONSerializer

from components.builds.inputs import BuildInputs
from components.builds.part import ServedPart
from components.builds.results import Measured
from components.catalog import find_kind
from components.compression.part import CompressionPart
from components.declaration.loading import contract_of, read_workload
from components.evaluation.part import EvaluationPart
from components.gates.part import GatesPart
from components.promotion.roles import challenger_of, champion_of
from components.settings import Settings
from components.training.part import TrainingPart
from tasks.audit import audit
from tasks.compress import compress
from tasks.evaluate import evaluate
from tasks.expect import expect
from tasks.gate import gate
from tasks.ingest import ingest
from tasks.monitor import monitor
from tasks.package import package
from tasks.prepare import prepare
from tasks.promote import promote
from tasks.register import register
from tasks.rehearse import rehearse
from tasks.train import train
from tasks.validate import validate

STAGES = (
    *("ingest", "validate", "expect", "prepare", "audit", "train", "compress", "evaluate", "rehearse", "gate"),
    *("package", "register", "promote", "monitor"),
)


def main() -> None:
    """Run the stage and write its result."""
    declared, name, results = read_workload(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    serializer = JSONSerializer()
    known = {path.stem: serializer.loads(path.read_bytes()) for path in results.glob("*.json")}
    (results / f"{name}.json").write_bytes(serializer.dumps(run(name, declared, known)))


def run(name: str, workload: Any, known: dict[str, Any]) -> Any:
    """Return what a stage comes to."""
    settings = Settings()
    home, contract, kind = settings.folder(), contract_of(workload), find_kind(workload.kind)

    def measured() -> Measured:
        return Measured(
            prepared=known["prepare"],
            audited=known["audit"],
            trained=known["train"],
            compressed=known["compress"],
            evaluated=known["evaluate"],
            rehearsed=known["rehearse"],
            usd_per_hour=settings.price_per_hour,
        )

    def inputs() -> BuildInputs:
        return BuildInputs(
            **dict(measured()),
            snapshot=known["ingest"],
            validated=known["validate"],
            expected=known["expect"],
            gates=known["gate"],
        )

    match name:
        case "ingest":
            return ingest.fn(workload.source, contract, home)
        case "validate":
            return validate.fn(known["ingest"], contract, workload.name, home)
        case "expect":
            return expect.fn(known["validate"], contract, workload.name, home)
        case "prepare":
            return prepare.fn(known["validate"], workload.split, workload.features, contract, kind.preparation, home)
        case "audit":
            return audit.fn(known["prepare"], workload.audit, contract, kind.preparation)
        case "train":
            return train.fn(TrainingPart.of(workload), known["prepare"], kind, contract, home, settings)
        case "compress":
            part = CompressionPart.of(workload)
            return compress.fn(part, known["train"], known["prepare"], kind, contract, home, settings)
        case "evaluate":
            part, shipped = EvaluationPart.of(workload), known["compress"].shipped
            return evaluate.fn(part, known["train"], shipped, known["prepare"], kind, contract, home)
        case "rehearse":
            part, shipped = ServedPart.of(workload), known["compress"].shipped
            answers = known["evaluate"].answers
            return rehearse.fn(part, shipped, known["prepare"], answers, kind, contract, home, settings)
        case "gate":
            return gate.fn(GatesPart.of(workload), measured(), kind)
        case "package":
            return package.fn(workload, inputs(), kind, contract, home, settings)
        case "register":
            return register.fn(workload, known["package"], known["train"], known["gate"].passed, home, settings)
        case "promote":
            build = challenger_of(workload, None, home, settings)
            return promote.fn(workload, build, home, settings, accept=("environment",))
        case _:
            build = champion_of(workload, home, settings)
            return monitor.fn(workload, build, known["prepare"], home)


if __name__ == "__main__":
    main()
