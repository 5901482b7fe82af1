"""What a training takes from its machine: processor time, energy and memory, counted around it."""

from collections.abc import Callable

from components.training.costs.energy import EnergyMeter, cpu_seconds
from components.training.costs.peak_memory import MemoryMeter
from components.training.results import Trained


def accounted(train: Callable[[], Trained], watts: float, *, begins_here: bool = True) -> Trained:
    """Train, and return the training with what it took; ``watts`` is the machine's power where nothing counts it.

    What was spent on a training that began in an earlier process is not known; then time and memory stay None.
    """
    began = cpu_seconds()
    with EnergyMeter() as meter, MemoryMeter() as memory:
        trained = train()
    energy = meter.energy(seconds=trained.seconds, watts=watts, card=trained.hardware.device == "cuda")
    return trained.model_copy(
        update={
            "energy": energy,
            "cpu_seconds": round(cpu_seconds() - began, 2) if begins_here else None,
            "memory": memory.peak if begins_here else None,
        }
    )
