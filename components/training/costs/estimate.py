"""What a training is expected to take, part by part, and afterwards how far off that was. Values only, no torch.

A part has a cost that is paid once and one of each unit (an epoch, a tree); early stopping makes the number of units
unknown, so that an estimate is an interval whose upper end is what was declared. Seconds of the clock depend on what
else the machine does; seconds of processor time hardly do, which is why both are told and compared.
"""

from datetime import date

from pydantic import Field

from components.result import Result
from components.training.results import EstimateCheck, Trained

FILE = "estimate.json"
# The unit of a search, which may be pruned at any epoch.
FURTHER_TRIAL = "further trial"


class Spent(Result):
    """Seconds of the clock and of all processors together."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(wall=self.wall + other.wall, cpu=self.cpu + other.cpu)

    def __sub__(self, other: "Spent") -> "Spent":
        """Return the difference; noise does not make it negative."""
        return Spent(wall=max(0.0, self.wall - other.wall), cpu=max(0.0, self.cpu - other.cpu))

    def __mul__(self, factor: float) -> "Spent":
        return Spent(wall=self.wall * factor, cpu=self.cpu * factor)


class Part(Result):
    """A part of a training: what it takes once, what each unit takes, and how many units there may be."""

    name: str
    once: Spent
    each: Spent = Spent()
    steps: Spent = Field(Spent(), description="What optimizer steps take of each unit; a card would take them over.")
    unit: str = ""
    least: int = Field(0, description="Units before it can stop early.")
    most: int = Field(0, description="Units as declared.")

    def taking(self, units: int) -> Spent:
        """Return what the part takes with so many units."""
        return self.once + self.each * units


class Card(Result):
    """A GPU type that can be rented."""

    name: str
    of: str = Field(description="The machine whose price it is, or is a share of.")
    usd_per_hour: float
    memory_gb: float
    dense_tflops: float
    precision: str


class Prices(Result):
    """A dated list of cards."""

    as_of: date
    source: str
    cards: tuple[Card, ...]
    warning: str = Field("", description="What to say of the list: it is old.")


class CardEstimate(Result):
    """A rough reckoning for a card that is not here."""

    name: str
    seconds: float = Field(description="Of the whole training, within the caps at the card's price.")
    steps_seconds: float = Field(description="Of the optimizer steps, on the card; the rest is as measured here.")
    usd: float
    memory_mb: float = Field(description="Weights, optimizer, activations of the declared batch, CUDA itself.")
    fits: bool = Field(description="Whether that is less than the card has.")


class Estimate(Result):
    """What a training is expected to take on this machine and on cards."""

    seconds: float = Field(description="On the clock, with every declared unit, at the load of now, within the caps.")
    least_seconds: float = Field(description="The same if everything stops as early as it can.")
    cpu_seconds: float = Field(description="Of all processors together, with every declared unit.")
    usd: float = Field(description="Of the seconds, at this machine's price.")
    memory_mb: float = Field(description="Peak of this process while probing, which holds all that training will hold.")
    parts: tuple[Part, ...]
    steps: int
    cards: tuple[CardEstimate, ...]
    prices_as_of: date
    warnings: tuple[str, ...]


def check_estimate(estimate: Estimate, trained: Trained) -> EstimateCheck:
    """Compare an estimate with what the training took.

    The epochs that were taken are known afterwards, so what is left to be wrong is the cost of each.
    """
    epochs = {one.name: len(one.curve) for one in trained.candidates if one.curve}
    spent = {part.name: part.taking(epochs.get(part.name, part.most)) for part in estimate.parts}
    cpu = sum(one.cpu for one in spent.values())
    taken = {candidate.name: candidate.seconds for candidate in trained.candidates}
    return EstimateCheck(
        least_seconds=estimate.least_seconds,
        seconds=estimate.seconds,
        usd=estimate.usd,
        taken_usd=trained.cost_usd,
        memory_mb=estimate.memory_mb,
        taken_memory_mb=trained.memory.mb if trained.memory else None,
        taken_seconds=trained.seconds,
        cpu_seconds=round(cpu, 2),
        taken_cpu_seconds=trained.cpu_seconds,
        at_most=any(part.unit == FURTHER_TRIAL for part in estimate.parts),
        parts={name: (round(spent[name].wall, 2), seconds) for name, seconds in taken.items() if name in spent},
    )
