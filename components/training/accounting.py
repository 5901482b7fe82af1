"""What a training takes from its machine: processor time, energy and memory, counted around it."""

from collections.abc import Callable

from components.training.energy import EnergyMeter, cpu_seconds
from components.training.peak_memory import MemoryMeter
from components.training.results import Trained


def accounted(train: Callable[[], Trained], watts: float) -> Trained:
    """Train, and return the training with what it took; ``watts`` is the machine's power where nothing counts it."""
    began = cpu_seconds()
    with EnergyMeter() as meter, MemoryMeter() as memory:
        trained = train()
    energy = meter.energy(seconds=trained.seconds, watts=watts, card=trained.hardware.device == "cuda")
    # Of a training that began in a process that was killed, nobody knows these.
    whole = trained.seconds <= 1.05 * meter.seconds
    return trained.model_copy(
        update={
            "energy": energy,
            "cpu_seconds": round(cpu_seconds() - began, 2) if whole else None,
            "memory": memory.peak if whole else None,
        }
    )
