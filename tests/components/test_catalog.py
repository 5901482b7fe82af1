from collections.abc import Callable
from pathlib import Path

import pytest

from components.artefacts.errors import WorkloadError
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
