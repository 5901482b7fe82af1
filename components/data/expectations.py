"""The kept rows as a whole: what the contract expects of the data set, judged by Great Expectations.

Apart from validating row by row, since nothing that is made of the rows needs it, only what is learnt from them. And in
a process of its own: Great Expectations is two seconds of Python that holds the interpreter, and a million objects that
would stay for the rest of the run.
"""

import subprocess
import sys
from pathlib import Path

import msgspec

from components.data.kept_rows import KeptRows
from components.data.results import Expected, Validated
from components.errors import ContractError, HostError
from components.settings import Home
from components.user_modules import child_environment
from data_contracts.spec import ContractSpec
from data_contracts.validation import check_dataset

# What the process ends with if an expectation cannot be judged; its error is one line on stderr.
UNFIT = 3


class Question(msgspec.Struct, frozen=True):
    """What the process is asked, on its standard input: kept rows, how many, and where pages about them go."""

    rows: str
    mask: str
    kept: int
    contract: ContractSpec
    docs: str | None


def judge_expectations(validated: Validated, contract: ContractSpec, home: Home, where: str) -> Expected:
    """Judge the kept rows as a whole and write data docs about it.

    Raises ContractError for an expectation that fails, and for one that cannot be judged.
    """
    if not contract.expectations:
        return Expected()
    docs = home.room("reports", where, "expectations", validated.digest[:16])
    asked = Question(str(validated.path), str(validated.mask), validated.rows, contract, str(docs))
    done = subprocess.run(
        [sys.executable, "-m", "components.data.expectations"],
        input=msgspec.json.encode(asked),
        capture_output=True,
        env=child_environment(),
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        if done.returncode == UNFIT:
            raise ContractError(f"{where}: {said[-1]}")
        raise HostError(f"the process that judges expectations ended with status {done.returncode}: {said[-1]}")
    found = Expected.model_validate_json(done.stdout)
    if failed := [result for result in found.expectations if not result.success]:
        first = failed[0]
        more = f" (and {len(failed) - 1} more expectations fail)" if len(failed) > 1 else ""
        raise ContractError(
            f"{where}: {contract.name} expects {first.expectation} {first.arguments}, observed {first.observed} "
            f"({first.basis}){more}; see {docs}/index.html"
        )
    return found


def answer(asked: Question) -> Expected:
    """Judge what is asked; TypeError for an expectation that cannot be judged."""
    rows = KeptRows(Path(asked.rows), Path(asked.mask), asked.contract).scan()
    docs = Path(asked.docs) if asked.docs else None
    return Expected(expectations=check_dataset(rows, asked.kept, asked.contract, docs), docs=docs)


def main() -> None:
    """Read a question, print the answer as JSON."""
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
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
