"""A ledger of how often a hold-out has chosen a winner already.

Each time the same rows judge another model, the best of them looks better than it is; the ledger says by how much.
"""

from datetime import UTC, datetime

import msgspec

from components.artefacts.errors import BuildError
from components.evaluation.evidence import Measure
from components.evaluation.power import luck_of_the_best
from components.store.store import ConflictError, Store

WORN_OUT = 10
# Documents among the evaluations: one for each hold-out.
LEDGERS = "hold_outs"


class Use(msgspec.Struct, frozen=True):
    """One model that a hold-out has judged."""

    at: str
    model: str


class Uses(msgspec.Struct, frozen=True):
    """Every model that one hold-out has judged."""

    hold_out: str
    uses: tuple[Use, ...] = ()


def record_use(store: Store, hold_out: str, model: str) -> Uses:
    """Write down that a hold-out judged a model (once a model) and return all of its uses."""
    name = f"{LEDGERS}/{hold_out[:16]}.json"
    while True:
        found = store.read_document("evaluations", name)
        known = Uses(hold_out) if found is None else _parsed_uses(found.data, store.where("evaluations", name))
        if any(use.model == model for use in known.uses):
            return known
        use = Use(at=datetime.now(UTC).isoformat(timespec="seconds"), model=model)
        known = Uses(hold_out, (*known.uses, use))
        try:
            store.write_document("evaluations", name, msgspec.json.encode(known), found.version if found else None)
        except ConflictError:
            # Two builds may be judged at once: neither use is lost.
            continue
        return known


def _parsed_uses(data: bytes, where: str) -> Uses:
    try:
        return msgspec.json.decode(data, type=Uses)
    except msgspec.MsgspecError as error:
        raise BuildError(f"{where} is not a hold-out ledger: {error}; restore it from a backup") from error


def uses_measure(uses: Uses, error: float) -> Measure:
    """Return the uses as evidence; the detail warns once the hold-out is worn out. ``error``: of the goal's metric."""
    count, warning = len(uses.uses), ""
    if count >= WORN_OUT:
        luck = luck_of_the_best(count)
        warning = (
            f"this hold-out has judged {count} models: the best of {count} equal ones looks better by about "
            f"{luck:.1f} standard errors ({luck * error:.2g}); label fresh rows before trusting small gains"
        )
    return Measure(name="hold_out_uses", value=count, source="hold-out ledger", detail=warning)
