import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import components.kinds
from components.artefacts.errors import BuildError, WorkloadError
from components.artefacts.inference import inference_of
from components.catalog import check_kind, find_kind, kind_options, known_kinds
from components.declaration.loading import contract_of, parse_workload, read_workload
from components.declaration.workload import Workload
from components.kinds.tabular.options import TabularOptions


@pytest.fixture
def flights_with() -> Callable[..., Workload]:
    def make(**model: object) -> Workload:
        document = read_workload("deployments/flights.yaml").model_dump(mode="json")
        return parse_workload({**document, "source": {"path": "rows.parquet"}, "model": model}, "test")

    return make


def test_every_folder_of_workloads_is_a_kind_with_the_fixed_files() -> None:
    for name in known_kinds():
        kind = find_kind(name)
        assert kind.name == name
        for file in ("data", "model", "inference", "workload"):
            assert (Path("components/kinds") / name / f"{file}.py").is_file()


@pytest.mark.parametrize("name", sorted(path.stem for path in Path("deployments").glob("*.yaml")))
def test_every_workload_file_fits_its_contract_and_its_kind(name: str) -> None:
    workload = read_workload(f"deployments/{name}.yaml")
    contract = contract_of(workload)
    check_kind(workload, contract)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(WorkloadError, match=r"unknown kind 'tabluar'; known: .*tabular"):
        find_kind("tabluar")


def test_the_model_section_is_read_as_the_kind_declares_it(flights_with: Callable[..., Workload]) -> None:
    options = kind_options(flights_with(epochs=2, baseline={"max_depth": 3}))
    assert isinstance(options, TabularOptions)
    assert (options.epochs, options.baseline.max_depth, options.batch_size) == (2, 3, 1024)


def test_a_misspelt_option_is_refused_with_its_name(flights_with: Callable[..., Workload]) -> None:
    with pytest.raises(WorkloadError, match=r"section model.*unknown key 'epoch' \(allowed here: epochs"):
        kind_options(flights_with(epoch=2))


def test_an_option_out_of_bounds_is_refused_with_its_value(flights_with: Callable[..., Workload]) -> None:
    with pytest.raises(WorkloadError, match=r"'epochs': .*greater than or equal to 1 \(got 0\)"):
        kind_options(flights_with(epochs=0))


def test_a_table_without_features_is_refused(flights_with: Callable[..., Workload]) -> None:
    bare = flights_with().model_copy(update={"features": ()})
    with pytest.raises(WorkloadError, match="'features': a table is learnt from its fields: say which transform"):
        check_kind(bare, contract_of(bare))


@pytest.fixture
def their_kind(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a kind of the user's own, ``odd``."""
    folder, before = tmp_path / "kinds" / "odd", list(components.kinds.__path__)
    folder.mkdir(parents=True)
    (folder / "inference.py").write_text("")
    sys.path.append(str(tmp_path))
    yield folder
    sys.path.remove(str(tmp_path))
    components.kinds.__path__[:] = before
    for module in [name for name in sys.modules if name.startswith("components.kinds.odd")]:
        del sys.modules[module]


ANOTHER = """
from dataclasses import replace
from components.kinds.image.workload import KIND as IMAGE
KIND = replace(IMAGE, name="another")
"""


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (None, "cannot be imported: ModuleNotFoundError"),
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("from components.catalog import Kind\nKIND = Kind(name='odd')", "cannot be imported: TypeError"),
        ("", "must define KIND"),
        ("KIND = 'odd'", "must define KIND"),
        (ANOTHER, "must define KIND, a Kind of the name of its folder, odd"),
    ],
)
def test_a_kind_of_the_users_own_that_is_wrong_is_told_with_its_file(
    their_kind: Path, code: str | None, told: str
) -> None:
    file = their_kind / "workload.py"
    if code is not None:
        file.write_text(code)
    with pytest.raises(WorkloadError) as refusal:
        find_kind("odd")
    assert str(refusal.value).startswith(f"'kind': odd: {file} {told}")


@pytest.mark.parametrize(
    ("code", "told"), [("", "AttributeError"), ("raise KeyError('weights')", "KeyError: 'weights'")]
)
def test_a_way_to_answer_of_the_users_own_that_is_wrong_is_told_with_its_file(
    their_kind: Path, code: str, told: str
) -> None:
    file = their_kind / "inference.py"
    file.write_text(code)
    with pytest.raises(BuildError, match=rf"^of kind 'odd', whose {file} gives no INFERENCE: {told}"):
        inference_of("odd")
