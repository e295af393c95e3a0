"""A webhook's other end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


@contextmanager
def ear(address: str = "127.0.0.1") -> Iterator[tuple[str, list[bytes]]]:
    """An URL on this address, and the bodies that were posted to it."""
    bodies: list[bytes] = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with HTTPServer((address, 0), Ear) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}/", bodies
        finally:
            server.shutdown()
            thread.join()
