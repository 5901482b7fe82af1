"""More than two hundred files that no one should have sent, each made from a good one by one bad idea."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Iterator

import polars as pl

GOOD = pl.DataFrame(
    {
        "when": [f"2013-01-{1 + index % 28:02d}T08:00:00" for index in range(60)],
        "carrier": ["AA", "UA", "DL"] * 20,
        "price": [float(index) + 0.5 for index in range(60)],
        "seats": list(range(60)),
        "late": [True, False] * 30,
    }
)
CSV = GOOD.write_csv()
HEADER, *LINES = CSV.splitlines()


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _ipc(frame: pl.DataFrame, stream: bool = False) -> bytes:
    buffer = io.BytesIO()
    (frame.write_ipc_stream if stream else frame.write_ipc)(buffer)
    return buffer.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


JSONL = "\n".join(json.dumps(row) for row in GOOD.to_dicts()) + "\n"
BINARY = {
    "parquet": _parquet(GOOD),
    "arrow": _ipc(GOOD),
    "ipc": _ipc(GOOD, stream=True),
    "csv.gz": gzip.compress(CSV.encode()),
    "zip": zipped({"rows.csv": CSV.encode()}),
}
TEXT = {"csv": CSV.encode(), "jsonl": JSONL.encode()}


def bad_files() -> Iterator[tuple[str, bytes]]:
    """Yield (file name, content)."""
    yield from _damaged()
    yield from _texts()
    yield from _csv_values()
    yield from _json_lines()
    yield from _tables()
    yield from _packed()


def _damaged() -> Iterator[tuple[str, bytes]]:
    chance = random.Random(3)
    for ending, data in (BINARY | TEXT).items():
        yield f"empty.{ending}", b""
        for share in (0.02, 0.3, 0.6, 0.9, 0.99):
            yield f"truncated-{share}.{ending}", data[: int(len(data) * share)]
        yield f"noise.{ending}", chance.randbytes(500)
        yield f"zeros.{ending}", bytes(500)
        yield f"whitespace.{ending}", b"\n \n\n"
    for ending, data in BINARY.items():
        yield f"text.{ending}", CSV.encode()
        for number in range(12):
            place = chance.randrange(len(data))
            yield f"flipped-{number}.{ending}", data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
    for ending in TEXT:
        yield f"binary.{ending}", BINARY["parquet"]


def _texts() -> Iterator[tuple[str, bytes]]:
    foreign = CSV.replace("AA", "Ä")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp037", "utf-7"):
        yield f"{encoding}.csv", foreign.encode(encoding)
        yield f"{encoding}.jsonl", JSONL.replace("AA", "Ä").encode(encoding)
    for place in (5, 60, 700):
        yield f"invalid-byte-{place}.csv", CSV.encode()[:place] + b"\xff" + CSV.encode()[place:]
        yield f"nul-{place}.csv", CSV.encode()[:place] + b"\x00" + CSV.encode()[place:]
        yield f"quote-{place}.csv", CSV.encode()[:place] + b'"' + CSV.encode()[place:]
    yield "old-mac-lines.csv", CSV.replace("\n", "\r").encode()
    yield "bom-twice.csv", b"\xef\xbb\xbf\xef\xbb\xbf" + CSV.encode()
    for separator in ";\t|:":
        yield f"separator-{ord(separator)}.csv", CSV.replace(",", separator).encode()


def _csv_values() -> Iterator[tuple[str, bytes]]:
    def lines(header: str, rows: list[str]) -> bytes:
        return "\n".join([header, *rows, ""]).encode()

    yield "no-header.csv", lines(LINES[0], LINES[1:])
    yield "header-only.csv", lines(HEADER, [])
    yield "header-twice.csv", lines(HEADER, [HEADER, *LINES])
    yield "duplicate-name.csv", lines(HEADER.replace("seats", "price"), LINES)
    yield "html.csv", b"<!doctype html><html><body>Not found</body></html>"
    yield "one-huge-line.csv", b"x" * 3_000_000
    yield "10000-columns.csv", lines(",".join(f"c{i}" for i in range(10_000)), [",".join("1" * 10_000)])
    for name in HEADER.split(","):
        yield f"without-{name}.csv", lines(HEADER.replace(name, "other"), LINES)
        yield f"upper-{name}.csv", lines(HEADER.replace(name, name.upper()), LINES)
        yield f"spaced-{name}.csv", lines(HEADER.replace(name, f" {name} "), LINES)
    for place, bad in [
        (0, ["yesterday", "2013-13-45", "01/02/2013", "1e400", "", "2013-02-30T00:00:00", "99999-01-01T00:00:00"]),
        (1, ["", "ABC", " AA", "é" * 50_000, "\u202eAA", "a"]),
        (2, ["1,5", "1.234,50", "$3", "NaN", "inf", "-inf", "1e999", "0x1F", "--1", "", "-4", "1 000"]),
        (3, ["3.5", "9" * 30, "-1", "three", "1e3.2", "٣x", ""]),
        (4, ["maybe", "2", "", "ja", "TRUE!", "nan"]),
    ]:
        for number, value in enumerate(bad):
            fields = LINES[0].split(",")
            fields[place] = f'"{value}"'
            yield f"value-{place}-{number}.csv", lines(HEADER, [",".join(fields), *LINES[1:]])
            yield f"every-{place}-{number}.csv", lines(HEADER, [",".join(fields)] * 20)
    yield "short-row.csv", lines(HEADER, [*LINES, "2013-01-01T08:00:00,AA"])
    yield "long-row.csv", lines(HEADER, [*LINES, LINES[0] + ",1,2,3"])


def _json_lines() -> Iterator[tuple[str, bytes]]:
    row = json.dumps(GOOD.row(0, named=True))
    for name, line in {
        "list": "[1, 2]",
        "number": "3",
        "null": "null",
        "open": '{"when": ',
        "single-quotes": row.replace('"', "'"),
        "nan": row.replace("0.5", "NaN"),
        "deep": '{"when": ' + "[" * 500 + "]" * 500 + "}",
        "nested": row.replace("0.5", '{"a": 1}'),
        "mixed": row.replace("0.5", '"much"'),
        "missing": '{"when": "2013-01-01T08:00:00"}',
        "huge-number": row.replace("0.5", "1" * 400),
    }.items():
        yield f"first-{name}.jsonl", f"{line}\n{JSONL}".encode()
        yield f"last-{name}.jsonl", f"{JSONL}{line}\n".encode()
    yield "byte-order-mark-inside.jsonl", JSONL.encode() + b"\xef\xbb\xbf" + JSONL.encode()
    yield "an-array.jsonl", json.dumps(GOOD.to_dicts()).encode()
    yield "pretty.jsonl", json.dumps(GOOD.row(0, named=True), indent=2).encode()


def _tables() -> Iterator[tuple[str, bytes]]:
    frames = {
        "no-rows": GOOD.clear(),
        "no-columns": pl.DataFrame(),
        "nested": GOOD.with_columns(pl.struct("price", "seats").alias("price")),
        "list": GOOD.with_columns(pl.concat_list("price").alias("price")),
        "binary": GOOD.with_columns(pl.col("carrier").cast(pl.Binary)),
        "all-null": GOOD.with_columns(pl.lit(None, dtype=pl.Float64).alias("price")),
        "nan": GOOD.with_columns(pl.lit(float("nan")).alias("price")),
        "durations": GOOD.with_columns(pl.duration(days=pl.col("seats")).alias("when")),
        "times": GOOD.with_columns(pl.time(hour=8).alias("when")),
        "unsigned": GOOD.with_columns(pl.lit(2**64 - 1, dtype=pl.UInt64).alias("seats")),
        "halves": GOOD.with_columns((pl.col("seats") + 0.5).alias("seats")),
        "words": GOOD.with_columns(pl.lit("x").alias("seats")),
        "far-years": GOOD.with_columns(pl.lit(2**62).cast(pl.Datetime("us")).alias("when")),
        "far-milliseconds": GOOD.with_columns(pl.lit(2**62).cast(pl.Datetime("ms")).alias("when")),
        "nanoseconds": GOOD.with_columns(pl.lit(1).cast(pl.Datetime("ns")).alias("when")),
        "large-floats": GOOD.with_columns(pl.lit(2.0**53).alias("seats")),
        "large-decimals": GOOD.with_columns(pl.lit(2**53 + 1).cast(pl.Decimal(38, 0)).alias("seats")),
        "renamed": GOOD.rename({"price": "Price"}),
        "wide": GOOD.drop("price").with_columns(pl.lit(1).alias(f"c{index}") for index in range(2_000)),
    }
    for name, frame in frames.items():
        yield f"{name}.parquet", _parquet(frame)
        yield f"{name}.arrow", _ipc(frame)


def _packed() -> Iterator[tuple[str, bytes]]:
    bomb = HEADER.encode() + b"\n" + (LINES[0].encode() + b"\n") * 400_000
    yield "bomb.csv.gz", gzip.compress(bomb)
    yield "bomb.zip", zipped({"rows.csv": bomb})
    yield "many-bombs.zip", zipped({f"{index}.csv": bomb[: len(bomb) // 4] for index in range(8)})
    yield "no-members.zip", zipped({})
    yield "notes-alone.zip", zipped({"README.md": b"nothing here", "notes": b"nor here"})
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        packed = bytearray(zipped({"rows.csv": CSV.encode()}, method))
        packed[80] ^= 0xFF
        yield f"damaged-{method}.zip", bytes(packed)
    yield "outside.zip", zipped({"../../outside.csv": CSV.replace("0.5", "x").encode()})
    yield "picture.zip", zipped({"cat.png": b"\x89PNG"})
    yield "zip-in-zip.zip", zipped({"inner.zip": BINARY["zip"]})
    yield "two-headers.zip", zipped({"a.csv": CSV.encode(), "b.csv": b"x,y\n1,2\n"})
    yield "mixed.zip", zipped({"a.csv": CSV.encode(), "b.jsonl": JSONL.encode()})
    yield "gz-of-noise.csv.gz", gzip.compress(bytes(range(256)) * 4)
