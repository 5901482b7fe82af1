"""The code that a module reaches: the user's files wherever they are found, and what no import statement shows."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.imported_code import code_of
from components.provenance import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the user's that modules are found in."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        sys.modules.pop(name)


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        path = folder / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_modules_of_the_users_are_followed_through_packages_and_relative_imports(folder: Path) -> None:
    write(
        folder,
        shop_rows="from shop_parts.clean import tidy\nimport shop_alone.deep.one",
        shop_parts__in____init__="from . import names",
        shop_parts__in__names="CITIES = ['Oslo']",
        shop_parts__in__clean="from .sums import total\nfrom ..shop_parts import more\nimport polars",
        shop_parts__in__sums="x = 1",
        shop_parts__in__more="y = 2",
        shop_alone__in__deep__in__one="z = 3",
        unrelated="never imported",
    )
    code = code_of(["shop_rows"])
    assert set(code.digests()) == {
        "shop_rows.py",
        "shop_parts/__init__.py",
        "shop_parts/names.py",
        "shop_parts/clean.py",
        "shop_parts/sums.py",
        "shop_parts/more.py",
        "shop_alone/deep/one.py",
    }
    assert set(code.digests_by_place()) == {str(folder / name) for name in code.digests()}
    assert code.packages.keys() == {"polars"}
    assert not code.unseen
    # Nothing was imported for it.
    assert not {"shop_rows", "shop_parts", "shop_alone"} & sys.modules.keys()
    before = code.digests()
    write(folder, shop_parts__in__sums="x = 2")
    after = code_of(["shop_rows"]).digests()
    assert {name for name in after if after[name] != before[name]} == {"shop_parts/sums.py"}


def test_a_users_module_among_our_contracts_is_followed_like_any_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import data_contracts

    monkeypatch.setattr(data_contracts, "__path__", [*data_contracts.__path__, str(folder)])
    ours = "from data_contracts.description.spec import ContractSpec"
    write(folder, feed_here=f"from data_contracts.clean_here import tidy\n{ours}")
    write(folder, clean_here="import far_away", far_away="x = 1")
    files = code_of(["data_contracts.feed_here"]).files
    assert {"data_contracts/feed_here.py", "data_contracts/clean_here.py", "far_away.py"} <= files.keys()
    assert files["data_contracts/description/spec.py"] == ROOT / "data_contracts" / "description" / "spec.py"


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\nname = 'x'\nimportlib.import_module(name)",
        "import runpy\nrunpy.run_path('other.py')",
        "exec(open('other.py').read())",
        "import sys\nsys.path.insert(0, 'lib')",
        "from importlib import import_module as load\nload('other')",
        "import importlib\nf = importlib.import_module\nf('other')",
        "import importlib\ngetattr(importlib, 'import_module')('other')",
        "eval('__import__(\"other\")')",
        "import pkgutil\npkgutil.resolve_name('other')",
    ],
)
def test_code_that_no_import_statement_names_is_told(text: str, folder: Path) -> None:
    write(folder, sly=text)
    (unseen,) = code_of(["sly"]).unseen
    assert unseen.startswith("sly.py, line ")


def test_a_module_imported_by_its_written_name_is_followed(folder: Path) -> None:
    write(folder, plain="import importlib\nimportlib.import_module('other_one')", other_one="x = 1")
    assert set(code_of(["plain"]).files) == {"plain.py", "other_one.py"}


def test_what_cannot_be_read_as_python_still_counts_by_its_bytes(folder: Path) -> None:
    write(folder, broken="def read(:", loose="import nowhere_to_be_found\nimport broken")
    assert code_of(["loose"]).digests().keys() == {"loose.py", "broken.py"}


def test_the_code_of_slipway_is_followed_within_slipway() -> None:
    files = code_of(["flows.build_model"]).files
    assert {"flows/build_model.py", "tasks/ingest.py", "components/data/sources/snapshots.py"} <= files.keys()
    assert all(path.is_relative_to(ROOT) for path in files.values())
