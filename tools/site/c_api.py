"""Pages of the C API from the public headers: a page a header with its first comment, and of each
declaration its code and the comment before it, as they stand there."""

import os
import re

COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
SECTION = re.compile(r"^-{2,} (.*?) -{2,}$")
FUNCTION = re.compile(r"RK_API[^;(]*?\b(rk_\w+)\(")
NAME = re.compile(r"\b(?:RK_|rk_)\w+")
SKIPPED = ("#ifndef", "#ifdef", "#endif", "#include", "#if ", "#else", 'extern "C" {', "}")


def lines_of(comment):
    """Without stars and the indentation that all lines have: one blank, or, where lines have no
    stars, three."""
    first, *rest = comment.strip("\n").split("\n")
    return [first.strip().removeprefix("* ")] + [
        re.sub(r"^ \* ?|^ {3}|^ \*$", "", line.rstrip()) for line in rest
    ]


def markdown(comment):
    """Text as it is, but that nothing in it is Markdown; what is indented is shown as code."""
    out = []
    for line in lines_of(comment):
        if line.startswith("    ") and line.strip():
            out.append(line)
        else:
            if out and out[-1].startswith("    ") and line:
                out.append("")
            out.append(re.sub(r"([*_<>\[\]#|\\])", r"\\\1", line.strip()))
    text = "\n".join(out).strip("\n")
    return re.sub(r"(?m)^((?!    ).+)\n(?=    )", r"\1\n\n", text)


def split(text):
    """The header as ("comment" | "code", text) in order."""
    place = 0
    for found in COMMENT.finditer(text):
        if found.start() > 0 and text[found.start() - 1] != "\n":
            continue  # behind code or inside of a type: part of it
        yield "code", text[place : found.start()]
        yield "comment", found.group(1)
        place = found.end()
    yield "code", text[place:]


def declarations(code):
    """Blocks between empty lines, without what a compiler alone reads."""
    blocks, depth, block = [], 0, []
    for line in code.split("\n"):
        plain = line.strip()
        if (
            depth == 0
            and not block
            and (not plain or plain.startswith(SKIPPED[:-1]) or plain == "}")
        ):
            continue
        if depth == 0 and not plain:
            blocks.append("\n".join(block))
            block = []
            continue
        block.append(line)
        depth += line.count("{") - line.count("}")
    return [b for b in [*blocks, "\n".join(block)] if b.strip()]


def names_of(code):
    """What a block declares: of functions their names, of a type the one at its end."""
    if code.startswith("#define"):
        return [code.split()[1].partition("(")[0]]
    bare = re.sub(r"\{.*?\n?\}", "", COMMENT.sub("", code), flags=re.DOTALL)
    functions = FUNCTION.findall(bare)
    return functions or NAME.findall(bare)[-1:]


def page(name, text):
    lines, pending, is_first = [f"# rankine/{name}", ""], None, True
    for kind, part in split(text):
        if kind == "comment":
            if pending is not None and pending.strip():
                lines += [markdown(pending), ""]
            section = SECTION.match(part.strip())
            if section:
                lines += [f"## {section.group(1)}", ""]
                pending = None
            elif is_first:
                lines += [markdown(part), ""]
                is_first = False
            else:
                pending = part
            continue
        for block in declarations(part):
            if re.fullmatch(r"#define RANKINE_\w+_H", block.split("\n")[0].strip()):
                block = "\n".join(block.split("\n")[1:]).strip("\n")
            if not block.strip():
                continue
            names = names_of(block)
            if names == ["RK_API"]:
                continue  # what compilers want
            lines += [f"### {', '.join(names)}", ""] if names else []
            lines += ["```c", block, "```", ""]
            if pending:
                lines += [markdown(pending), ""]
                pending = None
    return "\n".join(lines)


def write(headers, folder):
    """Every header of a folder; index.md lists them by the first sentence of each."""
    os.makedirs(folder, exist_ok=True)
    rows = []
    for name in sorted(os.listdir(headers)):
        with open(os.path.join(headers, name), encoding="utf-8") as file:
            text = file.read()
        stem = name.removesuffix(".h")
        with open(os.path.join(folder, f"{stem}.md"), "w", encoding="utf-8") as file:
            file.write(page(name, text) + "\n")
        first = markdown(COMMENT.search(text).group(1)).split("\n\n")[0].replace("\n", " ")
        rows.append(f"| [rankine/{name}]({stem}.md) | {first} |")
    with open(os.path.join(folder, "index.md"), "w", encoding="utf-8") as file:
        file.write(
            "# C API\n\nLink with `-lrankine` (`pkg-config --cflags --libs rankine`); "
            "`rankine/rankine.h` includes all of them.\n\n| header | |\n|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
