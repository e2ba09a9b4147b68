#!/usr/bin/env python3
"""A page of `rankine report`, held against an expectation.

usage: page.py FILE EXPRESSION

The page parses, every element that is opened is closed, there is nothing in it but what pages are
made of, and nothing comes from elsewhere. With its text in `text`, its source in `source`, its
tables as lists of rows in `tables` (by class) and report.json of the run a in `j`, the expression
must be true.
"""
import html.parser
import json
import os
import sys

VOID = {"meta"}
TAGS = set(
    "html head meta title style body h1 h2 h3 p nav a div span i b small bdi code pre table tr th "
    "td ol li details summary figure figcaption svg g line path circle text".split()
)
ATTRIBUTES = set(
    "lang charset name content class id href style colspan d x y x1 x2 y1 y2 cx cy r viewbox role "
    "aria-label text-anchor stroke-width".split()
)
OVERRIDE = "\u202e"  # turns what comes behind it round
BLOCKS = set("td th title pre text h1 h3 summary figcaption span bdi li".split())


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.stack, self.words, self.tables, self.tags = [], [], {}, []
        self.table = self.cell = None

    def look_at(self, tag, attributes):
        self.tags.append(tag)
        assert tag in TAGS, (tag, self.getpos())
        for key, value in attributes:
            assert key in ATTRIBUTES, (tag, key, self.getpos())
            assert key != "href" or value.startswith("#"), (tag, value)

    def handle_starttag(self, tag, attributes):
        self.look_at(tag, attributes)
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "table":
            self.table = self.tables.setdefault(dict(attributes).get("class", ""), [])
        if tag == "tr":
            self.table.append([])
        if tag in ("td", "th"):
            self.cell = ""

    def handle_startendtag(self, tag, attributes):
        self.look_at(tag, attributes)

    def handle_endtag(self, tag):
        assert self.stack and self.stack.pop() == tag, (tag, self.stack[-4:], self.getpos())
        if tag in ("td", "th"):
            self.table[-1].append(self.cell)
            self.cell = None

    def handle_data(self, data):
        assert OVERRIDE not in data or self.stack[-1] in BLOCKS, (self.stack, data)
        self.words.append(data)
        if self.cell is not None:
            self.cell += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data):
        raise AssertionError(f"a declaration: {data}")

    def handle_pi(self, data):
        raise AssertionError(f"an instruction: {data}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        source = file.read()
    page = Page()
    page.feed(source)
    page.close()
    assert not page.stack, page.stack
    assert "nan" not in source.split("<body>")[0]
    known = {"source": source, "text": " ".join(page.words), "tables": page.tables}
    known["value"] = lambda number: f"{number:.5f}"
    known["json"] = json
    if os.path.exists("a/report.json"):
        with open("a/report.json", encoding="utf-8") as file:
            known["j"] = json.load(file)
    sys.exit(0 if eval("(" + sys.argv[2] + ")", known) else 1)


main()
