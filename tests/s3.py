"""An S3 stand-in over HTTP: moto's server in a process of its own, with conditional writes that are atomic as S3's are.

with serving_s3() as environment: ...    # what SLIPWAY_STORE=s3://slipway/... needs, as environment variables
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

BUCKET = "slipway"


@contextmanager
def serving_s3() -> Iterator[dict[str, str]]:
    """Serve an empty bucket until the end of the block."""
    command, pipe = [sys.executable, __file__], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "writer",
                "AWS_SECRET_ACCESS_KEY": "secret",
            }
        finally:
            process.terminate()


def main() -> None:
    """Serve on a free port, which is printed."""
    from moto.backends import get_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application: Any = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = threading.Lock()

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        # Moto looks at the condition and writes in two steps.
        with one_at_a_time:
            return [b"".join(application(environ, start))]

    get_backend("s3")["123456789012"]["aws"].create_bucket(BUCKET, "us-east-1")
    server = make_server("127.0.0.1", 0, answer, threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    # When who started it is gone, also by a kill, there is no more to read.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
