#!/usr/bin/env python3
"""Requests that no client means well by, over raw sockets, to a running `rankine serve`.

    tests/serve/hostile.py HOST PORT [--slow] [--only WORDS]

For each case: only the statuses that are allowed, as many answers as there were requests, an end of
the connection where what follows could be read as another request, problem details for every
refusal, and after it a server that is still there. --slow adds those that wait for deadlines.
"""

import argparse
import json
import re
import socket
import struct
import sys
import time

EOL = b"\r\n"
PROBLEM = b"application/problem+json"


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def parse(raw, is_head=False):
    """The answers in what came back; what does not parse is an answer with status 0."""
    replies = []
    while raw:
        head, mark, rest = raw.partition(b"\r\n\r\n")
        lines = head.split(EOL)
        match = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) [ -~]*", lines[0])
        if not mark or not match:
            return replies + [Reply(0, {}, raw)]
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not re.fullmatch(rb"[A-Za-z0-9-]+", name):
                return replies + [Reply(0, {}, raw)]
            headers[name.decode().lower()] = value.strip()
        status = int(match[1])
        if status == 100:
            raw = rest
            continue
        length = 0 if is_head else int(headers.get("content-length", b"0"))
        if status >= 400 and rest.startswith(head + mark) and headers.get("connection") == b"close":
            rest = rest[len(head + mark) :]  # libmicrohttpd's own refusals have their header twice
        replies.append(Reply(status, headers, rest[:length]))
        if len(rest) < length:
            replies[-1].status = 0
        raw = rest[length:]
    return replies


class Client:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def connect(self, timeout=5.0):
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def talk(self, data, wait=1.0, shut=False, enough=lambda got: False):
        """Sends bytes, reads until the end or until nothing comes for `wait` seconds (shortly, once
        what came is enough): what came, and whether the connection has ended."""
        with self.connect() as s:
            try:
                s.sendall(data)
                if shut:
                    s.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before it was all sent: what it said is still there to read
            got = b""
            while True:
                s.settimeout(0.015 if enough(got) else wait)
                try:
                    part = s.recv(65536)
                except socket.timeout:
                    return got, False
                except OSError:
                    return got, True
                if not part:
                    return got, True
                got += part

    def is_alive(self):
        got, _ = self.talk(request("GET", "/health/live", headers=[("Connection", "close")]), 10)
        return [r.status for r in parse(got)] == [200]


def request(method, target, headers=(), body=b"", host="localhost"):
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    if host is not None:
        lines.append(b"Host: " + host.encode("latin-1"))
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    return EOL.join(lines) + EOL + EOL + body


def post(target, body, kind="application/json", more=()):
    headers = [("Content-Length", len(body))]
    if kind is not None:
        headers.append(("Content-Type", kind))
    return request("POST", target, headers + list(more), body)


LISTS = "/api/v1/recommendations"
SMUGGLED = request("GET", "/health/live")
REFUSED = {400}


class Case:
    """What is sent, which statuses may come back (None: the end without an answer), how many
    answers there may be, and whether the connection must then end."""

    def __init__(
        self, name, data, allowed, answers=1, ends=False, shut=False, check=None, head=False
    ):
        self.name, self.data, self.allowed = name, data, set(allowed)
        self.answers, self.ends, self.shut, self.check = answers, ends, shut, check
        self.head = head


