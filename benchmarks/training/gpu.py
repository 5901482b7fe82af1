"""What a card does in training: fp32 eager, TF32, bf16, bf16 compiled; samples a second, memory, share of its peak.

    python -m benchmarks.training.gpu --rows 1000000

The loop needs only torch and lightning beside the repository. Where pydantic, msgspec and psutil are installed as well,
each arm is also a fit of Slipway's engine. The network is wide enough to keep a card busy. It has not been run on a
card yet: docs/benchmarks.md says so until it has. ``--device cpu`` with small sizes shows that it runs.
"""

import argparse
import itertools
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning
import torch
from torch import Tensor, nn

from components.training.batches import Batch, TableBatches

# Dense peak of bf16 tensor cores in teraflops, from NVIDIA's data sheets, by words of the card's name, the most telling
# first; other cards: give --peak.
PEAKS = {"H100 PCIe": 756.0, "H200": 989.0, "H100": 989.0, "A100": 312.0, "A10G": 70.0, "L4": 121.0}
INPUTS = 256


@dataclass(frozen=True)
class Arm:
    """One way of computing the same training."""

    name: str
    precision: str
    compiled: bool
    tf32: bool


@dataclass(frozen=True)
class Work:
    """What every arm does."""

    batches: TableBatches
    epochs: int
    width: int
    device: torch.device

    def network(self) -> nn.Module:
        """Return a network that is wide enough to keep tensor cores busy."""
        wide = [nn.Linear(INPUTS, self.width), nn.ReLU(), nn.Linear(self.width, self.width), nn.ReLU()]
        return nn.Sequential(*wide, nn.Linear(self.width, 1))

    @property
    def step_tflop(self) -> float:
        """Teraflops of a step: two operations a weight forward, four backward (none for the inputs' gradient)."""
        first, rest = INPUTS * self.width, self.width * self.width + self.width
        return self.batches.batch_size * 2 * (2 * first + 3 * rest) / 1e12

    def wait(self) -> None:
        """Wait for what was launched."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


ARMS = (
    Arm("fp32 eager", "32-true", compiled=False, tf32=False),
    Arm("fp32 with TF32", "32-true", compiled=False, tf32=True),
    Arm("bf16-mixed", "bf16-mixed", compiled=False, tf32=True),
    Arm("bf16-mixed, compiled", "bf16-mixed", compiled=True, tf32=True),
)


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


def loop_ends(work: Work, arm: Arm) -> list[float]:
    """Return when each epoch of a plain loop ended, with Lightning's Fabric for the precision."""
    fabric = lightning.Fabric(accelerator=work.device.type, devices=1, precision=arm.precision)  # type: ignore[arg-type]
    torch.manual_seed(1)
    network = work.network().to(work.device)
    model, optimizer = fabric.setup(network, torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True))
    used = torch.compile(model) if arm.compiled else model
    ends = []
    for epoch in range(work.epochs):
        work.batches.epoch = epoch
        for batch in work.batches:
            fabric.backward(loss(used, batch))  # type: ignore[arg-type]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        work.wait()
        ends.append(time.perf_counter())
    return ends


def engine_ends(work: Work, arm: Arm) -> list[float]:
    """Return when each epoch of a fit through Slipway's engine ended; ImportError without what the engine needs."""
    from components.training.engine import fit
    from components.training.hardware import probe_machine
    from components.training.learner import Plan, Task
    from components.training.options import TrainingOptions
    from components.training.results import HardwareChoice
    from components.training.spending import Budget

    ends: list[float] = []

    def note(done: int, total: int) -> None:
        work.wait()
        ends.append(time.perf_counter())

    one = tuple(tensor[: work.batches.batch_size] for tensor in work.batches.tensors)
    plan = Plan(
        network=work.network,
        task=Task(loss, answers, score),
        training=work.batches,
        validation=TableBatches(one, work.batches.batch_size),
        options=TrainingOptions(epochs=work.epochs, patience=work.epochs, batch_size=work.batches.batch_size),
        hardware=HardwareChoice.model_validate(
            {
                "device": work.device.type,
                "precision": arm.precision,
                "compile": arm.compiled,
                "threads": torch.get_num_threads(),
                "reason": "benchmark",
            }
        ),
        machine=probe_machine(),
        seed=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(plan, Path(folder), Budget(3600.0), note)
    return ends


def measured(run: Callable[[Work, Arm], list[float]], work: Work, arm: Arm) -> tuple[float, float]:
    """Return the median seconds of an epoch but the first (it compiles), and the peak memory in GB."""
    torch.set_float32_matmul_precision("high" if arm.tf32 else "highest")
    if work.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    ends = run(work, arm)
    memory = torch.cuda.max_memory_allocated() / 1e9 if work.device.type == "cuda" else 0.0
    return statistics.median(after - before for before, after in itertools.pairwise(ends)), memory


def peak_of(name: str) -> float | None:
    """Return the dense bf16 teraflops of a card, None if it is not known; whole words, for an L40S is no L4."""
    words = set(re.split(r"[ -]", name))
    return next((peak for card, peak in PEAKS.items() if set(card.split()) <= words), None)


def above_zero(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Return what reads an argument that must be above zero."""

    def read(text: str) -> float:
        if (value := kind(text)) <= 0:
            raise argparse.ArgumentTypeError(f"{text}: must be above 0")
        return value

    return read


def make_work(given: argparse.Namespace) -> Work:
    """Return what every arm does, with its table on the device."""
    device = torch.device(given.device)
    inputs = torch.randn(given.rows, INPUTS, device=device)
    labels = (inputs[:, 0] + inputs[:, 1] * inputs[:, 2] > 0).float()
    return Work(TableBatches((inputs, labels), given.batch, seed=1), given.epochs, given.width, device)


def main() -> None:
    """Print a Markdown table and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=above_zero(int), default=1_000_000)
    parser.add_argument("--batch", type=above_zero(int), default=16_384)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--width", type=above_zero(int), default=4096)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--peak", type=above_zero(float), help="dense bf16 teraflops of the card")
    given = parser.parse_args()
    if given.epochs < 2:
        parser.exit(2, f"--epochs {given.epochs}: at least 2, for the first one is not counted\n")
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.exit(8, "no CUDA device here: run this where there is a card\n")
    name = torch.cuda.get_device_name() if given.device == "cuda" else "the processor, no card"
    peak = given.peak or peak_of(name)
    work = make_work(given)
    sizes = f"256-{given.width}-{given.width}-1"
    print(f"{name}, {given.rows} rows, batch {given.batch}, {sizes}, torch {torch.__version__}")
    print("| arm | through | samples/s | TFLOP/s | share of bf16 peak | peak memory GB |\n|---|---|---|---|---|---|")
    rows = []
    runs: dict[str, Callable[[Work, Arm], list[float]]] = {"a loop": loop_ends, "Slipway": engine_ends}
    for arm, (through, run) in itertools.product(ARMS, runs.items()):
        try:
            seconds, memory = measured(run, work, arm)
        except ImportError as error:
            print(f"| {arm.name} | {through} | not run: {error} | | | |")
            continue
        speed = work.step_tflop * len(work.batches) / seconds
        share = "unknown" if peak is None else f"{speed / peak:.0%}"
        print(f"| {arm.name} | {through} | {given.rows / seconds:,.0f} | {speed:.2f} | {share} | {memory:.2f} |")
        samples = given.rows / seconds
        rows.append({"arm": arm.name, "through": through, "samples_per_s": samples, "tflops": speed, "gb": memory})
    print(json.dumps({"card": name, "arms": rows}))


if __name__ == "__main__":
    main()
