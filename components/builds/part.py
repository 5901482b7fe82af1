"""The part of the workload file that lies in the files that a build answers with."""

from components.declaration.section import Name, Part
from components.declaration.serving import Serving


class ServedGates(Part):
    """How far the graph may be from its trainer: a build checks itself with it."""

    parity: float


class ServedPart(Part):
    """What a build is told that answers."""

    name: Name
    serving: Serving
    gates: ServedGates
    seed: int
