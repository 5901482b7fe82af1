"""What is kept of a stage names what it made by reference: a home that was moved or copied uses its own."""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from prefect import Task
from prefect.exceptions import SerializationError
from prefect.results import ResultStore
from prefect.serializers import JSONSerializer
from pydantic import BaseModel

import tasks
from components.data.results import Snapshot
from components.settings import Home
from tasks.kept_results import KeptResults, whole_result


def kept(home: Home) -> ResultStore:
    return ResultStore(result_storage=KeptResults.of(home), serializer=JSONSerializer())


def snapshot(home: Home, source: str = "rows.csv") -> Snapshot:
    folder = home.root / "scratch"
    folder.mkdir(parents=True)
    (folder / "rows.parquet").write_bytes(b"rows")
    assert home.store.commit("snapshots", "d", folder)
    stored = home.reference("snapshots", "d", "rows.parquet")
    return Snapshot(digest="d", stored=stored, rows=1, columns={}, source=source)


@pytest.fixture(params=["folder", "objects"])
def homes(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, Home]:
    """The home in which a result is kept, and the one in which it is read: moved, or of another machine."""
    if request.param == "objects":
        address = str(request.getfixturevalue("s3"))
        monkeypatch.setenv("SLIPWAY_STORE", address)
        return Home(tmp_path / "here", address), Home(tmp_path / "there", address)
    return Home(tmp_path / 'a "quoted" home'), Home(tmp_path / "moved")


def test_a_result_is_read_in_the_home_that_it_lies_in_now(
    homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = homes
    # No text is taken for a path, whatever it begins with.
    made = snapshot(old, source=f"{old.root}/gone.csv")
    kept(old).write(made, key="a1")
    if not old.address:
        old.root.rename(new.root)
    monkeypatch.setenv("SLIPWAY_HOME", str(new.root))
    read = whole_result(kept(new), "a1")
    assert read == made
    assert read.path == new.root / "snapshots" / "d" / "rows.parquet"
    assert read.path.read_bytes() == b"rows"
    document = new.store.read_document("prefect", "results/a1")
    assert document is not None
    assert json.loads(json.loads(document.data)["result"])["data"]["stored"] == {
        "room": "snapshots",
        "name": "d",
        "file": "rows.parquet",
    }


def test_a_result_whose_files_are_gone_or_that_another_version_wrote_is_forgotten(
    homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _ = homes
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))
    kept(home).write(snapshot(home), key="a1")
    assert whole_result(kept(home), "a1") is not None
    home.store.delete("snapshots", "d")
    assert whole_result(kept(home), "a1") is None
    assert not kept(home).exists("a1")
    document = home.store.read_document("prefect", "results/a1")
    assert document is None
    kept(home).write(snapshot(home), key="a2")
    written = home.store.read_document("prefect", "results/a2")
    assert written is not None
    older = written.data.replace(b'\\"stored\\": {', b'\\"path\\": \\"/old/rows.parquet\\", \\"more\\": {')
    home.store.write_document("prefect", "results/a2", older, written.version)
    assert whole_result(kept(home), "a2") is None


def test_a_result_that_names_a_file_of_this_process_alone_is_not_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    loose = Snapshot(digest="d", path=tmp_path / "rows.parquet", rows=1, columns={}, source="")
    with pytest.raises(SerializationError) as refused:
        kept(home).write(loose, key="a1")
    assert "lies in no store" in str(refused.value.__cause__)


def test_no_result_that_a_stage_keeps_has_a_place_for_a_path() -> None:
    kept = [
        stage
        for found in pkgutil.iter_modules(tasks.__path__)
        for stage in vars(importlib.import_module(f"tasks.{found.name}")).values()
        if isinstance(stage, Task) and stage.persist_result
    ]
    assert len(kept) >= 10
    seen: set[Any] = set()

    def look(annotation: Any, where: str) -> None:
        assert annotation is not Path, f"{where} is a path: make it a Reference"
        if annotation in seen:
            return
        seen.add(annotation)
        for inner in get_args(annotation):
            look(inner, where)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, field in annotation.model_fields.items():
                look(field.annotation, f"{annotation.__name__}.{name}")

    for stage in kept:
        look(get_type_hints(stage.fn)["return"], stage.name)
