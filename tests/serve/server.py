"""A `rankine serve` that a test starts, asks and stops."""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.parse

PROGRAM = os.environ.get("RANKINE", "rankine")


def quote(text):
    return urllib.parse.quote(text, safe="")


class Server:
    """Listens on a free port of 127.0.0.1. What it says goes into the file .log."""

    def __init__(self, run, *words, program=PROGRAM, ready=60.0, environment=None):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="serve-", suffix=".log")
        self.process = subprocess.Popen(
            [program, "serve", run, "--listen", "127.0.0.1:0", *words],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        self.host, self.port = "127.0.0.1", self._find_port(ready)

    def text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _find_port(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            match = re.search(r"http://127\.0\.0\.1:(\d+)", self.text())
            if match:
                return int(match[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.process.kill()
        raise RuntimeError("the server did not start: " + self.text())

    def client(self, **more):
        return Client(self.host, self.port, **more)

    def resident(self):
        """Bytes of memory in use."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=30.0):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Client:
    """One connection that is kept; for one thread."""

    def __init__(self, host, port, token=None, timeout=60.0):
        self.connection = http.client.HTTPConnection(host, port, timeout=timeout)
        self.token = token

    def raw(self, method, path, body=None, headers=None):
        """Status, headers by lower-case names, bytes."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        data = reply.read()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, data

    def ask(self, path, body=None):
        """Status and JSON, whose numbers stay as they were written."""
        status, _, data = self.raw("GET" if body is None else "POST", path, body)
        return status, json.loads(data, parse_float=str)

    def get(self, path, body=None):
        status, answer = self.ask(path, body)
        if not 200 <= status < 300:
            raise AssertionError(f"{path}: {status} {answer}")
        return answer

    def close(self):
        self.connection.close()