def targets():
    """Paths and queries."""

    def get(target):
        return request("GET", target)

    def same_item(reply):
        return None if b"/" in reply.body else "the id of the answer has lost its slash"

    yield Case("a zero byte in the path", get("/health/live\0x"), {400, 404, None})
    yield Case("an escaped zero byte", get("/health/live%00x"), {400, 404})
    yield Case("an escaped zero byte in an id", get("/api/v1/items/a%00b"), REFUSED)
    yield Case("an escaped slash in an id", get("/api/v1/items/a%2Fb"), {404}, check=same_item)
    yield Case("bytes that are not UTF-8 in an id", get("/api/v1/items/%FF%FE"), REFUSED)
    yield Case("an overlong slash in an id", get("/api/v1/items/%C0%AF"), REFUSED)
    yield Case("a surrogate in an id", get("/api/v1/items/%ED%A0%80"), REFUSED)
    yield Case("half an escape at the end", get("/api/v1/items/a%4"), REFUSED)
    yield Case("an escape that is none", get("/api/v1/items/%zz"), REFUSED)
    yield Case("a bare percent sign", get("/api/v1/items/%"), REFUSED)
    yield Case("an escape of an escape", get("/api/v1/items/%252F"), {404})
    yield Case(
        "line breaks that would be headers",
        get("/api/v1/items/a%0D%0AX-Evil:%201"),
        {400, 404},
        check=lambda r: "a header was smuggled in" if "x-evil" in r.headers else None,
    )
    yield Case(
        "line breaks in a search",
        get("/api/v1/items?q=a%0D%0AX-Evil:%201"),
        {200, 400},
        check=lambda r: "a header was smuggled in" if "x-evil" in r.headers else None,
    )
    yield Case("bytes that are not UTF-8 in a search", get("/api/v1/items?q=%FF"), REFUSED)
    yield Case("a blank in a search", get("/api/v1/items?q=a b"), REFUSED)
    yield Case("two blanks before the path", get(" /health/live"), REFUSED)
    yield Case("raw bytes in a search", get("/api/v1/items?q=\xc3\xa9"), {200, 400})
    for target in (
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/.git/config",
        "/api/v1/../../etc/passwd",
        "/page.html",
        "/api/v1/items/..%2f..%2fetc%2fpasswd",
    ):
        yield Case("a file: " + target, get(target), {400, 404})
    yield Case("a path of 5,000 bytes", get("/" + "a" * 5000), {414, 431})
    yield Case("a query of 5,000 bytes", get("/api/v1/items?q=" + "a" * 5000), {414, 431})
    yield Case("a thousand parameters", get("/api/v1/items?" + "&".join(["q=a"] * 1000)), {400})
    yield Case("separators alone", get("/api/v1/items?&&&=&=&"), REFUSED)
    for n in ("0", "-1", "1001", "abc", "1e3", "1.5", "99999999999999999999", "%2010", "0x10", ""):
        yield Case("n=" + n, get("/api/v1/items/popular?n=" + n), REFUSED)
    yield Case("n twice", get("/api/v1/items/popular?n=1&n=2"), REFUSED)
    yield Case("a parameter that no route has", get("/api/v1/items/popular?nn=1"), {200, 400})


