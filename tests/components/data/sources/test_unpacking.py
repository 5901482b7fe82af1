"""What is packed is unpacked whole, or refused in one line that names the archive and what is in it."""

import bz2
import gzip
import lzma
import random
import zipfile
from pathlib import Path

import pytest

from components.artefacts.errors import SourceError
from components.data.sources.unpacking import Located, unpack
from tests.components.data.sources.bad_files import zipped

CSV = b"a,b\n" + b"".join(b"%d,x\n" % index for index in range(300))


def unpacked(data: bytes, folder: Path, name: str = "rows.zip", endings: tuple[str, ...] = (".csv",)) -> list[Located]:
    packed = folder / name
    packed.write_bytes(data)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return unpack(packed, name, scratch, 10**6, 10**6, endings)


def test_only_data_is_taken_and_named_after_the_archive(tmp_path: Path) -> None:
    long = "part/" + "x" * 240 + ".csv"
    members = {"README.md": b"hi", "b.csv": CSV, "a.CSV": CSV, long: CSV, "__MACOSX/._b.csv": b"", ".DS_Store": b""}
    found = unpacked(zipped(members), tmp_path)
    assert [file.name for file in found[:2]] == ["rows.zip: a.CSV", "rows.zip: b.csv"]
    assert len(found) == 3
    assert all(Path(file.place).read_bytes() == CSV for file in found)
    assert all(len(Path(file.place).name) < 20 for file in found)
    assert len(found[2].name) < 100
    # With a format of its own, a source takes what it is given.
    assert len(unpacked(zipped({"rows.dat": CSV}), tmp_path, endings=())) == 1


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "source rows.zip holds no file"),
        ({"README.md": b"hi"}, r"source rows.zip holds no data file \(.csv\), only README.md: pack the data itself"),
        ({"inner.zip": b""}, "only inner.zip"),
    ],
)
def test_an_archive_without_data_says_what_it_has(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        unpacked(zipped(members), tmp_path)


@pytest.mark.parametrize("method", ["stored", "deflated", "bzip2", "lzma", "gzip"])
def test_whatever_byte_is_damaged_the_data_is_whole_or_refused(method: str, tmp_path: Path) -> None:
    name = "rows.csv.gz" if method == "gzip" else "rows.zip"
    good = gzip.compress(CSV) if method == "gzip" else zipped({"rows.csv": CSV}, _METHODS[method])
    chance = random.Random(7)
    messages = []
    for place in chance.sample(range(len(good)), min(len(good), 150)):
        data = bytearray(good)
        data[place] ^= chance.choice((0x01, 0x40, 0xFF))
        try:
            assert [Path(file.place).read_bytes() for file in unpacked(bytes(data), tmp_path, name)] == [CSV]
        except SourceError as error:
            messages.append(str(error))
    assert messages
    for message in messages:
        assert message.startswith(f"source {name} ")
        assert "\n" not in message
        assert str(tmp_path) not in message


_METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def test_encrypted_and_unknown_ways_of_packing_are_told(tmp_path: Path) -> None:
    good = zipped({"rows.csv": CSV})
    directory = good.index(b"PK\x01\x02")

    def changed(*, flags: int | None = None, method: int | None = None) -> bytes:
        data = bytearray(good)
        for header, flag_at, method_at in ((0, 6, 8), (directory, 8, 10)):
            if flags is not None:
                data[header + flag_at] |= flags
            if method is not None:
                data[header + method_at] = method
        return bytes(data)

    with pytest.raises(SourceError, match=r"rows.zip cannot be unpacked: .*encrypted.*; pack it without a password"):
        unpacked(changed(flags=1), tmp_path)
    # 9 is Deflate64.
    with pytest.raises(SourceError, match=r"rows.zip is packed in a way that is not read .*: pack it with deflate"):
        unpacked(changed(method=9), tmp_path)


def test_a_stream_that_is_cut_is_refused(tmp_path: Path) -> None:
    for data, name in [(gzip.compress(CSV)[:-9], "rows.csv.gz"), (gzip.compress(CSV) + b"junk", "rows.csv.gz")]:
        with pytest.raises(SourceError, match=f"source {name} is damaged and cannot be unpacked: .*. Fetch it again"):
            unpacked(data, tmp_path, name)
    for other in (bz2.compress(CSV), lzma.compress(CSV)):
        with pytest.raises(SourceError, match="is damaged"):
            unpacked(other, tmp_path)
