"""Measure what the client of models on a server costs: 10,000 texts through a server with a stand-in model.

The server runs in a process apart and answers with one of 384 vectors, which a text's checksum chooses. So the seconds
are what the client, HTTP and JSON take. The last line is JSON.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIMENSION = 384
_VECTOR = np.random.default_rng(1).standard_normal(DIMENSION).astype("<f4")
_NUMBERS = [np.roll(_VECTOR, by).tolist() for by in range(DIMENSION)]
_BASE64 = [base64.b64encode(np.roll(_VECTOR, by).tobytes()).decode() for by in range(DIMENSION)]
_NAME = "stand-in"


class _StandIn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self._answer({"models": [{"name": _NAME, "digest": "0" * 64, "size": 0}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        forms: list[Any] = _BASE64 if body.get("encoding_format") == "base64" else _NUMBERS
        vectors = [forms[zlib.crc32(text.encode()) % DIMENSION] for text in body["input"]]
        if self.path == "/api/embed":
            self._answer({"embeddings": vectors})
        else:
            self._answer({"data": [{"index": at, "embedding": one} for at, one in enumerate(vectors)]})


def _serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _StandIn)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def measure(model: str, url: str, texts: list[str]) -> dict[str, float]:
    """Return the texts a second, and the milliseconds of this process's CPU for each text."""
    from semsearch.embedding import load_embedder

    embedder = load_embedder(model, base_url=url, stored={"pooling": "server"}, fetch=False)
    began, cpu = time.perf_counter(), time.process_time()
    vectors = embedder.embed(texts)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert vectors.shape == (len(texts), DIMENSION)
    return {
        "texts_per_second": round(len(texts) / seconds),
        "client_cpu_ms": round(1000 * cpu / len(texts), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve()
        return
    texts = [
        f"Passage {at}. " + "The deposit is paid back when the tool comes home. " * 14
        for at in range(options.texts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = os.environ["APPDATA"] = folder
        process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            found = {model: measure(f"{model}:{_NAME}", url, texts) for model in ("openai", "ollama")}
        finally:
            process.kill()
            process.communicate()
    for model, values in found.items():
        print(
            f"{model:<8} {values['texts_per_second']:>8,} texts a second, {values['client_cpu_ms']} ms of CPU a text"
        )
    print(json.dumps({"texts": options.texts} | found))


if __name__ == "__main__":
    main()
