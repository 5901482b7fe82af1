"""The layers, the doors and the lean data plane, as rules that run."""

import graphlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

REPOSITORY = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "lightning", "prefect", "mlflow", "great_expectations", "evidently", "pandas", "polars", "pydantic"}


def test_the_import_rules_of_pyproject_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert lint_imports(no_cache=True) == 0


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return every import of ours, those inside of functions, too."""
    rules = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    return grimp.build_graph(*rules["root_packages"], cache_dir=None)


def test_no_module_of_ours_reaches_itself_by_its_imports(graph: grimp.ImportGraph) -> None:
    # Also not through an import inside of a function: that only hides a circle from Python, not from a reader.
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 300
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as circle:
        pytest.fail(f"a circle of imports: {' <- '.join(circle.args[1])}")


# What may be imported of ours, by whom; everything else is forbidden, also what is not written yet.
SERVING_SIDE = {
    r"deployments(\..+)?": r"deployments\..+|components\.artefacts\..+|components\.kinds\.\w+\.inference"
    r"|data_contracts\.description\..+",
    r"components\.artefacts(\..+)?": r"components\.artefacts\..+|data_contracts\.description\..+",
    r"data_contracts\.description(\..+)?": r"data_contracts\.description\..+",
}


def test_the_serving_side_imports_of_ours_what_it_may_and_nothing_else(graph: grimp.ImportGraph) -> None:
    packages = {module for module in graph.modules if graph.find_children(module)}
    for importer, allowed in SERVING_SIDE.items():
        importers = [module for module in graph.modules if re.fullmatch(importer, module)]
        assert importers
        for module in importers:
            found = graph.find_modules_directly_imported_by(module) - packages
            assert [one for one in found if not re.fullmatch(allowed, one)] == [], module


def test_the_contracts_of_our_workloads_are_known_to_nothing_but_each_other(graph: grimp.ImportGraph) -> None:
    """A workload file names its contract; no code of the engine does, the language of contracts neither."""
    places = (REPOSITORY / "data_contracts").iterdir()
    modules = {f"data_contracts.{path.stem}" for path in places if path.name not in ("__init__.py", "contract.py")}
    shipped = {module for module in modules if module in graph.modules and not graph.find_children(module)}
    assert "data_contracts.flights" in shipped
    assert {one for module in shipped for one in graph.find_modules_that_directly_import(module)} <= shipped


def test_an_exception_to_an_import_rule_is_one_edge_with_its_reason() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    for contract in tomllib.loads(text)["tool"]["importlinter"]["contracts"]:
        for edge in contract.get("ignore_imports", []):
            assert "*" not in edge
            before = text[: text.index(f'"{edge}"')].rstrip().splitlines()[-1]
            assert before.lstrip().startswith("# "), f"{edge} stands there without a reason"


@pytest.mark.parametrize(
    "module",
    [
        "deployments.data_plane.server",
        *(
            f"components.kinds.{folder.name}.inference"
            for folder in sorted((REPOSITORY / "components" / "kinds").iterdir())
            if (folder / "inference.py").is_file()
        ),
    ],
)
def test_serving_modules_import_nothing_heavy(module: str) -> None:
    # A linter does not see dynamic imports: look at what a fresh interpreter really loaded.
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_command_line_starts_without_heavy_imports() -> None:
    code = f"import sys, flows.command_line; print(*sorted(({HEAVY!r} - {{'pydantic'}}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_code_outside_a_kind_asks_for_its_name() -> None:
    kinds = [folder.name for folder in (REPOSITORY / "components" / "kinds").iterdir() if folder.is_dir()]
    offenders = []
    for package in ("flows", "tasks", "components", "deployments"):
        for path in (REPOSITORY / package).rglob("*.py"):
            if "kinds" in path.relative_to(REPOSITORY).parts:
                continue
            text = path.read_text()
            offenders += [str(path) for kind in kinds if f'kind == "{kind}"' in text or f"kind == '{kind}'" in text]
    assert offenders == []


def test_every_package_init_is_empty() -> None:
    packages = ("flows", "tasks", "components", "deployments", "data_contracts")
    full = [str(p) for name in packages for p in (REPOSITORY / name).rglob("__init__.py") if p.stat().st_size]
    assert full == []
