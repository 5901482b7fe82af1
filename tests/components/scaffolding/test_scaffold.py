"""What `slipway new` writes is a contract and a workload that hold for the table they were made of."""

import datetime
import keyword
import random
import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import slipway
from components.artefacts.errors import WorkloadError
from components.catalog import check_kind
from components.data.sources.casting import cast_columns, contract_casts
from components.data.sources.source import open_source
from components.declaration.checks import check_against_contract
from components.declaration.loading import parse_workload
from components.declaration.workload import Workload
from components.declaration.yaml_document import read_yaml
from components.profiling.profile import Profile, profile_table
from components.scaffolding.contract_file import contract_text
from components.scaffolding.names import attribute_names, class_name, workload_name
from components.scaffolding.scaffold import Wanted, check_new, scaffold
from components.scaffolding.workload_file import workload_text
from data_contracts.description.spec import ContractSpec
from data_contracts.language.compilation import taken_names
from data_contracts.language.row_checks import keeps


def day(rng: random.Random) -> datetime.date:
    return datetime.date(1950, 1, 1) + datetime.timedelta(days=rng.randrange(40_000))


COLUMNS: dict[str, Callable[[random.Random], Any]] = {
    "integer": lambda rng: rng.randrange(-(2**40), 2**40),
    "small": lambda rng: rng.randrange(-3, 3),
    "number": lambda rng: rng.uniform(-1e12, 1e12),
    "share": lambda rng: rng.random(),
    "code": lambda rng: rng.choice(["a", "b", "c", "d e", 'q"uo', "it's", "ü", "NA"]),
    "word": lambda rng: f"w{rng.randrange(10**6)}",
    "day": lambda rng: str(day(rng)),
    "slashes": lambda rng: day(rng).strftime("%Y/%m/%d"),
    "clock": lambda rng: f"{day(rng):%d.%m.%Y} {rng.randrange(24):02d}:05",
    "comma": lambda rng: f"{rng.randrange(10**4)},{rng.randrange(100):02d}",
    "flag": lambda rng: rng.choice(["true", "false"]),
    "mixed": lambda rng: rng.choice(["1", "2", "x", "3.5", "?"]),
    "constant": lambda _: "same",
    "nothing": lambda _: None,
}
NAMES = [
    "class",
    "date",
    "a b",
    "2nd",
    "x.y",
    "Größe (cm)",
    "row",
    "position",
    "value",
    "*",
    "^x$",
    "int",
    "copy",
    "a,b",
    "a:b",
    "# no",
    "- dash",
    "id",
    "label ",
    "модель",
    "None",
    "datetime",
    "column",
]


def made(table: Path, name: str = "made", **options: Any) -> tuple[Profile, ContractSpec, Workload]:
    """Return a profile and, compiled and parsed, what is written for it."""
    scratch = table.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    profile = profile_table(str(table), scratch, taken=taken_names(), **options)
    file = table.parent / "contract.py"
    file.write_text(contract_text(name, profile))
    contract = runpy.run_path(str(file))[class_name(name)].spec()
    document = read_yaml(workload_text(name, profile, None).encode())
    workload = parse_workload(document.values, "made.yaml", document.written)
    check_against_contract(workload, contract)
    check_kind(workload, contract)
    return profile, contract, workload


def kept_share(workload: Workload, contract: ContractSpec, scratch: Path) -> float:
    rows = open_source(workload.source, contract, scratch).rows
    cast = rows.select(cast_columns(contract_casts(rows.collect_schema(), contract)))
    return float(cast.select(keeps(contract, cast.collect_schema().names()).mean()).collect().item())


# Shrinking takes minutes, for each try opens files: the seed tells the table.
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    chosen=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(COLUMNS))), max_size=6, unique_by=lambda one: one[0]
    ),
    seed=st.integers(0, 2**32),
    gaps=st.booleans(),
    label=st.sampled_from(["words", "classes", "numbers", "whole", "flags"]),
)
def test_every_table_gets_files_that_all_its_rows_keep(
    chosen: list[tuple[str, str]], seed: int, gaps: bool, label: str
) -> None:
    rng, rows = random.Random(seed), 60
    columns: dict[str, list[Any]] = {"size": [n % 17 + 0.5 for n in range(rows)]}
    for name, kind in chosen:
        columns[name] = [None if gaps and place % 7 == 0 else COLUMNS[kind](rng) for place in range(rows)]
    answers: dict[str, Callable[[int], Any]] = {
        "words": lambda n: ("yes", "no")[n % 2],
        "classes": lambda n: ("a", "b c", "NA")[n % 3],
        "numbers": lambda n: n * 1.25,
        "whole": lambda n: n * 7,
        "flags": lambda n: n % 2,
    }
    columns["target"] = [answers[label](n) for n in range(rows)]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        pl.DataFrame(columns, strict=False).write_csv(table)
        _, contract, workload = made(table, label="target")
        assert contract.label.name == "target"
        assert kept_share(workload, contract, table.parent / "scratch") == 1


