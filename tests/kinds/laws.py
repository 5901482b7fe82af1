"""What the laws of kinds are tried on: a tiny model of each, made by ``tests/kinds/<kind>/example.py``."""

from dataclasses import dataclass, field

from components.artefacts.answer_shape import AnswerShape
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
