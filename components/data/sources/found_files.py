"""Which files a path means: one, all below a folder, or those of a pattern; each once, however it can be reached.

Links are followed, but no folder is entered twice: a link to a folder above it would make a circle.
"""

import fnmatch
import glob
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from data_contracts.description.spec import ContractSpec

# What lies beside data for people to read.
_PAPERS = re.compile(r"(?:readme|licen[cs]e|notice|copying|changes|changelog|authors|citation)\b.*", re.IGNORECASE)
_PAPER_ENDINGS = ("", ".txt", ".md", ".rst", ".html", ".pdf")
_PARTITION = re.compile(r"([^=/]+)=([^/]*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted by its path."""
    return sorted(_each_once(path for path in _walk(folder, set()) if path.is_file()))


def matching_files(pattern: str) -> list[Path]:
    """Return the files that a pattern of the shell's kind matches, sorted by path; ``**`` is any folders."""
    first, *rest = Path(pattern).parts
    start, parts = (Path(first), rest) if Path(pattern).is_absolute() else (Path(), [first, *rest])
    return sorted(_each_once(path for path in _expand(start, parts, set()) if path.is_file()))


def is_paper(name: str) -> bool:
    """Tell whether a file is there for people, such as a README, and no data."""
    path = PurePosixPath(name)
    return path.suffix.lower() in _PAPER_ENDINGS and _PAPERS.fullmatch(path.name) is not None


def partitions(name: str, contract: ContractSpec) -> dict[str, str | None]:
    """Return the fields of a contract that the folders of a file's path give a value, as in ``city=Oslo/part.parquet``.

    Source: the layout of Apache Hive, which Spark, Arrow and Polars write.
    """
    known = {field.name for field in contract.fields}
    found: dict[str, str | None] = {}
    # Of a file in an archive, the folders inside.
    for folder in PurePosixPath(name.rpartition(": ")[2]).parent.parts:
        told = _PARTITION.fullmatch(folder)
        if told and (key := unquote(told[1])) in known:
            found[key] = None if told[2] == _NO_VALUE else unquote(told[2])
    return found


def _walk(folder: Path, entered: set[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in entered:
        return
    entered.add(real)
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _walk(path, entered)
        else:
            yield path


def _expand(folder: Path, parts: Sequence[str], entered: set[tuple[Path, int]]) -> Iterator[Path]:
    if not parts:
        yield folder
        return
    part, *rest = parts
    if not glob.has_magic(part):
        if (folder / part).exists():
            yield from _expand(folder / part, rest, entered)
        return
    if not folder.is_dir():
        return
    if part == "**":
        here = (folder.resolve(), len(parts))
        if here in entered:
            return
        entered.add(here)
        # At the end it stands for every file below, else also for no folder at all.
        yield from _expand(folder, rest or ["*"], entered)
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield from _expand(path, parts, entered)
        return
    for path in sorted(folder.iterdir()):
        # As in a shell, a star is no hidden file.
        hidden = path.name.startswith(".") and not part.startswith(".")
        if not hidden and fnmatch.fnmatchcase(path.name, part):
            yield from _expand(path, rest, entered)


def _each_once(paths: Iterator[Path]) -> Collection[Path]:
    """Return each file once: also by way of a link it is the same rows."""
    return {path.resolve(): path for path in sorted(paths, reverse=True)}.values()
