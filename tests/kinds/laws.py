"""What the laws of kinds are tried on: a tiny model of each, made by ``tests/kinds/<kind>/example.py``."""

from dataclasses import dataclass, field
from pathlib import Path

from components.artefacts.answer_shape import AnswerShape
from components.artefacts.build import ServingSpec, seal
from components.artefacts.storage import write_json
from components.data.results import Prepared
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec


@dataclass(frozen=True)
class Example:
    """A tiny model that was trained; ``bodies`` are one request of each media type that the kind claims."""

    contract: ContractSpec
    shape: AnswerShape
    prepared: Prepared
    trained: Trained
    bodies: dict[str, bytes] = field(default_factory=dict)


def sealed(example: Example, kind: str, folder: Path) -> Path:
    """Write a build of the example's best model, without a signature; what lies in the folder already is sealed too."""
    parts = example.trained.best.parts
    named = {f"{name}.onnx": file for name, file in parts.graphs.items()}
    named |= {f"assets/{name}": file for name, file in parts.assets.items()}
    for name, file in named.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file if isinstance(file, bytes) else file.read_bytes())
    write_json(folder / "contract.json", example.contract)
    serving = ServingSpec(
        workload="w", answer=example.shape, port=0, max_rows=100, max_body_bytes=10**7, log_predictions=0
    )
    write_json(folder / "serving.json", serving)
    seal(folder, workload="w", kind=kind, created="2026-01-01T00:00:00+00:00")
    return folder
