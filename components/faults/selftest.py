"""A mutation score for the gates: plant known faults, run only the stage that must catch each, say what it did.

    results = run_selftest(make_bench(workload, contract, prepared, trained, shipped, build, predict_file, scratch))

A fault counts as caught only if the expected gate refuses it and does not refuse the same stage without it: a gate that
refuses everything catches nothing.
"""

import time
from collections.abc import Iterator, Sequence

from components.artefacts.errors import SlipwayError
from components.evaluation.evidence import Record
from components.faults import build, data, graph, leaks, model
from components.faults.bench import Bench, Fault, Seen

FAULTS: tuple[Fault, ...] = (*data.FAULTS, *leaks.FAULTS, *model.FAULTS, *graph.FAULTS, *build.FAULTS)


class Planted(Record):
    """What became of one fault."""

    fault: str
    stage: str
    gate: str
    caught: bool
    said: str
    seconds: float

    @property
    def line(self) -> str:
        """The result on one line of a terminal."""
        return f"{'caught' if self.caught else 'MISSED':<7} {self.fault} -> {self.gate} ({self.stage}): {self.said}"


def run_selftest(bench: Bench, faults: Sequence[Fault] = FAULTS) -> tuple[Planted, ...]:
    """Plant every fault and return what became of each."""
    return tuple(planted_one_by_one(bench, faults))


def applicable(bench: Bench, faults: Sequence[Fault] = FAULTS) -> tuple[Fault, ...]:
    """Return the faults that this build can have."""
    return tuple(fault for fault in faults if fault.applies(bench))


def planted_one_by_one(bench: Bench, faults: Sequence[Fault] = FAULTS) -> Iterator[Planted]:
    """Plant one fault after the other, for a caller that shows progress."""
    for fault in applicable(bench, faults):
        began = time.monotonic()
        clean, spoilt = _seen(fault, bench, False), _seen(fault, bench, True)
        gate = next((one for one in fault.gates if one in spoilt and one not in clean), None)
        if gate is not None:
            said = spoilt[gate]
        elif fault.gate in clean:
            said = f"cannot tell: refused without the fault, too: {clean[fault.gate]}"
        else:
            said = "not refused" + (f"; others refused: {', '.join(spoilt)}" if spoilt else "")
        yield Planted(
            fault=fault.name,
            stage=fault.stage,
            gate=gate or fault.gate,
            caught=gate is not None,
            said=said,
            seconds=time.monotonic() - began,
        )


def _seen(fault: Fault, bench: Bench, planted: bool) -> Seen:
    try:
        return fault.run(bench, planted)
    except SlipwayError as error:
        return {type(error).__name__: str(error)}
