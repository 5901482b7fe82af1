"""What every promotion was judged by, beside the rollout document: also those that were refused or only tried."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from components.builds.live_check import LiveCheck
from components.evaluation.evidence import Evidence, Measure, Record
from components.gates.judge import GateReport
from components.settings import Home
from components.store.reference import Reference

FORMAT: Literal[1] = 1
# Overtaken: who serves was changed while it was judged, so nothing came of it.
Outcome = Literal["promoted", "refused", "dry run", "overtaken"]


class PromotionRecord(Record):
    """One judgement of one build that wanted to serve."""

    format: Literal[1] = FORMAT
    at: str
    build_id: str
    champion: str | None = Field(description="What served when it was judged.")
    outcome: Outcome
    accepted: tuple[str, ...] = Field(description="Gates whose refusal a person accepted.")
    live: LiveCheck
    evidence: Evidence
    gates: GateReport

    @property
    def gains(self) -> tuple[Measure, ...]:
        """What is gained over the champion on the same rows: of the whole, then of its slices."""
        return self.evidence.named("gain_over_champion")


def write_record(home: Home, record: PromotionRecord) -> Reference:
    """Write a record below the workload's name, beside its rollout document, and return where it lies.

    The same judgement with another outcome takes the place of what was written of it before.
    """
    name = f"{record.evidence.workload}/{record.at.replace(':', '')}-{record.build_id}.json"
    found = home.store.read_document("rollouts", name)
    data = record.model_dump_json(indent=2).encode() + b"\n"
    home.store.write_document("rollouts", name, data, found.version if found else None)
    return home.reference("rollouts", name)


def now() -> str:
    """Return the moment as it stands in a record, UTC, to the millisecond: two records never share a name."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
