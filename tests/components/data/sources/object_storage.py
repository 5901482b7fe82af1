"""A small server that speaks enough of S3 for reading: list, head, get with ranges."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


@contextmanager
def serve_buckets(root: Path) -> Iterator[str]:
    """Serve the folders in ``root`` as buckets; yield the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._get(body=False)

        def do_GET(self) -> None:
            if "list-type" in parse_qs(urlsplit(self.path).query):
                self._list()
            else:
                self._get(body=True)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _list(self) -> None:
            parts = urlsplit(self.path)
            bucket = root / parts.path.strip("/")
            prefix = parse_qs(parts.query).get("prefix", [""])[0]
            keys = sorted(str(file.relative_to(bucket)) for file in bucket.rglob("*") if file.is_file())
            contents = "".join(
                f"<Contents><Key>{key}</Key><Size>{(bucket / key).stat().st_size}</Size><ETag>x</ETag>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                for key in keys
                if key.startswith(prefix)
            )
            body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
            self._answer(200, body.encode(), {}, body=True)

        def _get(self, *, body: bool) -> None:
            file = root / unquote(urlsplit(self.path).path).strip("/")
            if "AWS4-HMAC-SHA256 Credential=reader/" not in self.headers.get("Authorization", ""):
                return self._answer(403, b"<Error><Code>AccessDenied</Code></Error>", {}, body=body)
            if not file.is_file():
                return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {}, body=body)
            data = file.read_bytes()
            span = self.headers.get("Range", "").removeprefix("bytes=")
            if not span:
                return self._answer(200, data, {}, body=body)
            first, _, last = span.partition("-")
            start, stop = (
                (int(first), int(last or len(data) - 1) + 1) if first else (max(len(data) - int(last), 0), len(data))
            )
            piece = data[start : min(stop, len(data))]
            headers = {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(data)}"}
            return self._answer(206, piece, headers, body=body)

        def _answer(self, status: int, data: bytes, headers: dict[str, str], *, body: bool) -> None:
            self.send_response(status)
            stated = {"Content-Length": str(len(data)), "ETag": '"x"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            for name, value in (stated | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
