"""The gate of calibration: answers can be taken at their word. Its remedy depends on what was done and found."""

from typing import Any

from components.declaration.metrics import metric_of
from components.gates.registry import build_gate
from components.gates.rule import Case, Rule, at_most

# Standard errors by which the labels of two splits differ for more than chance.
BEYOND_CHANCE = 3.0


@build_gate("calibration")
def calibration(case: Case) -> Rule:
    """The calibration error is small; of classes and numbers where it was measured."""
    return at_most(
        "calibration_error",
        case.gates.calibration_error,
        "the calibration error",
        calibration_remedy(case),
        only_if_measured=metric_of(case.goal.metric).target != "binary",
        in_plain_words=lambda reason: (
            f"Its answers cannot be taken at their word: {_bins_off(case.evidence.tables.get('calibration'))}"
            f"{reason[:1].lower()}{reason[1:]}"
        ),
    )


def _bins_off(bins: list[dict[str, Any]] | None) -> str:
    """Say on which side the probabilities of yes are off, bin by bin."""
    if not bins:
        return ""
    high = sum(one["mean"] > one["rate"] for one in bins)
    rows = sum(one["n"] for one in bins)
    answered, came = (sum(one["n"] * one[key] for one in bins) / rows for key in ("mean", "rate"))
    how, side = (high, "too high") if high >= len(bins) / 2 else (len(bins) - high, "too low")
    which = f"all {len(bins)}" if how == len(bins) else f"{how} of {len(bins)}"
    return f"they are {side} in {which} bins ({answered:.0%} on average where {came:.0%} were yes); "


def calibration_remedy(case: Case) -> str:
    """Say what would calibrate the answers: other rows to calibrate on, or a method that was not used yet."""
    method, numbers = case.calibration, metric_of(case.goal.metric).target == "regression"
    choice = "calibration" in case.options
    if choice and (method == "none" or (numbers and method == "auto")):
        return f"set model.calibration: {'shift' if numbers else 'auto'}, which is fitted on the validation split"
    if moved := _moved(case.evidence.tables.get("label_means", {}), case.evidence.unit):
        return (
            f"{moved}: what was fitted on the one does not hold on the other; calibrate on a validation split that is "
            "like what comes"
        )
    if not choice:
        return "bring more validation rows, or a validation split that is like what comes"
    done = "the answers are calibrated on the validation split already"
    if numbers or method == "isotonic":
        return f"{done} ({method}): bring more validation rows, or a validation split that is like what comes"
    return f"{done}: try model.calibration: isotonic, which bends what no line can, or bring more validation rows"


def _moved(means: dict[str, Any], unit: str) -> str:
    """Say how far apart the labels of validation and test are, if it is more than chance."""
    if not {"validation", "test"} <= set(means):
        return ""
    before, after = means["validation"], means["test"]
    error = sum(one["deviation"] ** 2 / one["rows"] for one in (before, after)) ** 0.5
    if abs(before["mean"] - after["mean"]) <= BEYOND_CHANCE * error:
        return ""
    if before["of"] == "yes":
        return f"{before['mean']:.1%} of the validation rows are yes, and {after['mean']:.1%} of the test rows"
    told = f" {unit}" if unit else ""
    return f"the mean label is {before['mean']:.4g}{told} in validation, and {after['mean']:.4g}{told} in test"
