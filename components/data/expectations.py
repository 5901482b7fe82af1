"""The kept rows as a whole: what the contract expects of the data set, judged by Great Expectations.

Apart from validating row by row, since nothing that is made of the rows needs it, only what is learnt from them.
"""

from components.data.kept_rows import KeptRows
from components.data.results import Expected, Validated
from components.errors import ContractError
from components.settings import Home
from data_contracts.spec import ContractSpec
from data_contracts.validation import check_dataset


def judge_expectations(validated: Validated, contract: ContractSpec, home: Home, where: str) -> Expected:
    """Judge the kept rows as a whole and write data docs about it.

    Raises ContractError for an expectation that fails, and for one that cannot be judged.
    """
    docs = home.room("reports", where, "expectations", validated.digest[:16]) if contract.expectations else None
    kept = KeptRows(validated.path, validated.mask, contract).scan()
    try:
        expectations = check_dataset(kept, validated.rows, contract, docs)
    except TypeError as error:
        raise ContractError(f"{where}: {error}") from error
    if failed := [result for result in expectations if not result.success]:
        first = failed[0]
        more = f" (and {len(failed) - 1} more expectations fail)" if len(failed) > 1 else ""
        raise ContractError(
            f"{where}: {contract.name} expects {first.expectation} {first.arguments}, observed {first.observed} "
            f"({first.basis}){more}; see {docs}/index.html"
        )
    return Expected(expectations=expectations, docs=docs)
