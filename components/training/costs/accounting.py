"""What a training takes from its machine: processor time, energy and memory, counted around it."""

from collections.abc import Callable
from pathlib import Path

from components.training.costs.energy import EnergyMeter, cpu_seconds
from components.training.costs.estimate import FILE, Estimate, check_estimate
from components.training.costs.peak_memory import MemoryMeter
from components.training.results import Trained


def accounted(train: Callable[[], Trained], folder: Path, watts: float) -> Trained:
    """Train in a folder, and return the training with what it took beside what was estimated there before.

    ``watts`` is the machine's power where nothing counts it. What was spent on a training that began in an earlier
    process is not known; then time and memory stay None.
    """
    estimate = folder / FILE
    begins_here = not any(path != estimate for path in folder.glob("*"))
    began = cpu_seconds()
    with EnergyMeter() as meter, MemoryMeter() as memory:
        trained = train()
    energy = meter.energy(seconds=trained.seconds, watts=watts, card=trained.hardware.device == "cuda")
    trained = trained.model_copy(
        update={
            "energy": energy,
            "cpu_seconds": round(cpu_seconds() - began, 2) if begins_here else None,
            "memory": memory.peak if begins_here else None,
        }
    )
    if not estimate.is_file():
        return trained
    check = check_estimate(Estimate.model_validate_json(estimate.read_bytes()), trained)
    return trained.model_copy(update={"estimate": check})
