"""Whether torch.compile pays for a training: measured over its first steps, compile time included.

Compiling takes seconds to minutes and saves a part of each step, so that it pays only in a training long enough to earn
it back. A training too short for any saving to matter is not probed at all, which also keeps its choice repeatable.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from components.artefacts.storage import write_atomically
from components.training.batches import Batch
from components.training.learner import Plan
from components.training.results import HardwareChoice

STEPS = 10
# Below this many seconds of eager training nothing is tried: the first compilation alone took 17 s on two cores.
WORTH_A_TRY = 120.0
# How much less the whole training must take, so that noise does not decide.
MARGIN = 0.9

Clock = Callable[[], float]


@dataclass(frozen=True)
class Speed:
    """What a few steps took: seconds before the first is done, median and mean seconds of a later one.

    The median compares two ways of computing on a busy machine; the mean is what one waits for there.
    """

    first: float
    step: float
    mean: float

    def total(self, steps: int) -> float:
        """Return the seconds that a training of so many steps would take."""
        return self.first + self.step * max(0, steps - 1)


def choose_compile(plan: Plan) -> HardwareChoice:
    """Return the plan's hardware with ``compile`` decided, by its option or by measuring, and the figures as reason."""
    hardware, wanted = plan.hardware, plan.options.compile
    if wanted != "auto":
        return _decided(hardware, wanted == "always", f"torch.compile {wanted} as the workload file says")
    eager = measure_steps(plan, compiled=False)
    expected = eager.total(plan.steps)
    if expected < WORTH_A_TRY:
        return _decided(hardware, False, f"not compiled: {plan.steps} eager steps take about {expected:.0f} s in all")
    try:
        compiled = measure_steps(plan, compiled=True)
    except torch._dynamo.exc.TorchDynamoException as error:
        return _decided(hardware, False, f"not compiled: {type(error).__name__}")
    return decide(hardware, eager, compiled, plan.steps)


def remembered_choice(plan: Plan, folder: Path) -> Plan:
    """Return the plan with ``compile`` decided, as it was for this folder before: what goes on computes as it began."""
    path = folder / "hardware.json"
    if not path.is_file():
        write_atomically(path, choose_compile(plan).model_dump_json(indent=2).encode())
    return replace(plan, hardware=HardwareChoice.model_validate_json(path.read_bytes()))


def decide(hardware: HardwareChoice, eager: Speed, compiled: Speed, steps: int) -> HardwareChoice:
    """Return the choice between two measured speeds for a training of so many steps."""
    figures = (
        f"measured {eager.step * 1e3:.1f} ms a step eager, {compiled.step * 1e3:.1f} ms compiled after "
        f"{compiled.first:.0f} s: {eager.total(steps):.0f} s against {compiled.total(steps):.0f} s for {steps} steps"
    )
    if compiled.total(steps) < MARGIN * eager.total(steps):
        return _decided(hardware, True, f"compiled: {figures}")
    return _decided(hardware, False, f"not compiled: {figures}")


def measure_steps(plan: Plan, *, compiled: bool, steps: int = STEPS, clock: Clock = time.perf_counter) -> Speed:
    """Take a few training steps on a network of their own and return what they cost."""
    device = torch.device(plan.hardware.device)
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        network = plan.network().to(device)
    used = torch.compile(network) if compiled else network
    assert isinstance(used, nn.Module), "a module compiles to a module"
    optimizer = torch.optim.AdamW(network.parameters(), fused=plan.hardware.precision != "16-mixed")
    mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(plan.hardware.precision)
    ends = [clock()]
    for batch in first_batches(plan, steps):
        with torch.autocast(device.type, mixed, enabled=mixed is not None):
            loss = plan.task.loss(used, tuple(tensor.to(device) for tensor in batch))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        ends.append(clock())
    taken = sorted(after - before for before, after in itertools.pairwise(ends[1:]))
    return Speed(first=ends[1] - ends[0], step=taken[len(taken) // 2], mean=sum(taken) / len(taken))


def first_batches(plan: Plan, count: int) -> list[Batch]:
    """Return so many batches of the training split, from the start again if there are fewer."""
    found: list[Batch] = []
    while len(found) < count:
        for batch in plan.training.shard(0, 1):
            found.append(batch)
            if len(found) == count:
                break
    return found


def _decided(hardware: HardwareChoice, compiled: bool, reason: str) -> HardwareChoice:
    return hardware.model_copy(update={"compile": compiled, "reason": f"{hardware.reason}; {reason}"})
