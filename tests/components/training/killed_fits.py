"""Fits that are killed with SIGKILL at many points, each in a process of its own: ``python -m ... FOLDER``.

The processes are forks of one that has imported everything, because importing takes longer than the fits.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.training.engine import fit
from components.training.learner import Plan
from components.training.spending import Budget
from tests.components.training.small_fit import KilledAt, make_plan

# Three epochs of eight batches, a checkpoint after every one that ends a step.
OPTIONS: dict[str, dict[str, Any]] = {"plain": {}, "averaged": {"ema": 0.9}, "accumulating": {"accumulate": 3}}


class KilledInCall:
    """Does what a function does, and kills the process before or after its ``number``-th call."""

    def __init__(self, function: Callable[..., Any], number: int, *, after: bool = False) -> None:
        self.function, self.left, self.after = function, number, after

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = self.function(*arguments, **more)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def at_step(plan: Plan, number: int) -> Plan:
    return replace(plan, task=replace(plan.task, loss=KilledAt(number)))


def in_validation(plan: Plan, number: int) -> Plan:
    return replace(plan, task=replace(plan.task, score=KilledInCall(plan.task.score, number)))


def in_checkpoint(plan: Plan, number: int) -> Plan:
    """Die when the bytes are written and the file has not its name yet."""
    os.fsync = KilledInCall(os.fsync, number)
    return plan


def half_a_checkpoint(plan: Plan, number: int) -> Plan:
    """Die when a half of the bytes is written."""
    whole = os.fdopen

    def opened(handle: int, mode: str) -> Any:
        file = whole(handle, mode)
        if len(calls) == number - 1:
            os.write(handle, b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        calls.append(handle)
        return file

    calls: list[int] = []
    os.fdopen = opened  # type: ignore[assignment]
    return plan


def after_checkpoint(plan: Plan, number: int) -> Plan:
    counted = KilledInCall(Path.replace, number, after=True)
    # A function, because only that becomes a method.
    Path.replace = lambda path, target: counted(path, target)  # type: ignore[method-assign]
    return plan


POINTS: dict[str, Callable[[Plan], Plan]] = {
    "the first step": lambda plan: at_step(plan, 1),
    "a step": lambda plan: at_step(plan, 13),
    "the last step": lambda plan: at_step(plan, 24),
    "a validation": lambda plan: in_validation(plan, 2),
    "the first checkpoint": lambda plan: in_checkpoint(plan, 1),
    "half a checkpoint": lambda plan: half_a_checkpoint(plan, 4),
    "a whole checkpoint without its name": lambda plan: in_checkpoint(plan, 5),
    "a checkpoint just named": lambda plan: after_checkpoint(plan, 3),
}


def main(folder: Path) -> None:
    """Kill a fit with each of the options at each of the points; fails if one lives to its end."""
    for name, extra in OPTIONS.items():
        for point, deadly in POINTS.items():
            process = os.fork()
            if process == 0:
                fit(deadly(make_plan(checkpoint_minutes=1e-9, **extra)), folder / name / point, Budget(600.0))
                os._exit(0)
            _, status = os.waitpid(process, 0)
            assert os.WIFSIGNALED(status), f"{name}, {point}: lived, {status}"
            assert os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    main(Path(sys.argv[1]))