def heads():
    """Request lines and headers."""

    def bare(text):
        return text.encode("latin-1")

    def with_headers(*headers):
        return request("GET", "/health/live", headers)

    def allows(reply):
        return None if reply.headers.get("allow") else "405 without Allow"

    yield Case("no Host", request("GET", "/health/live", host=None), REFUSED)
    yield Case("two Hosts", with_headers(("Host", "localhost")), REFUSED)
    yield Case("an empty Host", request("GET", "/api/v1/info", host=""), {400, 403, 421})
    yield Case(
        "somebody else's Host", request("GET", "/api/v1/info", host="evil.example"), {400, 403, 421}
    )
    yield Case(
        "a Host that begins like ours",
        request("GET", "/api/v1/info", host="localhost.evil.example"),
        {400, 403, 421},
    )
    yield Case(
        "a blank before the colon", bare("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n"), {400, None}
    )
    yield Case(
        "a folded header",
        bare("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n"),
        {400},
    )
    yield Case(
        "a header without a colon",
        bare("GET / HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n"),
        {400, None},
    )
    yield Case(
        "a header without a name",
        bare("GET /health/live HTTP/1.1\r\nHost: localhost\r\n: a\r\n\r\n"),
        {400},
    )
    yield Case(
        "a zero byte in a header",
        bare("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n"),
        {400},
    )
    yield Case(
        "a header of 20,000 bytes", with_headers(("X", "a" * 20000)), {431, 400, None}, ends=True
    )
    yield Case(
        "a thousand headers",
        with_headers(*[(f"X-{i}", "a" * 20) for i in range(1000)]),
        {431, 400, None},
        ends=True,
    )
    yield Case(
        "a method of 8,000 letters", request("A" * 8000, "/"), {400, 405, 414, 431, 501, None}
    )
    yield Case("a method that is none", request("BREW", "/api/v1/info"), {400, 405, 501})
    yield Case("a method in small letters", request("get", "/api/v1/info"), {400, 405, 501})
    yield Case("DELETE", request("DELETE", "/api/v1/info"), {405}, check=allows)
    yield Case("GET of what takes POST", request("GET", LISTS), {405}, check=allows)
    yield Case("POST of what takes GET", post("/api/v1/info", b"{}"), {405}, check=allows)
    yield Case(
        "TRACE",
        request("TRACE", "/api/v1/info", [("X-Secret", "s3cret")]),
        {400, 405, 501},
        check=lambda r: "the request came back" if b"s3cret" in r.body else None,
    )
    yield Case("CONNECT", request("CONNECT", "evil.example:443"), {400, 404, 405, 501})
    yield Case("OPTIONS of everything", request("OPTIONS", "*"), {200, 204, 400, 404, 405})
    yield Case(
        "an absolute target",
        request("GET", "http://evil.example/api/v1/info"),
        {400, 403, 404, 421},
    )
    yield Case("HTTP/0.9", bare("GET /\r\n\r\n"), {400, 505, None}, shut=True)
    yield Case(
        "HTTP/1.0 without Host", bare("GET /health/live HTTP/1.0\r\n\r\n"), {200, 400}, ends=True
    )
    yield Case("HTTP/3.7", bare("GET / HTTP/3.7\r\nHost: localhost\r\n\r\n"), {400, 505, None})
    yield Case("HTTP/2's preface", bare("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), {400, 405, 505, None})
    yield Case(
        "TLS",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
        {400, None},
        shut=True,
    )
    yield Case("nothing but zero bytes", b"\0" * 4096, {400, 414, 431, None}, shut=True)
    yield Case(
        "half a request",
        bare("GET /health/live HTTP/1.1\r\nHost: loc"),
        {400, 408, None},
        shut=True,
    )
    yield Case(
        "an origin that nobody allowed",
        with_headers(("Origin", "https://evil.example")),
        {200},
        check=lambda r: "CORS is open" if "access-control-allow-origin" in r.headers else None,
    )
    yield Case(
        "a preflight that nobody allowed",
        request(
            "OPTIONS",
            LISTS,
            [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")],
        ),
        {200, 204, 400, 403, 405},
        check=lambda r: "CORS is open" if "access-control-allow-origin" in r.headers else None,
    )
    yield Case("a reload without a token", post("/admin/reload", b""), {401, 403, 404})
    yield Case(
        "a reload with a wrong token",
        post("/admin/reload", b"", more=[("Authorization", "Bearer " + "x" * 500)]),
        {401, 403, 404},
    )
    yield Case("HEAD", request("HEAD", "/api/v1/info", [("Connection", "close")]), {200}, head=True)
    yield Case("a range", with_headers(("Range", "bytes=0-1,0-1,0-1")), {200})


def lengths():
    """Where a request ends. Whatever is in doubt ends the connection."""

    def raw(headers, body=b""):
        return request("POST", LISTS, [("Content-Type", "application/json")] + headers, body)

    both = [("Content-Length", "4"), ("Transfer-Encoding", "chunked")]
    yield Case("length and chunks", raw(both, b"0\r\n\r\n" + SMUGGLED), REFUSED, ends=True)
    yield Case("chunks and length", raw(both[::-1], b"0\r\n\r\n" + SMUGGLED), REFUSED, ends=True)
    yield Case(
        "two lengths that differ",
        raw([("Content-Length", "2"), ("Content-Length", "40")], b"{}" + SMUGGLED),
        REFUSED,
        ends=True,
    )
    yield Case(
        "two lengths that agree",
        raw([("Content-Length", "2"), ("Content-Length", "2")], b"{}" + SMUGGLED),
        REFUSED,
        ends=True,
    )
    lengths = ["-1", "+2", "2, 2", "0x2", "2 2", "99999999999999999999", "two", ""]
    for length in lengths + ["0\0002", "2\0009", "2\r\n 1"]:
        yield Case(
            "the length " + (repr(length) if length else "of no digits"),
            raw([("Content-Length", length)], b"{}" + SMUGGLED),
            {400, 411, 413, None},
            ends=True,
        )
    yield Case(
        "chunks twice",
        raw([("Transfer-Encoding", "chunked")] * 2, b"0\r\n\r\n" + SMUGGLED),
        {400, 501, None},
        ends=True,
    )
    for coding in ("gzip, chunked", "chunked, gzip", "xchunked", "chunked;q=1", "identity"):
        yield Case(
            "coded as " + coding,
            raw([("Transfer-Encoding", coding)], b"0\r\n\r\n" + SMUGGLED),
            {400, 411, 415, 501, None},
            ends=True,
        )
    chunked = [("Transfer-Encoding", "chunked")]
    for size in ("zz", "-1", "fffffffffffffffff", "0x2", ""):
        yield Case(
            "a chunk of " + (size or "no") + " bytes",
            raw(chunked, f"{size}\r\n{{}}\r\n0\r\n\r\n".encode()),
            {400, 413, None},
            ends=True,
        )
    yield Case(
        "chunks beyond 64 KiB",
        raw(chunked, (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 5 + b"0\r\n\r\n"),
        {413, None},
        ends=True,
    )
    yield Case("a body beyond 64 KiB", post(LISTS, b" " * 65537), {413}, ends=True)
    yield Case(
        "a body of a terabyte", raw([("Content-Length", "1000000000000")], b"{"), {413}, ends=True
    )
    yield Case(
        "a large body that waits for a word",
        raw([("Content-Length", "1000000000"), ("Expect", "100-continue")]),
        {413, 417},
        ends=True,
    )
    yield Case(
        "a request in the body of a GET",
        request("GET", "/health/live", [("Content-Length", len(SMUGGLED))], SMUGGLED),
        {200, 400},
    )
    yield Case("twenty requests at once", SMUGGLED * 20, {200}, answers=20)
    yield Case(
        "a body that is cut",
        raw([("Content-Length", "100")], b'{"items":'),
        {400, 408, None},
        shut=True,
    )


def bodies():
    """JSON."""
    bad = {400, 422}
    yield Case("no body", post(LISTS, b""), REFUSED)
    yield Case("not JSON", post(LISTS, b"items=a"), REFUSED)
    yield Case("another type", post(LISTS, b"{}", kind="text/plain"), {415})
    yield Case("no type", post(LISTS, b"{}", kind=None), {415})
    yield Case("a form", post(LISTS, b"items=a", kind="application/x-www-form-urlencoded"), {415})
    yield Case("a list where an object belongs", post(LISTS, b"[]"), bad)
    yield Case("a number where a list belongs", post(LISTS, b'{"items":1}'), bad)
    yield Case("numbers as ids", post(LISTS, b'{"items":[1,2]}'), bad)
    yield Case("17 levels", post(LISTS, b'{"items":' + b"[" * 17 + b"]" * 17 + b"}"), bad)
    yield Case("30,000 levels", post(LISTS, b"[" * 30000 + b"]" * 30000), bad)
    yield Case("30,000 open levels", post(LISTS, b'{"a":' * 10000), bad)
    yield Case("a key twice", post(LISTS, b'{"items":["a"],"items":["b"]}'), bad)
    yield Case("bytes that are not UTF-8", post(LISTS, b'{"items":["\xff"]}'), bad)
    yield Case("an escaped zero byte in JSON", post(LISTS, b'{"items":["a\\u0000b"]}'), bad)
    yield Case("half a surrogate pair", post(LISTS, b'{"items":["\\ud800"]}'), bad)
    yield Case("NaN", post(LISTS, b'{"items":["a"],"weights":[NaN]}'), bad)
    yield Case("1e999", post(LISTS, b'{"items":["a"],"weights":[1e999]}'), bad)
    yield Case("a negative weight", post(LISTS, b'{"items":["a"],"weights":[-1]}'), bad)
    yield Case("two weights for one item", post(LISTS, b'{"items":["a"],"weights":[1,2]}'), bad)
    yield Case("n 10^30", post(LISTS, b'{"items":["a"],"n":1' + b"0" * 30 + b"}"), bad)
    yield Case("n 2.5", post(LISTS, b'{"items":["a"],"n":2.5}'), bad)
    yield Case("n as a text", post(LISTS, b'{"items":["a"],"n":"10"}'), bad)
    yield Case("JSON and more", post(LISTS, b'{"items":[]}{"items":[]}'), bad)
    yield Case("1,001 items", post(LISTS, json.dumps({"items": ["a"] * 1001}).encode()), bad)
    yield Case(
        "1,001 users", post("/api/v1/batch", json.dumps({"users": ["a"] * 1001}).encode()), bad
    )
    yield Case(
        "an id of 60,000 bytes",
        post(LISTS, b'{"items":["' + b"a" * 60000 + b'"]}'),
        {200, 400, 422},
    )
    yield Case("a mark of byte order", post(LISTS, b'\xef\xbb\xbf{"items":[]}'), bad)


def judge(client, case):
    def enough(got):
        replies = parse(got, case.head)
        return not case.ends and len(replies) >= case.answers and all(r.status for r in replies)

    got, has_ended = client.talk(case.data, shut=case.shut, enough=enough)
    replies = parse(got, case.head)
    for reply in replies:
        if reply.status == 0:
            return "an answer that is none: %r" % reply.body[:200]
        if reply.status not in case.allowed:
            return f"{reply.status}: {reply.body[:200]!r}"
        if reply.status >= 400 and PROBLEM in reply.headers.get("content-type", b""):
            problem = json.loads(reply.body)
            if problem.get("status") != reply.status or not problem.get("detail"):
                return f"these are no problem details: {problem}"
        if reply.status == 500:
            return "500"
        complaint = case.check(reply) if case.check else None
        if complaint:
            return complaint
    if not replies and None not in case.allowed:
        return "no answer" + ("" if has_ended else ", and the connection stays")
    if len(replies) > case.answers or (replies and len(replies) < case.answers):
        return f"{len(replies)} answers, expected {case.answers}"
    if case.ends and not has_ended:
        return "the connection stays open"
    return None


# ---- what takes time ----


def trickle(client, first, seconds):
    """Sends a byte a second; returns how long the server bore it."""
    begin = time.monotonic()
    with client.connect(timeout=2) as s:
        s.sendall(first)
        while time.monotonic() - begin < seconds:
            time.sleep(1)
            try:
                s.sendall(b"a")
                s.settimeout(0.01)
                if s.recv(1000) == b"":
                    break
            except socket.timeout:
                continue
            except OSError:
                break
    return time.monotonic() - begin


def slow_cases(client):
    """Pairs of a name and a complaint or None."""
    bore = trickle(client, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 30)
    yield "a header, a byte a second", None if bore < 15 else f"borne for {bore:.0f} s"
    bore = trickle(
        client,
        request("POST", LISTS, [("Content-Type", "application/json"), ("Content-Length", 60000)]),
        30,
    )
    yield "a body, a byte a second", None if bore < 15 else f"borne for {bore:.0f} s"

    # Somebody who asks much and reads nothing.
    with client.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(2)
        try:
            for _ in range(2000):
                s.sendall(request("GET", "/openapi.json"))
        except OSError:
            pass
        yield "somebody who does not read", None if client.is_alive() else "others wait for it"

    # Somebody who goes away in the middle of things.
    for _ in range(200):
        with client.connect() as s:
            s.sendall(request("GET", "/openapi.json"))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    yield "200 connections that are reset", None if client.is_alive() else "the server is gone"

    # Many connections at once: some are refused, and when they are gone everybody is served.
    held = []
    for _ in range(700):
        try:
            held.append(client.connect(timeout=2))
        except OSError:
            break
    for s in held:
        s.close()
    time.sleep(1)
    yield f"{len(held)} connections at once", (
        None if client.is_alive() else "nobody is served after"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    client = Client(arguments.host, arguments.port)
    if not client.is_alive():
        print("hostile.py: no server there")
        return 1
    failed = total = 0
    cases = [
        case
        for part in (targets, heads, lengths, bodies)
        for case in part()
        if arguments.only in case.name
    ]
    results = ((case.name, judge(client, case)) for case in cases)
    for stream in (results, slow_cases(client) if arguments.slow else ()):
        for name, complaint in stream:
            total += 1
            if not complaint and not client.is_alive():
                complaint = "the server does not answer any more"
            if complaint:
                failed += 1
                print(f"FAILED: {name}: {complaint}")
    print(f"{total} hostile cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
