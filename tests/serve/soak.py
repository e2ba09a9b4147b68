#!/usr/bin/env python3
"""Load on a running service: reloads that nobody notices, and memory that does not grow.

    RANKINE=build/release/bin/rankine tests/serve/soak.py RUN OTHER [--reloads N] [--minutes M]

wrk asks without a pause while the served folder, a link, is turned from RUN to OTHER and back and
the service is told to open it again; every request must be answered 200 and every reload taken.
Then memory is looked at for M minutes of the same load, and a SIGTERM under load ends it with 0.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

from server import Server

TOKEN = "a-token-for-this-test-alone"
ASK = """
wrk.headers["Authorization"] = "Bearer %s"
local paths = {%s}
local at = 0
request = function()
    at = at %% #paths + 1
    return wrk.format("GET", paths[at])
end
"""
CONNECTIONS = 16


class Load:
    """wrk, until it is ended or its time is over."""

    def __init__(self, server, folder, seconds):
        paths = [f"/api/v1/users/{user}/recommendations?n=10&reasons=2" for user in (1, 2, 3, 17)]
        paths += ["/api/v1/items/popular?n=20", "/api/v1/items?q=a", "/health/ready", "/"]
        script = f"{folder}/ask.lua"
        with open(script, "w", encoding="ascii") as file:
            file.write(ASK % (TOKEN, ", ".join(f'"{path}"' for path in paths)))
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
            + ["-s", script, f"http://{server.host}:{server.port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self):
        """Requests that were answered; anything else is an error."""
        self.process.send_signal(2)
        text = self.process.communicate(timeout=60)[0]
        if "Non-2xx" in text or "Socket errors" in text:
            raise AssertionError("requests have failed:\n" + text)
        return int(re.search(r"(\d+) requests in", text)[1])


def turn(link, target):
    """The link names another folder, at once."""
    os.symlink(os.path.abspath(target), link + ".new")
    os.replace(link + ".new", link)


def wait_for(what, true, seconds=60.0):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError("it never came to this: " + what)
        time.sleep(0.01)


def counter(client, name):
    text = client.raw("GET", "/metrics")[2].decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def reload_often(server, client, link, runs, times):
    for number in range(times):
        before = counter(client, 'rankine_reloads_total{result="ok"}')
        turn(link, runs[(number + 1) % 2])
        status, _, body = client.raw("POST", "/admin/reload", b"")
        assert 200 <= status < 300, (status, body)
        wait_for(
            "a reload", lambda b=before: counter(client, 'rankine_reloads_total{result="ok"}') > b
        )
        assert server.process.poll() is None, server.text()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("other")
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        link, token = f"{folder}/served", f"{folder}/token"
        turn(link, a.run)
        with open(token, "w", encoding="ascii") as file:
            file.write(TOKEN + "\n")
        os.chmod(token, 0o600)
        with Server(link, "--token-file", token) as server:
            client = server.client(token=TOKEN)
            load = Load(server, folder, 3600)
            begin = time.monotonic()
            reload_often(server, client, link, (a.run, a.other), a.reloads)
            seconds = time.monotonic() - begin
            print(f"{a.reloads} reloads in {seconds:.1f} s, {load.end()} requests, none failed")

            load = Load(server, folder, 24 * 3600)
            time.sleep(min(30, 20 * a.minutes))  # until every thread has its buffers
            sizes = [server.resident()]
            for _ in range(10):
                time.sleep(6 * a.minutes)
                sizes.append(server.resident())
            print("resident MB: " + " ".join(f"{size / 1e6:.1f}" for size in sizes))
            answered = load.end()
            grown = max(sizes) - sizes[0]
            assert grown <= 0.02 * sizes[0] + 1e6, f"memory has grown by {grown / 1e6:.1f} MB"
            print(f"{a.minutes} minutes, {answered} requests, memory within {grown / 1e6:.2f} MB")

            load = Load(server, folder, 3600)
            time.sleep(1)
            code = server.stop()
            load.process.kill()
            load.process.wait()
            assert code == 0, f"SIGTERM under load: exit code {code}\n{server.text()}"
    print("SIGTERM under load: exit code 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
