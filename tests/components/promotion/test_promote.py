"""What is left of a promotion that somebody else was faster than."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from components.artefacts.rollout import Rollout
from components.artefacts.rollout import promoted as with_champion
from components.builds.live_check import LiveCheck
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence
from components.gates.judge import GateReport
from components.promotion import promote
from components.promotion.record import PromotionRecord, now, write_record
from components.promotion.rollouts import RolloutMovedError, rollout_of
from components.settings import Home, Settings

LIVE = LiveCheck(
    rows=1,
    max_difference=0.0,
    latency_p50_ms=1.0,
    latency_p95_ms=1.0,
    latency_p99_ms=1.0,
    requests_per_second=1.0,
    start_seconds=1.0,
    usd_per_1000=0.1,
)


@pytest.mark.parametrize("when", ["while it was judged", "while it was written"])
def test_an_overtaken_promotion_is_on_record_as_that_alone(
    when: str, home: Home, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rollout_of(home.store, workload.name)

    def overtake() -> None:
        other = with_champion(Rollout(workload=workload.name), "w-other", "/elsewhere", "faster")
        home.store.write_document("rollouts", f"{workload.name}.json", msgspec.json.encode(other), None)

    def written_and_overtaken(home: Home, record: PromotionRecord) -> Any:
        reference = write_record(home, record)
        if record.outcome == "promoted":
            overtake()
        return reference

    monkeypatch.setattr(promote, "check_registered", lambda *arguments, **named: None)
    if when == "while it was judged":
        overtake()
    else:
        # A lease that its holder has lost does not keep others from writing.
        monkeypatch.setattr(promote, "write_record", written_and_overtaken)
    record = PromotionRecord(
        at=now(),
        build_id="w-ours",
        champion=None,
        outcome="promoted",
        accepted=(),
        live=LIVE,
        evidence=Evidence(workload=workload.name, model="m", split="test", measures=()),
        gates=GateReport(verdicts=(), passed=True, goal="goal"),
    )
    shown: list[str] = []
    build: Any = SimpleNamespace(build_id="w-ours", path=Path("/elsewhere/w-ours"))
    with pytest.raises(RolloutMovedError, match="it was nothing, now it is w-other"):
        promote._put_on_record(
            workload, record, build, before, home, Settings(), lambda record, path: shown.append(record.outcome)
        )
    assert rollout_of(home.store, workload.name).champion == "w-other"
    records = [json.loads(path.read_bytes()) for path in home.room("rollouts", workload.name).glob("*.json")]
    assert [one["outcome"] for one in records] == shown == ["overtaken"]
