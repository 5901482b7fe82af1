"""How much an epoch through the training engine costs beside a bare PyTorch loop, and beside a per-row DataLoader.

    python -m benchmarks.training.epoch --rows 200000 --epochs 5

The same network, optimizer, clipping, schedule, precision and batches in all; arms take turns, so that a noisy machine
slows all of them. The engine's epoch also holds a validation (of one batch) and a checkpoint; the loop's holds neither.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from components.training.batches import Batch, TableBatches
from components.training.engine import fit
from components.training.hardware import choose_hardware, probe_machine
from components.training.learner import LearningRate, Plan, Task
from components.training.options import TrainingOptions
from components.training.spending import Budget

# What is counted: seconds of processor time are little moved by what else runs, seconds on the wall are what one waits.
clock: Callable[[], float] = time.perf_counter


def network() -> nn.Module:
    """Return the network of the comparison: 64-256-128-1."""
    sizes = [nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 1)]
    return nn.Sequential(*sizes)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """Return the log-loss of a batch."""
    return nn.functional.binary_cross_entropy_with_logits(model(batch[0])[:, 0], batch[1])


def answers(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, labels and their log-loss."""
    logits = model(batch[0])[:, 0]
    return logits, batch[1], nn.functional.binary_cross_entropy_with_logits(logits.float(), batch[1])


def score(given: Tensor, targets: Tensor) -> float:
    """Return how many answers are right."""
    return float(((given > 0) == (targets > 0.5)).float().mean())


def bare_epochs(plan: Plan, batches: TableBatches | DataLoader[Batch]) -> list[float]:
    """Return the seconds of each epoch but the first of the loop that one would write by hand."""
    torch.manual_seed(plan.seed)
    model = plan.network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.options.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, LearningRate(plan.options, plan.steps))
    seconds = []
    for epoch in range(plan.options.epochs):
        if isinstance(batches, TableBatches):
            batches.epoch = epoch
        started = clock()
        for batch in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=plan.hardware.precision == "bf16-mixed"):
                value = loss(model, batch)
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), plan.options.clip)
            optimizer.step()
            schedule.step()
        seconds.append(clock() - started)
    return seconds[1:]


def engine_epochs(plan: Plan) -> list[float]:
    """Return the seconds of each epoch but the first (which begins with the trainer's start) through the engine."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        fit(plan, Path(folder), Budget(3600.0), lambda done, total: ends.append(clock()))
    return [after - before for before, after in itertools.pairwise(ends)]


def main() -> None:
    """Print the median epoch of each arm and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, help="fewer than cores where others use the machine too")
    parser.add_argument("--cpu-time", action="store_true", help="count processor time; sensible with one thread")
    given = parser.parse_args()
    global clock
    clock = time.process_time if given.cpu_time else time.perf_counter
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(given.rows, 64, generator=generator)
    labels = (inputs[:, 0] + inputs[:, 1] * inputs[:, 2] > 0).float()
    options = TrainingOptions(epochs=given.epochs, patience=given.epochs)
    machine = probe_machine()
    plan = Plan(
        network=network,
        task=Task(loss, answers, score),
        training=TableBatches((inputs, labels), options.batch_size, seed=1),
        validation=TableBatches((inputs[:1024], labels[:1024]), 1024),
        options=options,
        hardware=choose_hardware(machine, precision=given.precision, threads=given.threads),
        machine=machine,
        seed=1,
    )
    torch.set_num_threads(plan.hardware.threads)
    rowwise = DataLoader(TensorDataset(inputs, labels), batch_size=options.batch_size, shuffle=True)
    arms: dict[str, Callable[[], list[float]]] = {
        "bare loop, whole batches": lambda: bare_epochs(plan, plan.training),
        "Slipway": lambda: engine_epochs(plan),
        "bare loop, per-row DataLoader": lambda: bare_epochs(plan, rowwise),
    }
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(given.rounds):
        for name, run in arms.items():
            seconds[name] += run()
    report(seconds, plan)


def report(seconds: dict[str, list[float]], plan: Plan) -> None:
    """Print a Markdown table; ratios are to the first arm."""
    first = statistics.median(next(iter(seconds.values())))
    fastest = min(next(iter(seconds.values())))
    sizes = f"{plan.training.rows} rows, batch {plan.options.batch_size}"
    print(f"{sizes}, {plan.hardware.precision}, {plan.hardware.threads} of {plan.machine.cores} cores")
    print("| arm | epochs | median s | fastest s | median ratio | fastest ratio |\n|---|---|---|---|---|---|")
    for name, values in seconds.items():
        middle, best = statistics.median(values), min(values)
        ratios = f"{middle / first:.2f} | {best / fastest:.2f}"
        print(f"| {name} | {len(values)} | {middle:.3f} | {best:.3f} | {ratios} |")


if __name__ == "__main__":
    main()
