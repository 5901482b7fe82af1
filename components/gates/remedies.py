"""What helps when a gate fails, where that depends on what was found: no advice to do what was done already."""

from typing import Any

from components.declaration.targets import METRICS
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence

# Standard errors by which the labels of two splits differ for more than chance.
BEYOND_CHANCE = 3.0


def calibration_remedy(workload: Workload, evidence: Evidence) -> str:
    """Say what would calibrate the answers: other rows to calibrate on, or a method that was not used yet."""
    method = str(workload.model.get("calibration", "auto"))
    numbers = workload.goal.metric in METRICS["regression"]
    if method == "none" or (numbers and method == "auto"):
        return f"set model.calibration: {'shift' if numbers else 'auto'}, which is fitted on the validation split"
    if moved := _moved(evidence.tables.get("label_means", {}), evidence.unit):
        return (
            f"{moved}: what was fitted on the one does not hold on the other; calibrate on a validation split that is "
            "like what comes"
        )
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
