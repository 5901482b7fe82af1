"""What a card does in training: fp32 eager, TF32, bf16, bf16 compiled; samples a second, memory, share of its peak.

    python -m benchmarks.training.gpu --rows 1000000

Needs only torch and lightning beside the repository. Each arm is a fit of the engine; its network is wide enough to
keep a card busy. It has not been run on a card yet: docs/training.md says so until it has.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from components.training.batches import Batch, TableBatches
from components.training.engine import fit
from components.training.guards import Budget
from components.training.hardware import Machine, probe_machine
from components.training.learner import Plan, Task
from components.training.options import TrainingOptions
from components.training.results import HardwareChoice, Precision

# Dense peak of bf16 tensor cores in teraflops, from NVIDIA's data sheets; other cards: give --peak.
PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "A10G": 70.0, "L4": 121.0}
WIDTH = 4096


@dataclass(frozen=True)
class Arm:
    """One way of computing the same training."""

    name: str
    precision: Precision
    compiled: bool
    tf32: bool


ARMS = (
    Arm("fp32 eager", "32-true", compiled=False, tf32=False),
    Arm("fp32 with TF32", "32-true", compiled=False, tf32=True),
    Arm("bf16-mixed", "bf16-mixed", compiled=False, tf32=True),
    Arm("bf16-mixed, compiled", "bf16-mixed", compiled=True, tf32=True),
)


def network() -> nn.Module:
    """Return a network that is wide enough to keep tensor cores busy."""
    widths = [nn.Linear(256, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)]
    return nn.Sequential(*widths)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """Return the log-loss of a batch."""
    return nn.functional.binary_cross_entropy_with_logits(model(batch[0])[:, 0], batch[1])


def answers(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return logits and labels."""
    return model(batch[0])[:, 0], batch[1]


def score(given: Tensor, targets: Tensor) -> float:
    """Return how many answers are right."""
    return float(((given > 0) == (targets > 0.5)).float().mean())


def step_tflop(batch: int) -> float:
    """Return teraflops of a step: two operations a weight forward, four backward (none for the inputs' gradient)."""
    first, rest = 256 * WIDTH, WIDTH * WIDTH + WIDTH
    return batch * 2 * (2 * first + 3 * rest) / 1e12


def make_plan(rows: int, batch: int, epochs: int, machine: Machine) -> Plan:
    """Return the fit that every arm does, with its table on the card."""
    device = torch.device("cuda")
    inputs = torch.randn(rows, 256, device=device)
    labels = (inputs[:, 0] + inputs[:, 1] * inputs[:, 2] > 0).float()
    return Plan(
        network=network,
        task=Task(loss, answers, score),
        training=TableBatches((inputs, labels), batch, seed=1),
        validation=TableBatches((inputs[:batch], labels[:batch]), batch),
        options=TrainingOptions(epochs=epochs, patience=epochs, batch_size=batch),
        hardware=HardwareChoice(device="cuda", precision="32-true", compile=False, threads=1, reason="benchmark"),
        machine=machine,
        seed=1,
    )


def epoch_seconds(plan: Plan, arm: Arm) -> tuple[float, float]:
    """Return the median seconds of an epoch but the first (it compiles), and the peak memory in GB."""
    hardware = plan.hardware.model_copy(update={"precision": arm.precision, "compile": arm.compiled})
    torch.set_float32_matmul_precision("high" if arm.tf32 else "highest")
    torch.cuda.reset_peak_memory_stats()
    ends: list[float] = []

    def note(done: int, total: int) -> None:
        torch.cuda.synchronize()
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        fit(replace(plan, hardware=hardware), Path(folder), Budget(3600.0), note)
    seconds = statistics.median(after - before for before, after in itertools.pairwise(ends))
    return seconds, torch.cuda.max_memory_allocated() / 1e9


def main() -> None:
    """Print a Markdown table and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=16_384)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--peak", type=float, help="dense bf16 teraflops of the card")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(8, "no CUDA device here: run this where there is a card\n")
    machine = probe_machine()
    name = machine.gpu or ""
    peak = given.peak or next((value for card, value in PEAKS.items() if card in name), None)
    plan = make_plan(given.rows, given.batch, given.epochs, machine)
    print(f"{name}, {given.rows} rows, batch {given.batch}, 256-{WIDTH}-{WIDTH}-1, torch {torch.__version__}")
    print("| arm | samples/s | TFLOP/s | share of bf16 peak | peak memory GB |\n|---|---|---|---|---|")
    rows = []
    for arm in ARMS:
        seconds, memory = epoch_seconds(plan, arm)
        speed = step_tflop(given.batch) * len(plan.training) / seconds
        share = "unknown" if peak is None else f"{speed / peak:.0%}"
        print(f"| {arm.name} | {given.rows / seconds:,.0f} | {speed:.1f} | {share} | {memory:.2f} |")
        rows.append({"arm": arm.name, "samples_per_s": given.rows / seconds, "tflops": speed, "memory_gb": memory})
    print(json.dumps({"card": name, "arms": rows}))


if __name__ == "__main__":
    main()
