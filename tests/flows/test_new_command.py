"""A table becomes a workload by one command, and a served model by the next."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn import datasets

from flows import command_line


@pytest.fixture
def slipway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process, in an empty folder; return exit code, stdout and stderr."""
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["slipway", *arguments])
        monkeypatch.setattr(sys, "path", [*sys.path])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def table(path: Path) -> Path:
    pl.DataFrame({"row": [n % 9 for n in range(80)], "class": ["ham", "spam"] * 40}).write_csv(path)
    return path


def test_a_table_is_told_written_down_and_not_written_over(slipway: Any, tmp_path: Path) -> None:
    table(tmp_path / "mails.csv")
    code, out, err = slipway("new", "mails", "--data", "mails.csv")
    assert (code, err) == (0, "")
    assert "the column 'row' is called 'row_column' from here on" in out
    assert "label: class (the probability of spam); split: stratified" in out
    assert (tmp_path / "data_contracts" / "mails.py").is_file()
    assert (tmp_path / "deployments" / "mails.yaml").is_file()
    code, _, err = slipway("new", "mails", "--data", "mails.csv")
    assert code != 0
    assert "are there already: --force" in err
    code, out, _ = slipway("new", "mails", "--data", "mails.csv", "--force", "--json")
    assert code == 0
    assert json.loads(out)["target"] == "binary"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("My Mails", "--data", "mails.csv"), "such as my_mails"),
        (("mails", "--data", "nothing.csv"), "does not exist"),
        (("mails", "--data", "mails.csv", "--label", "nobody"), "there is no column 'nobody'; columns: row, class"),
    ],
)
def test_what_cannot_be_is_one_line(slipway: Any, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    table(tmp_path / "mails.csv")
    code, out, err = slipway("new", *arguments)
    assert code in (2, 3)
    assert out == ""
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "deployments").exists()


def test_a_workload_and_its_rows_are_checked_without_a_run(slipway: Any, tmp_path: Path) -> None:
    table(tmp_path / "mails.csv")
    # Another name than in the test above: a module that was imported stays.
    assert slipway("new", "posts", "--data", "mails.csv")[0] == 0
    code, out, _ = slipway("validate", "posts", "--data")
    assert code == 0
    assert "80 rows, 0 of them refused" in out
    pl.DataFrame({"row": [1, -5, 2], "class": ["ham", "eggs", "spam"]}).write_csv(tmp_path / "mails.csv")
    code, out, _ = slipway("validate", "posts", "--data", "--json")
    rows = json.loads(out)["rows"]
    assert (code, rows["rows"], rows["refused"]) == (3, 3, 1)
    assert set(rows["reasons"]) == {"row_column: below 0", "class: not an allowed value"}
    pl.DataFrame({"line": [1], "class": ["ham"]}).write_csv(tmp_path / "mails.csv")
    code, _, err = slipway("validate", "posts", "--data")
    assert code != 0
    assert "has no column 'row_column'" in err
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes"])
def test_a_real_table_is_served_without_a_hand_on_the_files(name: str, tmp_path: Path) -> None:
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = data.frame
    if name == "breast_cancer":
        frame = frame.assign(target=[data.target_names[one] for one in frame["target"]])
    frame.to_csv(tmp_path / "table.csv", index=False)
    environment = os.environ | {"SLIPWAY_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    command = Path(sys.executable).parent / "slipway"
    for arguments in (["new", name, "--data", "table.csv"], ["run", name]):
        ended = subprocess.run(
            [command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500
        )
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "promoted" in ended.stdout
