"""What a training will take, before it is paid for: a few dozen real steps, and arithmetic.

Seconds on this machine are measured and scaled. Seconds on a card that is not here are a rough reckoning from the
network's operations and say so; nobody has compared them with a real run yet.
"""

from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field
from torch.utils.flop_counter import FlopCounterMode

from components.training.compile_probe import first_batches, measure_steps
from components.training.learner import Plan

PRICES = Path(__file__).with_name("prices.yaml")
STALE_DAYS = 180
PROBED_STEPS = 60
# What a network of usual layers reaches of a card's dense peak, and what a step costs at least to be launched.
UTILISATION = 0.3
LAUNCH_SECONDS = 0.002


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Card(_Value):
    """A GPU type that can be rented."""

    name: str
    usd_per_hour: float
    memory_gb: float
    dense_tflops: float
    precision: str


class Prices(_Value):
    """A dated list of cards."""

    as_of: date
    source: str
    cards: tuple[Card, ...]

    def warning(self, today: date) -> str | None:
        """Return what to say if the list is old."""
        age = (today - self.as_of).days
        if age <= STALE_DAYS:
            return None
        return f"{PRICES.name} is of {self.as_of}, {age} days old (over {STALE_DAYS}): look the prices up again"


class CardEstimate(_Value):
    """A rough reckoning for a card that is not here."""

    name: str
    seconds: float
    usd: float
    fits: bool = Field(description="Whether the memory needed here is less than the card has.")


class Estimate(_Value):
    """What a training is expected to take on this machine, part by part, and on cards."""

    seconds: float
    usd: float
    memory_mb: float = Field(description="Peak of this process while probing; training adds little to it.")
    parts: dict[str, float] = Field(description="Seconds of each part.")
    steps: int
    cards: tuple[CardEstimate, ...]
    warnings: tuple[str, ...]


def read_prices(path: Path = PRICES) -> Prices:
    """Read the dated price list."""
    return Prices.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def network_seconds(plan: Plan) -> float:
    """Return the expected seconds of a fit that nothing stops, from a few dozen steps of it."""
    speed = measure_steps(plan, compiled=plan.hardware.compile, steps=min(PROBED_STEPS, max(3, plan.steps)))
    # A forward pass is about a third of a step; validation runs forward only.
    share = plan.validation.rows / max(1, plan.options.batch_size) / 3
    return speed.first + speed.mean * (plan.steps - 1 + share * plan.options.epochs)


def step_flops(plan: Plan) -> int:
    """Return the floating-point operations of one step, forward and backward."""
    network = plan.network()
    (batch,) = first_batches(plan, 1)
    with FlopCounterMode(display=False) as counter:
        plan.task.loss(network, batch).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def card_estimates(plan: Plan, prices: Prices, memory_mb: float) -> tuple[CardEstimate, ...]:
    """Return the reckoning for each card: operations over a share of its peak, or the launches, whichever is more."""
    flops = step_flops(plan)
    found = []
    for card in prices.cards:
        seconds = plan.steps * max(flops / (card.dense_tflops * 1e12 * UTILISATION), LAUNCH_SECONDS)
        usd = seconds / 3600 * card.usd_per_hour
        fits = memory_mb < card.memory_gb * 1000
        found.append(CardEstimate(name=card.name, seconds=round(seconds, 3), usd=round(usd, 6), fits=fits))
    return tuple(found)
