"""The kept rows as a whole: what the contract expects of the data set, judged by Great Expectations.

Apart from validating row by row, since nothing that is made of the rows needs it, only what is learnt from them.
"""

from components.artefacts.errors import ContractError
from components.data.kept_rows import KeptRows
from components.data.results import Expected, Validated
from components.settings import Home
from data_contracts.description.spec import ContractSpec
from data_contracts.language.validation import check_dataset

# Where pages about them lie among the reports: by the digest of what was validated, then by the workload.
PAGES = "expectations"


def judge_expectations(validated: Validated, contract: ContractSpec, home: Home, where: str) -> Expected:
    """Judge the kept rows as a whole and write data docs about it.

    Raises ContractError for an expectation that fails, and for one that cannot be judged.
    """
    if not contract.expectations:
        return Expected()
    rows = KeptRows(validated.path, validated.mask, contract).scan()
    pages = f"{PAGES}/{validated.digest[:16]}/{where}"
    docs = home.room("reports", pages)
    try:
        found = check_dataset(rows, validated.rows, contract, docs)
    except TypeError as error:
        raise ContractError(f"{where}: {' '.join(str(error).split())}") from error
    if failed := [result for result in found if not result.success]:
        told = "; ".join(f"{one.expectation} {one.arguments}, observed {one.observed} ({one.basis})" for one in failed)
        raise ContractError(f"{where}: {contract.name} expects {told}; see {docs}/index.html")
    home.store.publish("reports", pages)
    return Expected(expectations=found, stored_docs=home.reference("reports", pages))
