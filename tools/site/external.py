"""Whether a built site would fetch anything from elsewhere: every element of a page that loads by
itself (scripts, styles, pictures, fonts), and every url() and @import of a style. Links to follow
are free."""

import glob
import html.parser
import os
import re

LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}
FOLLOWED = {"canonical", "prev", "next", "alternate", "author", "license"}
ELSEWHERE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
IN_STYLE = re.compile(
    r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")\s]+)", re.IGNORECASE
)


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        address = values.get(LOADS.get(tag, "")) or ""
        if tag == "link" and not FOLLOWED & set((values.get("rel") or "").split()):
            address = values.get("href") or ""
        if ELSEWHERE.match(address):
            self.found.append(f"<{tag}> {address}")
        self.found += [
            f"style {address}" for address in IN_STYLE.findall(values.get("style") or "")
        ]


def scan(folder):
    """Lines "FILE: what", none where all is well."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "**", "*"), recursive=True)):
        if not path.endswith((".html", ".css", ".svg")):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if path.endswith(".css"):
            here = IN_STYLE.findall(text)
        else:
            page = Page()
            page.feed(text)
            here = page.found
        found += [f"{os.path.relpath(path, folder)}: {what}" for what in here]
    return found
