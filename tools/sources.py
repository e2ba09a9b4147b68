"""The source files that the checks read, and C text without comments and strings."""
import os
import re

ROOMS = ("include", "src", "kernels", "tests", "bench", "tools", "cmake")


def find(root, endings):
    """Paths relative to root, sorted, of the files in ROOMS with these endings."""
    found = []
    for room in ROOMS:
        for folder, folders, files in os.walk(os.path.join(root, room)):
            folders[:] = [name for name in folders if name != "__pycache__"]
            found += [
                os.path.relpath(os.path.join(folder, name), root)
                for name in files
                if name.endswith(endings)
            ]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    text = match.group()
    if text[0] == "/":
        return "\n" * text.count("\n")
    return text[0] * 2


def code_of(text):
    """C text without comments and with empty strings; line numbers are kept."""
    return TOKEN.sub(blank, text)
