"""Pictures in a folder for each class, and tables that name files: what comes out, and what is refused for what."""

import io
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import polars as pl
import pytest
from PIL import Image

from components.artefacts.errors import ContractError, SourceError
from components.data.quarantine import validate_snapshot
from components.data.sources.snapshots import take_snapshot
from components.data.sources.source import source_fingerprint
from components.declaration.source import Source
from components.settings import Home
from data_contracts.contract import Contract, column


class Photo(Contract):
    """A picture of a thing."""

    quarantine_tolerance = 0.9

    photo: bytes = column(
        "The picture", media_type="image/*", max_bytes=10_000, media={"min_width": 4, "max_pixels": 400, "channels": 1}
    )
    path: str = column("Its file", available="after")
    thing: Literal["cat", "dog"] = column("What it is of", roles=("label",), available="after")


def picture(width: int = 8, height: int = 8, mode: str = "L", kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, len(mode)), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(out, kind)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for place, content in {
        "cat/1.png": picture(),
        "cat/2.jpg": picture(9, kind="JPEG"),
        "dog/deep/cat/3.png": picture(10),
        "dog/4.png": picture()[:60],
        "dog/5.png": b"no picture",
        "dog/6.png": picture(3),
        "dog/7.png": picture(21, 20),
        "dog/8.png": picture(mode="RGB"),
        "dog/9.png": b"",
        "dog/README.md": b"about",
        "dog/.hidden.png": picture(),
        "cow/10.png": picture(),
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(content)
    return root


def test_each_file_is_a_row_and_what_is_no_picture_is_refused_with_its_reason(folder: Path, tmp_path: Path) -> None:
    home, source = Home(root=tmp_path / "home"), Source(path=str(folder), format="files")
    snapshot = take_snapshot(source, Photo.spec(), home)
    rows = pl.read_parquet(snapshot.path)
    assert dict(rows.select("path", "thing").iter_rows())["dog/deep/cat/3.png"] == "cat"
    assert rows.filter(path="cat/2.jpg")["photo"].item() == (folder / "cat/2.jpg").read_bytes()
    found = validate_snapshot(snapshot, Photo.spec(), home, "photos")
    assert found.quarantine is not None
    refused = dict(pl.read_parquet(found.quarantine).select("path", pl.col("reasons").list.join("; ")).iter_rows())
    assert refused == {
        "cow/10.png": "thing: not an allowed value",
        "dog/4.png": "photo: cannot be read as a picture",
        "dog/5.png": "photo: cannot be read as a picture",
        "dog/6.png": "photo: narrower than 4 pixels",
        "dog/7.png": "photo: more than 400 pixels",
        "dog/8.png": "photo: not of 1 channels",
        "dog/9.png": "photo: empty",
    }


def test_the_order_of_rows_does_not_tell_the_label(tmp_path: Path) -> None:
    for number in range(60):
        place = tmp_path / "pictures" / ("cat", "dog")[number // 30] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture())
    source = Source(path=str(tmp_path / "pictures"), format="files")
    snapshot = take_snapshot(source, Photo.spec(), Home(root=tmp_path / "home"))
    first = pl.read_parquet(snapshot.path)["thing"].head(30)
    assert 5 < (first == "cat").sum() < 25


def test_a_picture_that_changes_is_another_source(folder: Path) -> None:
    source = Source(path=str(folder), format="files")
    before = source_fingerprint(source)
    (folder / "cat/1.png").write_bytes(picture(5))
    assert source_fingerprint(source) != before


def test_a_single_media_type_is_that_type(folder: Path, tmp_path: Path) -> None:
    (field, *others) = Photo.spec().fields
    contract = msgspec.structs.replace(
        Photo.spec(), fields=(msgspec.structs.replace(field, media_type="image/png"), *others)
    )
    home = Home(root=tmp_path / "home")
    snapshot = take_snapshot(Source(path=str(folder), format="files"), contract, home)
    assert validate_snapshot(snapshot, contract, home, "photos").reasons["photo: not image/png"] == 1


def test_a_table_may_name_files(folder: Path, tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    (tmp_path / "table.csv").write_text(
        "photo,path,thing\ncat/1.png,one,cat\ncat/2.jpg,two,dog\n../table.csv,three,dog\ncat/no.png,four,dog\n"
    )
    source = Source(path=str(tmp_path / "table.csv"), files=str(folder))
    snapshot = take_snapshot(source, Photo.spec(), home)
    rows = pl.read_parquet(snapshot.path)
    contents = [(folder / name).read_bytes() for name in ("cat/1.png", "cat/2.jpg")]
    assert rows["photo"].to_list() == [*contents, None, None]
    assert rows["photo:raw"].to_list()[3] == f"no such file below {folder}: cat/no.png"
    assert validate_snapshot(snapshot, Photo.spec(), home, "photos").reasons == {"photo: not a bytes": 2}


def test_what_no_file_can_fill_is_refused(folder: Path, tmp_path: Path) -> None:
    class Words(Contract):
        """No field of bytes."""

        path: str = column("a path")
        thing: bool = column("label", roles=("label",), available="after")

    with pytest.raises(ContractError, match="fills one field of bytes or long text, and there are 0"):
        take_snapshot(Source(path=str(folder), format="files"), Words.spec(), Home(root=tmp_path / "home"))
    (tmp_path / "words.csv").write_text("path,thing\na,1\n")
    source = Source(path=str(tmp_path / "words.csv"), files=str(folder))
    with pytest.raises(SourceError, match="Words has no field of bytes whose column is text"):
        take_snapshot(source, Words.spec(), Home(root=tmp_path / "home"))


def test_limits_that_say_nothing_of_a_picture_are_refused() -> None:
    for media, told in (({"depth": 3}, "media has no 'depth' for image/"), ({"channels": 0}, "whole numbers from 1")):

        class Wrong(Contract):
            """A row."""

            photo: bytes = column("p", media_type="image/*", max_bytes=9, media=media)
            thing: bool = column("label", roles=("label",), available="after")

        with pytest.raises(TypeError, match=told):
            Wrong.spec()