def test_what_was_written_is_not_written_over(tmp_path: Path) -> None:
    pl.DataFrame({"x": [n % 7 for n in range(60)], "y": [0, 1] * 30}).write_csv(tmp_path / "t.csv")
    scaffold(str(tmp_path / "t.csv"), check_new("made", tmp_path), Wanted(label="y"))
    with pytest.raises(WorkloadError, match="are there already: --force"):
        check_new("made", tmp_path)
    assert check_new("made", tmp_path, force=True).workload.is_file()


def test_a_frame_becomes_a_file_beside_its_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pl.DataFrame({"x": [n % 7 for n in range(60)], "y": ["<b>", "no"] * 30})
    made_of_polars = slipway.new("mine", frame, label="y")
    assert pl.read_parquet("data/mine.parquet").equals(frame)
    assert "data/mine.parquet" in made_of_polars.workload.read_text()
    assert made_of_polars.columns.filter(pl.col("role") == "label")["name"].to_list() == ["y"]
    assert str(made_of_polars.contract) in made_of_polars._repr_html_()
    with pytest.raises(WorkloadError, match="are there already"):
        slipway.new("mine", frame.to_pandas(), label="y")
    assert slipway.new("mine", frame.to_pandas(), label="y", force=True).label == "y"


def test_names_become_attributes_that_python_takes_each_once() -> None:
    found = attribute_names(["a b", "a_b", "class", "date", "2nd", "größe", "___", "名前", "model_x", "copy", "ok"])
    assert len(set(found.values())) == len(found)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in found.values())
    assert found["ok"] == "ok"
    assert workload_name("My Table (2).csv") == "my_table_2_csv"
    assert class_name("literal") == "LiteralRow"


@pytest.mark.parametrize(
    ("label", "told"),
    [(None, "which column is to be predicted"), ("z", "there is no column 'z'"), ("one", "nothing to predict")],
)
def test_a_label_that_could_be_several_or_tells_nothing_is_refused(
    label: str | None, told: str, tmp_path: Path
) -> None:
    pl.DataFrame({"x": range(60), "w": [0.5, 1] * 30, "one": [1] * 60}).write_csv(tmp_path / "t.csv")
    with pytest.raises(WorkloadError, match=told):
        made(tmp_path / "t.csv", label=label)


def test_a_table_that_nothing_can_be_learnt_from_says_why(tmp_path: Path) -> None:
    pl.DataFrame({"n": range(60), "same": [1] * 60, "y": [0, 1] * 30}).write_csv(tmp_path / "t.csv")
    with pytest.raises(WorkloadError, match="'n': it counts the rows; 'same': it is always 1"):
        made(tmp_path / "t.csv")
    pl.DataFrame({"x": [1, 3, 4] * 10, "y": [0, 1] * 15}).write_csv(tmp_path / "t.csv")
    with pytest.raises(WorkloadError, match="has 30 rows; a model that can be judged takes 40"):
        made(tmp_path / "t.csv")


def test_columns_are_placed_by_what_they_are(tmp_path: Path) -> None:
    rows = 400
    first = datetime.date(2024, 1, 1)
    pl.DataFrame(
        {
            "id": range(1000, 1000 + rows),
            "e-mail": [f"p{n}@example.org" for n in range(rows)],
            "sold at": [first + datetime.timedelta(days=n) for n in range(rows)],
            "always": ["x"] * rows,
            "price": [n % 37 * 1.5 for n in range(rows)],
            "price again": [n % 37 * 1.5 for n in range(rows)],
            "remark": [f"word {n} and many other words that say {n * 7} of it" for n in range(rows)],
            "shop": [("north", "south", "east")[n % 3] for n in range(rows)],
            "returned": ["yes" if n % 40 == 0 else "no" for n in range(rows)],
        }
    ).write_parquet(tmp_path / "t.parquet")
    profile, contract, workload = made(tmp_path / "t.parquet", label="returned")
    roles = {one.column.name: one.role for one in profile.placed}
    assert [name for name, role in roles.items() if role == "left out"] == [
        "id",
        "e-mail",
        "always",
        "price again",
        "remark",
    ]
    assert (roles["sold at"], profile.division) == ("time", "time")
    assert "imbalance" in " ".join(profile.warnings)
    assert [field.name for field in contract.inputs] == ["sold at", "price", "shop"]
    assert workload.split.by == "time"


def test_a_time_or_group_that_is_given_divides_the_rows(tmp_path: Path) -> None:
    rows = 300
    pl.DataFrame(
        {
            "customer": [n % 40 for n in range(rows)],
            "x": [n % 7 * 0.5 for n in range(rows)],
            "y": [n % 3 * 1.5 + n % 11 for n in range(rows)],
        }
    ).write_csv(tmp_path / "t.csv")
    profile, contract, workload = made(tmp_path / "t.csv", label="y", group="customer")
    assert (profile.division, workload.split.by) == ("group", "group")
    assert contract.field("customer").roles == ("group",)
    with pytest.raises(WorkloadError, match="must be days or moments"):
        made(tmp_path / "t.csv", label="y", time="x")
