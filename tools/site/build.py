#!/usr/bin/env python3
"""Builds the documentation site: build/site-source has the repository's pages under the names that
they have there, so that relative links hold in both places, and the pages of the C API; MkDocs
makes build/site of that. A link or an anchor that leads nowhere is an error, and so is a page that
would fetch anything from elsewhere.

  tools/site/build.py            with a Python that has docs/requirements.txt (make site makes one)
"""

import glob
import os
import re
import shutil
import subprocess
import sys

import c_api
import external
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "build", "site-source")
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**/*.md",
    "bench/README.md",
    "bench/results/**/*.md",
)
LINK = re.compile(r"\]\(([^()\s]+)\)")
PYTHON = "python/rankine"  # the package whose docstrings are shown


def copy(name):
    """A page, and the files that it links to."""
    target = os.path.join(SOURCE, name)
    if os.path.exists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.join(ROOT, name), target)
    if not name.endswith(".md"):
        return
    with open(target, encoding="utf-8") as file:
        text = file.read()
    for link in LINK.findall(text):
        path = link.partition("#")[0]
        if not path or ":" in path:
            continue
        linked = os.path.normpath(os.path.join(os.path.dirname(name), path))
        if not linked.startswith("..") and os.path.isfile(os.path.join(ROOT, linked)):
            copy(linked)


def stage():
    shutil.rmtree(SOURCE, ignore_errors=True)
    for pattern in PAGES:
        for path in sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True)):
            copy(os.path.relpath(path, ROOT))
    for name in ("site.css", "iframe-worker.js"):
        shutil.copyfile(os.path.join(ROOT, "tools", "site", name), os.path.join(SOURCE, name))
    c_api.write(os.path.join(ROOT, "include", "rankine"), os.path.join(SOURCE, "docs", "c-api"))
    write_metrics()
    if os.path.isdir(os.path.join(ROOT, PYTHON)):
        with open(os.path.join(SOURCE, "docs", "python-api.md"), "w", encoding="utf-8") as file:
            file.write("# Python API\n\n::: rankine\n")


def write_metrics():
    """From the one table of metrics."""
    with open(os.path.join(ROOT, "src", "base", "metrics.def"), encoding="utf-8") as file:
        text = re.sub(r"\s*\\\n\s*", " ", file.read())
    lines = [
        "# Metrics",
        "",
        "T: the user's held-out items; hit(r): 1 if the item at rank r is one of "
        "them; hits@r: how many are up to rank r; K: the cut-off; n_i: the train users of item i; "
        "place(t): the rank of t among items that are neither seen nor in T. What is ranked and "
        "held out: [evaluation.md](evaluation.md).",
        "",
        "| metric | | |",
        "|---|---|---|",
    ]
    for name, formula, note in re.findall(r'X\((\w+), [A-Z]+, "([^"]*)", "([^"]*)"\)', text):
        lines.append(
            f"| {name} | `{formula.replace('|', '&#124;')}` | {note.replace('|', '&#124;')} |"
        )
    lines += [
        "",
        "With `eval.style`, where others do otherwise:",
        "",
        "| style | metric | |",
        "|---|---|---|",
    ]
    for style, name, formula in re.findall(r'X\((\w+), ([a-z]\w*), "([^"]*)"\)', text):
        lines.append(f"| {style} | {name} | `{formula.replace('|', '&#124;')}` |")
    lines += ["", "Of predicted ratings r, p the prediction:", "", "| error | |", "|---|---|"]
    lines += [
        f"| {name} | `{formula.replace('|', '&#124;')}` |"
        for name, formula in re.findall(r'X\([A-Z_]+, (\w+), "([^"]*)"\)', text)
    ]
    with open(os.path.join(SOURCE, "docs", "metrics.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


class Nav:
    """The nav of mkdocs.yml as it can be: pages that are not there are left out, folders become
    their pages, and pages that it does not name come last."""

    def __init__(self):
        self.pages = {
            os.path.relpath(path, SOURCE)
            for path in glob.glob(os.path.join(SOURCE, "**", "*.md"), recursive=True)
        }
        self.named = set()

    def names(self, nav):
        """All that is named by itself, so that folders do not take it."""
        for entry in nav:
            for value in entry.values() if isinstance(entry, dict) else (entry,):
                if isinstance(value, list):
                    self.names(value)
                else:
                    self.named.add(value)

    def fill(self, nav):
        filled = []
        for entry in nav:
            title, value = next(iter(entry.items())) if isinstance(entry, dict) else (None, entry)
            if isinstance(value, list):
                value = self.fill(value)
            elif value not in self.pages:
                inside = sorted(
                    (page for page in self.pages - self.named if os.path.dirname(page) == value),
                    key=lambda page: (not page.endswith("/index.md"), page),
                )
                self.named.update(inside)
                value = inside
            if value:
                filled.append({title: value} if title else value)
        return filled

    def whole(self, nav):
        self.names(nav)
        filled = self.fill(nav)
        rest = sorted(self.pages - self.named)
        return filled + ([{"More": rest}] if rest else [])


def write_config():
    """mkdocs.yml with this nav, beside the original: its paths start there."""
    with open(os.path.join(ROOT, "mkdocs.yml"), encoding="utf-8") as file:
        config = yaml.safe_load(file)
    config["nav"] = Nav().whole(config["nav"])
    if os.path.isdir(os.path.join(ROOT, PYTHON)):
        handlers = {
            "python": {
                "paths": [os.path.join(ROOT, os.path.dirname(PYTHON))],
                "options": {
                    "show_source": False,
                    "show_root_heading": False,
                    "show_submodules": False,
                    "docstring_style": "google",
                    "members_order": "source",
                    "heading_level": 2,
                    "show_if_no_docstring": False,
                },
            }
        }
        config["plugins"].append({"mkdocstrings": {"handlers": handlers}})
    config["docs_dir"] = SOURCE
    config["site_dir"] = os.path.join(ROOT, "build", "site")
    config["hooks"] = [os.path.join(ROOT, hook) for hook in config["hooks"]]
    path = os.path.join(ROOT, "build", "mkdocs.yml")
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(config, file, sort_keys=False)
    return path


def main():
    stage()
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", write_config()],
        check=False,
        env=dict(os.environ, NO_MKDOCS_2_WARNING="1", PYTHONDONTWRITEBYTECODE="1"),
    )
    if done.returncode:
        sys.exit("make site: MkDocs found what is above")
    found = external.scan(os.path.join(ROOT, "build", "site"))
    if found:
        sys.exit("make site: pages would fetch from elsewhere:\n" + "\n".join(found))
    print("built build/site/index.html")


if __name__ == "__main__":
    main()
