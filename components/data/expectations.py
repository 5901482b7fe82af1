"""The kept rows as a whole: what the contract expects of the data set, judged by Great Expectations.

Apart from validating row by row, since nothing that is made of the rows needs it, only what is learnt from them. And in
a process of its own: Great Expectations is two seconds of Python that holds the interpreter, and a million objects that
would stay for the rest of the run.
"""

import gc
import subprocess
import sys
from pathlib import Path

import msgspec

from components.artefacts.errors import ContractError, HostError
from components.artefacts.lifetime import bound
from components.data.kept_rows import KeptRows
from components.data.results import Expected, Validated
from components.settings import Home
from components.user_modules import child_environment
from data_contracts.description.spec import ContractSpec
from data_contracts.language.validation import check_dataset

# Where pages about them lie among the reports: by the digest of what was validated, then by the workload.
PAGES = "expectations"
# What the process ends with if an expectation cannot be judged; its error is one line on stderr.
UNFIT = 3


class Question(msgspec.Struct, frozen=True):
    """What the process is asked, on its standard input: kept rows, how many, and where pages about them go."""

    rows: str
    mask: str
    kept: int
    contract: ContractSpec
    docs: str


# Processes that were begun and not yet asked for their answer, by where their pages go.
_BEGUN: dict[Path, subprocess.Popen[bytes]] = {}


def begin_judging(validated: Validated, contract: ContractSpec, home: Home, where: str) -> None:
    """Begin what ``judge_expectations`` will be asked for, so that it is done beside what comes before that."""
    if contract.expectations:
        docs = _pages(validated, home, where)
        if docs not in _BEGUN:
            _BEGUN[docs] = _start(validated, contract, docs)


def end_judging() -> None:
    """End what was begun and will not be asked for: the run failed before, or had the answer already."""
    while _BEGUN:
        _, process = _BEGUN.popitem()
        process.kill()
        process.communicate()


def judge_expectations(validated: Validated, contract: ContractSpec, home: Home, where: str) -> Expected:
    """Judge the kept rows as a whole and write data docs about it.

    Raises ContractError for an expectation that fails, and for one that cannot be judged.
    """
    if not contract.expectations:
        return Expected()
    docs = _pages(validated, home, where)
    process = _BEGUN.pop(docs, None) or _start(validated, contract, docs)
    answered, errors = process.communicate()
    if process.returncode:
        said = errors.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        if process.returncode == UNFIT:
            raise ContractError(f"{where}: {said[-1]}")
        raise HostError(f"the process that judges expectations ended with status {process.returncode}: {said[-1]}")
    found = Expected.model_validate_json(answered)
    if failed := [result for result in found.expectations if not result.success]:
        first = failed[0]
        more = f" (and {len(failed) - 1} more expectations fail)" if len(failed) > 1 else ""
        raise ContractError(
            f"{where}: {contract.name} expects {first.expectation} {first.arguments}, observed {first.observed} "
            f"({first.basis}){more}; see {docs}/index.html"
        )
    pages = _pages_name(validated, where)
    home.store.publish("reports", pages)
    return found.model_copy(update={"stored_docs": home.reference("reports", pages)})


def _pages(validated: Validated, home: Home, where: str) -> Path:
    return home.room("reports", _pages_name(validated, where))


def _pages_name(validated: Validated, where: str) -> str:
    return f"{PAGES}/{validated.digest[:16]}/{where}"


def _start(validated: Validated, contract: ContractSpec, docs: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        bound([sys.executable, "-m", "components.data.expectations"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    )
    assert process.stdin
    process.stdin.write(
        msgspec.json.encode(Question(str(validated.path), str(validated.mask), validated.rows, contract, str(docs)))
    )
    process.stdin.close()
    process.stdin = None
    return process


def answer(asked: Question) -> Expected:
    """Judge what is asked; TypeError for an expectation that cannot be judged."""
    rows = KeptRows(Path(asked.rows), Path(asked.mask), asked.contract).scan()
    return Expected(expectations=check_dataset(rows, asked.kept, asked.contract, Path(asked.docs)))


def main() -> None:
    """Read a question, print the answer as JSON."""
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    # Importing Great Expectations makes a million objects that stay: a seventh of its time was looking for garbage.
    gc.disable()
    # What is printed on the way is not the answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        found = answer(asked)
    except TypeError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        sys.exit(UNFIT)
    answers.write(found.model_dump_json())


if __name__ == "__main__":
    main()
