"""Gates of the graph that ships: it answers as the trainer does, and being smaller costs no more than was allowed."""

from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, at_most, gain_over

SHIP_AS_TRAINED = "ship the model as trained: serving.variants.allow: []"


@build_gate("parity")
def parity(case: Case) -> Rule:
    """The packaged graph answers every row of the hold-out as the trainer did."""
    return at_most(
        "parity",
        case.gates.parity,
        "the largest difference between trainer and packaged graph",
        "the export changes the answers: compare what trainer and graph make of one row, step by step",
    )


@build_gate("compression")
def compression(case: Case) -> Rule:
    """A smaller graph that ships is not provably worse than the model as trained."""
    return gain_over(
        case,
        "the model as trained",
        "gain_over_uncompressed",
        SHIP_AS_TRAINED,
        margin=case.variants.quality_loss,
        proof="harm",
        only_if_measured=True,
    )


@build_gate("answer-change")
def answer_change(case: Case) -> Rule:
    """No single answer of a smaller graph moves too far."""
    return at_most(
        "answer_change",
        case.variants.answer_change,
        "the largest change of an answer by compression",
        SHIP_AS_TRAINED,
        only_if_measured=True,
    )
