"""Gates of the training: it ended by itself, within its price, with a model of a size that can be served."""

from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, at_most, none_of


@build_gate("converged")
def converged(case: Case) -> Rule | None:
    """No training was cut off by a cap; a warning where it is not required."""
    if case.gates.converged == "warning":
        return None
    todo = "raise model.time_cap_minutes or goal.training_usd, or ask for fewer epochs"
    return none_of("trainings_cut_off", "trainings that were cut off", todo)


@build_gate("size")
def size(case: Case) -> Rule:
    """The model file is no larger than was allowed."""
    subject, todo = "the size of the model in MB", "a smaller or quantised model"
    return at_most("model_mb", case.gates.model_mb, subject, todo, only_if_measured=True)


@build_gate("training-cost")
def training_cost(case: Case) -> Rule:
    """The training cost no more than the goal says."""
    subject, todo = "the cost of the training in USD", "train fewer epochs, or on a cheaper machine"
    return at_most("training_usd", case.goal.training_usd, subject, todo, quote=case.goal.statement)
