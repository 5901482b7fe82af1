"""What `slipway estimate` says beside what the training then takes, several times over.

    python -m benchmarks.training.estimate --rounds 4

Each round estimates, trains into a folder of its own and throws it away. Processor time is what the estimate can know;
the clock also depends on what else the machine does, so its load is printed, too.
"""

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.training.prepared import prepared_data
from components.catalog import find_kind
from components.data.results import Prepared
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload
from components.settings import Settings
from components.training.costs.accounting import accounted
from components.training.costs.estimate import check_estimate
from components.training.costs.prices import read_prices
from components.training.results import EstimateCheck


def one_round(prepared: Prepared, workload: Workload, settings: Settings) -> EstimateCheck:
    """Estimate, train, and compare."""
    kind, contract = find_kind(workload.kind), contract_of(workload)
    assert kind.estimate is not None, "the kind can be probed"
    estimate = kind.estimate(prepared, workload, contract, read_prices(settings.prices), settings)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        trained = accounted(
            lambda: kind.train(prepared, workload, contract, made, settings, lambda *_: None), made, settings.watts
        )
    return check_estimate(estimate, trained)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="flights")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    workload, settings = read_workload(given.workload), Settings()
    prepared = prepared_data(workload, settings)
    print("| load | processor s said | taken | off | clock s said | taken | parts said and taken |")
    print("|---|---|---|---|---|---|---|")
    for _ in range(given.rounds):
        check = one_round(prepared, workload, settings)
        parts = ", ".join(f"{name} {said:.1f} {taken:.1f}" for name, (said, taken) in check.parts.items())
        print(
            f"| {os.getloadavg()[0]:.1f} | {check.cpu_seconds:.1f} | {check.taken_cpu_seconds:.1f} | {check.off:+.0%} "
            f"| {check.least_seconds:.1f} to {check.seconds:.1f} | {check.taken_seconds:.1f} | {parts} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
