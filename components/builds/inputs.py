"""All that a build is made of. Apart from other results: who changes a gate does not change what they rest on."""

from components.builds.results import Measured
from components.data.results import Expected, Snapshot, Validated
from components.gates.judge import GateReport


class BuildInputs(Measured):
    """What the stages before packaging returned: all that a build is made of."""

    snapshot: Snapshot
    validated: Validated
    expected: Expected
    gates: GateReport
