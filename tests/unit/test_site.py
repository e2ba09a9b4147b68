#!/usr/bin/env python3
"""What needs no package of the documentation site: relative links of every page lead somewhere,
anchors included; each public function is on a page of the C API; what a page would fetch is found.

usage: test_site.py SOURCES
"""

import glob
import os
import re
import sys
import tempfile
import unittest

ROOT = os.path.abspath(sys.argv.pop(1))
sys.path.insert(0, os.path.join(ROOT, "tools", "site"))
import c_api  # noqa: E402
import external  # noqa: E402

LINK = re.compile(r"\]\(([^()\s]+)\)")


def pages():
    for pattern in ("*.md", "docs/**/*.md", "bench/**/*.md"):
        yield from sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True))


def text_of(path):
    """Without blocks of code, in which nothing is a link."""
    with open(path, encoding="utf-8") as file:
        return re.sub(r"(?ms)^```.*?^```$|`[^`\n]*`", "", file.read())


def anchors(path):
    found = set()
    for title in re.findall(r"(?m)^#+ (.*)$", text_of(path)):
        plain = re.sub(r"[^\w\- ]", "", title.lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


class Links(unittest.TestCase):
    def test_every_page(self):
        wrong, count = [], 0
        for path in pages():
            for link in LINK.findall(text_of(path)):
                file, _, anchor = link.partition("#")
                if re.match(r"[a-z]+:", link):
                    continue
                count += 1
                target = os.path.join(os.path.dirname(path), file) if file else path
                if not os.path.exists(target):
                    wrong.append(f"{os.path.relpath(path, ROOT)}: {link}")
                elif anchor and target.endswith(".md") and anchor not in anchors(target):
                    wrong.append(f"{os.path.relpath(path, ROOT)}: no heading for {link}")
        self.assertEqual(wrong, [])
        self.assertGreater(count, 50)


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


class Readme(unittest.TestCase):
    """README.md is short and leads to everything; nothing is missing where it leads to."""

    def test_is_read_in_five_minutes(self):
        self.assertLess(read("README.md").count("\n"), 300)

    def test_leads_to_every_page(self):
        found = LINK.findall(text_of(os.path.join(ROOT, "README.md")))
        links = {link.partition("#")[0] for link in found}
        missing = [
            name
            for name in os.listdir(os.path.join(ROOT, "docs"))
            if name.endswith(".md") and f"docs/{name}" not in links
        ]
        self.assertEqual(missing, [])

    def test_every_model_has_its_rows(self):
        choices = read("src", "base", "choices.def")
        names = re.findall(r'X\(RK_MODEL_\w+, "([^"]+)"\)', choices)
        self.assertGreater(len(names), 25)
        for page in ("models.md", "results.md"):
            text = read("docs", page)
            self.assertEqual([name for name in names if f"`{name}`" not in text], [], page)

    def test_every_preset_is_listed(self):
        text = read("docs", "configs.md")
        names = [
            name[: -len(".yaml")]
            for name in os.listdir(os.path.join(ROOT, "configs"))
            if name.endswith(".yaml")
        ]
        self.assertGreater(len(names), 30)
        missing = [n for n in names if f"`{n}`" not in text and f"`configs/{n}.yaml`" not in text]
        self.assertEqual(sorted(missing), [])

    def test_the_picture_is_that_of_the_measurement(self):
        """README shows the upper part of the drawing that bench/peers makes."""
        shown = read("docs", "images", "peers.svg").split("\n")[2:-2]
        whole = read("bench", "results", "lastfm-peers-cpu.svg").split("\n")[2:]
        self.assertGreater(len(shown), 20)
        self.assertEqual(shown, whole[: len(shown)])

    def test_every_row_of_results_is_there(self):
        text = read("docs", "results.md")
        rows = re.findall(r"(?m)^([a-z0-9-]+),", read("configs", "results", "rows.csv"))
        self.assertGreater(len(rows), 30)
        self.assertEqual([name for name in rows if name not in text], [])


class CApi(unittest.TestCase):
    def test_every_function_is_there(self):
        headers = os.path.join(ROOT, "include", "rankine")
        with tempfile.TemporaryDirectory() as folder:
            c_api.write(headers, folder)
            for name in os.listdir(headers):
                with open(os.path.join(headers, name), encoding="utf-8") as file:
                    code = c_api.COMMENT.sub("", file.read())
                with open(os.path.join(folder, name[:-2] + ".md"), encoding="utf-8") as file:
                    page = file.read()
                for function in c_api.FUNCTION.findall(code):
                    self.assertRegex(page, rf"(?m)^### .*\b{function}\b", name)

    def test_a_header(self):
        page = c_api.page(
            "x.h",
            """/*
 * What it is, <b>.
 *
 *     an example
 */
#ifndef RANKINE_X_H
#define RANKINE_X_H

/* ---- making ---- */

/* Makes *out. */
RK_API rk_status rk_make(int n,
                         rk_x **out);

typedef struct rk_y {
    int a; /* a part */

    /* Another. */
    int b;
} rk_y;

#endif
""",
        )
        self.assertIn("\n\nWhat it is, \\<b\\>.\n", page)
        self.assertIn("\n    an example\n", page)
        self.assertIn("## making\n\n### rk_make\n\n```c\nRK_API rk_status rk_make(int n,\n", page)
        self.assertIn("```\n\nMakes \\*out.\n", page)
        self.assertIn("### rk_y\n\n```c\ntypedef struct rk_y {\n    int a; /* a part */\n\n", page)
        self.assertNotIn("endif", page)


class External(unittest.TestCase):
    def scan(self, text, name="x.html"):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
            return external.scan(folder)

    def test_what_loads(self):
        for text in (
            '<script src="https://a.b/c.js"></script>',
            "<img src='//a.b/c.png'>",
            '<link rel="stylesheet" href="http://a.b/c.css">',
            '<p style="background: url(https://a.b/c.png)">',
        ):
            self.assertEqual(len(self.scan(text)), 1, text)
        self.assertEqual(len(self.scan("a { src: url('https://a.b/c.woff2') }", "x.css")), 1)

    def test_what_does_not(self):
        for text in (
            '<a href="https://a.b/">',
            '<script src="assets/x.js"></script>',
            '<link rel="canonical" href="https://a.b/">',
            '<img src="data:image/png,x">',
        ):
            self.assertEqual(self.scan(text), [], text)


if __name__ == "__main__":
    unittest.main()
