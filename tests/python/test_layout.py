"""The ctypes structures are those of the headers: a C program says where every member lies."""
import ctypes
import os
import re
import subprocess
from pathlib import Path

from rankine import _abi

SOURCE = Path(os.environ.get("RANKINE_SOURCE", Path(__file__).parents[2]))
CONSTANTS = (_abi.STATUSES, _abi.LOG_LEVELS, _abi.PARTS, _abi.TENSOR_TYPES, _abi.BASES,
             _abi.NEW_IDS, _abi.SWEEP_METHODS, _abi.EXPORTS)


def test_layouts_and_constants(tmp_path):
    lines, expected = [], []

    def ask(expression, value):
        lines.append(f'printf("%lld\\n", (long long)({expression}));')
        expected.append((expression, value))

    for name, structure in _abi.STRUCTURES.items():
        ask(f"sizeof({name})", ctypes.sizeof(structure))
        for field in structure._fields_:
            member = getattr(structure, field[0])
            ask(f"offsetof({name}, {field[0]})", member.offset)
            ask(f"sizeof((({name} *)0)->{field[0]})", member.size)
    for names in CONSTANTS:
        for value, name in enumerate(names):
            ask(name, value)
    ask("RK_STATUS_COUNT", len(_abi.STATUSES))
    ask("RK_ID_BYTES", _abi.ID_BYTES)
    ask("RK_RATING_ERRORS", _abi.RATING_ERRORS)
    ask("RK_ABI_VERSION", _abi.ABI_VERSION)
    code = tmp_path / "layout.c"
    code.write_text("#include <stddef.h>\n#include <stdio.h>\n#include <rankine/rankine.h>\n"
                    "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
    subprocess.run([os.environ.get("CC", "cc"), "-I", SOURCE / "include", code, "-o",
                    tmp_path / "layout"], check=True)
    out = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    assert [(e, int(v)) for (e, _), v in zip(expected, out.split())] == expected


def test_no_member_is_forgotten():
    """Structures that C fills must not be longer there: each member of the header is mirrored."""
    headers = "".join(p.read_text() for p in (SOURCE / "include/rankine").glob("*.h"))
    headers = re.sub(r"/\*.*?\*/", "", headers, flags=re.S)
    for name, structure in _abi.STRUCTURES.items():
        body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (name, name), headers, re.S)
        members = []
        for line in body.group(1).split(";"):
            callback = re.search(r"\(\*(\w+)\)\(", line)
            if callback:
                members.append(callback.group(1))
            elif line.strip():
                members += [re.search(r"(\w+)\s*(\[\w+\])?$", part.strip()).group(1)
                            for part in line.split(",")]
        assert members == [field[0] for field in structure._fields_], name
