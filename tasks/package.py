"""Package: one sealed folder with the model, its recipe and contract, and everything that justified it."""

from components.builds.assembly import assemble_build
from components.builds.packaging import PackagedBuild
from components.builds.results import BuildInputs
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.settings import Home, Settings
from tasks.pages import fields_of
from tasks.stage import stage


@stage(
    "package",
    # The whole workload file travels in the build.
    settings=list(Workload.model_fields),
    artifact=fields_of,
)
def package(workload: Workload, inputs: BuildInputs, home: Home, settings: Settings) -> PackagedBuild:
    """Write and seal the build."""
    return assemble_build(inputs, workload, contract_of(workload), home, settings.key())
