"""A few dozen real steps, measured and scaled: what the parts of a training take on this machine."""

import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from components.training.batches import TableBatches
from components.training.compile_probe import choose_compile
from components.training.costs.estimate import Part, Spent
from components.training.engine import fit
from components.training.learner import Plan
from components.training.spending import Budget

# Two lengths of an epoch, so that what does not depend on its length (validation, checkpoint) cancels out.
STEPS = (8, 40)
EPOCHS = 3
UNLIMITED = Budget(float("inf"))


def now() -> Spent:
    """Return the clock and this process's processor time."""
    return Spent(wall=time.perf_counter(), cpu=time.process_time())


def measure(work: Callable[[], object]) -> Spent:
    """Return what a call takes."""
    started = now()
    work()
    return now() - started


def network_part(plan: Plan) -> Part:
    """Return what a fit takes: short epochs of it are really trained, each with a whole validation and a checkpoint.

    With several processes a single one is probed, and the batches are taken to be shared evenly.
    """
    started = now()
    plan = replace(plan, hardware=choose_compile(plan))
    chosen = now() - started
    processes = plan.options.devices
    epochs, once = [], Spent()
    for steps in STEPS:
        whole, each = _short_fit(plan, min(steps, len(plan.training)))
        epochs.append(each)
        once = whole - each * EPOCHS
    few, many = (min(steps, len(plan.training)) for steps in STEPS)
    step = (epochs[1] - epochs[0]) * (1 / max(1, many - few))
    rest, stepping = epochs[0] - step * few, step * (len(plan.training) / processes)
    return Part(
        name="network",
        once=chosen + once,
        each=rest + stepping,
        steps=stepping,
        unit="epoch",
        least=min(plan.options.epochs, plan.options.patience + 1),
        most=plan.options.epochs,
    )


def _short_fit(plan: Plan, steps: int) -> tuple[Spent, Spent]:
    """Return what a fit of a few short epochs takes in all, and its fastest epoch but the first, which warms up."""
    rows = min(plan.training.rows, steps * plan.training.batch_size)
    batches = TableBatches(
        tuple(tensor[:rows] for tensor in plan.training.tensors), plan.training.batch_size, seed=plan.seed
    )
    options = plan.options.model_copy(update={"epochs": EPOCHS, "patience": EPOCHS, "devices": 1})
    ends: list[Spent] = []
    with tempfile.TemporaryDirectory() as folder:
        short = replace(plan, training=batches, options=options)
        whole = measure(lambda: fit(short, Path(folder), UNLIMITED, lambda done, total: ends.append(now())))
    epochs = [after - before for before, after in itertools.pairwise(ends)]
    fastest = Spent(wall=min(epoch.wall for epoch in epochs), cpu=min(epoch.cpu for epoch in epochs))
    return whole, fastest
