"""Package: one sealed folder with the model, its recipe and contract, and everything that justified it."""

from components.builds.assembly import assemble_build
from components.builds.inputs import BuildInputs
from components.builds.packaging import PackagedBuild
from components.catalog import Kind
from components.declaration.workload import Workload
from components.settings import Home, Settings
from data_contracts.description.spec import ContractSpec
from tasks.pages import fields_of
from tasks.stage import stage


# The whole workload file travels in the build.
@stage("package", artifact=fields_of)
def package(
    workload: Workload, inputs: BuildInputs, kind: Kind, contract: ContractSpec, home: Home, settings: Settings
) -> PackagedBuild:
    """Write and seal the build."""
    return assemble_build(inputs, workload, kind, contract, home, settings.key())
