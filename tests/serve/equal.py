#!/usr/bin/env python3
"""HTTP answers what the command line answers: users, lists, similar items and scores of a run.

    RANKINE=build/release/bin/rankine tests/serve/equal.py RUN [--users N] [--lists N] [--threads N]

The same ids, labels, bases and reasons, and the same digits of every score. Users are asked by
several threads at once, so that their questions are answered together; lists and context are drawn
by a seed. A model that cannot answer something must be refused by both.
"""

import argparse
import concurrent.futures
import json
import random
import subprocess
import sys
import tempfile
import threading

from server import PROGRAM, Server, quote

REASONS = 3


def rankine(*words, stdin=None):
    done = subprocess.run(
        [PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        input=stdin,
        check=False,
    )
    return (
        done.returncode,
        done.stderr,
        json.loads(done.stdout, parse_float=str) if done.returncode == 0 else None,
    )


def texts(value, key=""):
    """Ids as strings, as HTTP has them."""
    if isinstance(value, dict):
        return {k: texts(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [texts(v, key) for v in value]
    is_id = key in ("user", "item", "items", "untrained_items")
    return str(value) if is_id and isinstance(value, int) else value


def without(value, *keys):
    """Leaves out what the command line does not have."""
    if isinstance(value, dict):
        return {k: without(v, *keys) for k, v in value.items() if k not in keys}
    return [without(v, *keys) for v in value] if isinstance(value, list) else value


class Comparison:
    def __init__(self, server):
        self.server = server
        self.local = threading.local()
        self.done = self.wrong = 0

    def client(self):
        if not hasattr(self.local, "client"):
            self.local.client = self.server.client()
        return self.local.client

    def same(self, what, ours, theirs):
        self.done += 1
        theirs = without(theirs, "share", "unknown_items")
        if ours != theirs:
            self.wrong += 1
            if self.wrong <= 5:
                print(
                    f"{what} differs:\n  rankine {json.dumps(ours)[:1500]}\n  http    "
                    f"{json.dumps(theirs)[:1500]}"
                )

    def refused(self, what, code, error, path, body=None):
        """Both must refuse it, HTTP with a sentence."""
        status, answer = self.client().ask(path, body)
        self.done += 1
        if status not in (400, 404, 422) or not answer.get("detail"):
            self.wrong += 1
            print(f"{what}: rankine refuses ({code}: {error.strip()}), http says {status} {answer}")


def each(threads, work, things):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for result in pool.map(work, things):
            assert result is None


def compare_users(c, run, users, top, around, threads, explains=True):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(u + "\n" for u in users))
        file.flush()
        words = ["--users", file.name, "--top", str(top), "--json"] + ["--explain"] * explains
        words += ["--context", *[f"{k}={v}" for k, v in around.items()]] if around else []
        code, error, answers = rankine("recommend", run, *words)
    query = f"?n={top}" + f"&reasons={REASONS}" * explains
    query += "".join(f"&context={quote(k + '=' + v)}" for k, v in around.items())
    if code != 0:
        c.refused("users", code, error, f"/api/v1/users/{quote(users[0])}/recommendations{query}")
        if explains:  # a model without reasons still answers
            compare_users(c, run, users, top, around, threads, False)
        return

    def one(pair):
        path = f"/api/v1/users/{quote(pair[0])}/recommendations{query}"
        c.same("user " + pair[0], texts(pair[1]), c.client().get(path))

    each(threads, one, list(zip(users, answers)))
    body = {"users": users[:200], "n": top}
    if around:
        body["context"] = around
    # a connection of its own: one that is kept is closed when nobody asks for a minute
    results = c.server.client().get("/api/v1/batch", body)["results"]
    for ours, theirs in zip(answers, results):
        c.same("a batch", without(texts(ours), "reasons", "reasons_sum", "reasons_exact"), theirs)


def compare_lists(c, run, lists, top, around, ratings):
    context = ["--context", *[f"{k}={v}" for k, v in around.items()]] if around else []

    def one(items):
        body = {"items": items, "n": top, "reasons": REASONS}
        words = ["--items", *items, "--top", str(top), "--json", "--explain", *context]
        if ratings:
            body["weights"] = [ratings] * len(items)
            words += ["--ratings", ",".join([str(ratings)] * len(items))]
        if around:
            body["context"] = around
        code, error, answers = rankine("recommend", run, *words)
        if code != 0:
            c.refused("a list", code, error, "/api/v1/recommendations", body)
            return
        http = c.client().get("/api/v1/recommendations", body)
        c.same(f"the list {items}", texts(answers[0]), http)

    each(2, one, lists)


def compare_similar(c, run, items, top, threads):
    # The command takes thousands of words, but a command line has its limits.
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(i + "\n" for i in items))
        file.flush()
        code, error, answers = rankine(
            "similar", run, "--items", "@" + file.name, "--top", str(top), "--json"
        )
    if code != 0:
        c.refused("similar items", code, error, f"/api/v1/items/{quote(items[0])}/similar")
        return
    each(
        threads,
        lambda pair: c.same(
            "item " + pair[0],
            texts(pair[1]),
            c.client().get(f"/api/v1/items/{quote(pair[0])}/similar?n={top}"),
        ),
        list(zip(items, answers)),
    )


def compare_scores(c, run, pairs, around):
    context = ["--context", *[f"{k}={v}" for k, v in around.items()]] if around else []
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("user_id\titem_id\n" + "".join(f"{u}\t{i}\n" for u, i in pairs))
        file.flush()
        code, error, answers = rankine("score", run, "--pairs", file.name, "--json", *context)
    body = {"pairs": [{"user": u, "item": i} for u, i in pairs]}
    if around:
        body["context"] = around
    if code != 0:
        c.refused("scores", code, error, "/api/v1/scores", body)
        return
    scores = c.server.client().get("/api/v1/scores", body)["scores"]
    for ours, theirs in zip(texts(answers), scores):
        c.same("a score", ours, theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--lists", type=int, default=5)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--context", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--ratings", type=float, help="that every item of a list gets")
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    draw = random.Random(a.seed)
    around = dict(word.split("=", 1) for word in a.context)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [PROGRAM, "export", a.run, "--format", "npz", "--out", folder + "/ids"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        users, items = (
            [line.rstrip("\n") for line in open(f"{folder}/ids/{kind}_ids.txt", encoding="utf-8")]
            for kind in ("user", "item")
        )
    with Server(a.run) as server:
        c = Comparison(server)
        some = draw.sample(users, min(a.users, len(users)))
        lists = [draw.sample(items, min(draw.randint(1, 12), len(items))) for _ in range(a.lists)]
        compare_users(c, a.run, some, a.top, around, a.threads)
        compare_lists(c, a.run, lists, a.top, around, a.ratings)
        compare_similar(c, a.run, draw.sample(items, min(a.users, len(items))), a.top, a.threads)
        compare_scores(
            c,
            a.run,
            [(draw.choice(users), draw.choice(items)) for _ in range(min(a.users, 500))],
            around,
        )
        code = server.stop()
    print(f"{a.run}: {c.done} answers compared, {c.wrong} differ")
    return 1 if c.wrong or code or not c.done else 0


if __name__ == "__main__":
    sys.exit(main())
