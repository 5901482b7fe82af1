"""Expect: judge the kept rows as a whole."""

from components.data.expectations import judge_expectations
from components.data.results import Expected, Validated
from components.declaration import Workload, contract_of
from components.settings import Home
from tasks.stage import stage, table


def _artifact(expected: Expected) -> str:
    judged = {
        f"{one.expectation} {one.arguments}": f"{'kept' if one.success else 'broken'}, observed {one.observed}"
        for one in expected.expectations
    }
    return table({**judged, "data docs": expected.docs})


@stage("expect", settings=["contract"], artifact=_artifact)
def expect(workload: Workload, validated: Validated, home: Home) -> Expected:
    """Judge what the contract expects of the data set."""
    return judge_expectations(validated, contract_of(workload), home, where=workload.name)
