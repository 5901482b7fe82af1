"""The list of cards that can be rented and their prices: Slipway's own, or the one that SLIPWAY_PRICES names.

Only who estimates a training reads it: a price that changes must not train a model again.
"""

from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError

from components.artefacts.errors import HostError
from components.declaration.validation_errors import describe_validation_error
from components.declaration.yaml_document import YamlFault, read_yaml
from components.result import Result
from components.training.costs.estimate import Card, Prices

PRICES = Path(__file__).with_name("prices.yaml")
STALE_DAYS = 180


class _List(Result):
    """What the file holds."""

    as_of: date
    source: str
    cards: tuple[Card, ...]


def read_prices(path: Path | None = None, today: date | None = None) -> Prices:
    """Read a dated price list, Slipway's own if none is named; HostError if there is none or it is not one."""
    path = PRICES if path is None else path.expanduser().resolve()
    try:
        document = read_yaml(path.read_bytes())
        prices = _List.model_validate(document.values)
    except OSError as error:
        raise HostError(f"SLIPWAY_PRICES names {path}: {error.strerror}; {PRICES} shows what it holds") from error
    except YamlFault as error:
        raise HostError(f"SLIPWAY_PRICES names {path}: {error}") from error
    except ValidationError as error:
        described = describe_validation_error(error, _List, document.written)
        raise HostError(f"SLIPWAY_PRICES names {path}: {described}; {PRICES} shows what it holds") from error
    return Prices(**dict(prices), warning=_stale(prices.as_of, today or datetime.now(UTC).date()))


def _stale(as_of: date, today: date) -> str:
    """Return what to say if a list is old."""
    age = (today - as_of).days
    if age <= STALE_DAYS:
        return ""
    return (
        f"the prices of cards are of {as_of}, {age} days old (over {STALE_DAYS}): write today's into a copy of "
        f"{PRICES}, with their date as as_of, and name that file in SLIPWAY_PRICES"
    )
