"""The last act of ``make demo``: serve the champion, ask it for one flight as a client would, and stop it again."""

import http.client
import sys
from urllib.parse import urlsplit

import msgspec

from components.artefacts.errors import SlipwayError
from components.builds.signing import public_key_path
from components.declaration.loading import read_workload
from components.promotion.roles import champion_of
from components.promotion.rollouts import copy_of
from components.service.asking import ask
from components.service.process import serving
from components.settings import Settings
from flows import terminal


def main(workload: str = "flights") -> int:
    """Ask the champion of a workload; return the exit code."""
    settings = Settings()
    home = settings.folder()
    declared = read_workload(workload)
    row = champion_of(declared, home, settings).golden().rows[0]
    document = copy_of(home, declared.name)
    key = str(public_key_path(settings.key()))
    arguments = ["--rollout", str(document), "--workload", declared.name, "--port", "0", "--workers", "1"]
    with serving([*arguments, "--public-key", key]) as (endpoint, _):
        url, address = endpoint.url, urlsplit(endpoint.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        try:
            answer = ask(connection, msgspec.json.encode(row))
        finally:
            connection.close()
    sys.stdout.write(f"\nPOST {url}/v1/predict\n{msgspec.json.encode(row).decode()}\n-> ")
    terminal.print_json(answer)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except SlipwayError as error:
        terminal.print_error(str(error))
        sys.exit(error.exit_code)
