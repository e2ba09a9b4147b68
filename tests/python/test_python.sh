#!/usr/bin/env bash
# The Python package over the library of this build: pytest over tests/python. PYTHON names a Python
# with the packages of requirements.txt; CI makes one.
. "$(dirname "$0")/../cli/lib.sh"
here=$RANKINE_SOURCE/tests/python
[ -z "$RANKINE_SANITIZE" ] || {
    echo "skip: a Python without sanitizers does not load a library with them"
    exit 77
}
needs_python python "$here/requirements.txt" "numpy, pandas, pyarrow, scipy, pytest"
export PYTHONPATH=$RANKINE_SOURCE/python PYTHONDONTWRITEBYTECODE=1
export RANKINE_LIBRARY=$RANKINE_BINARY/src/librankine.so
"$python" -m pytest -q -c "$RANKINE_SOURCE/pyproject.toml" --rootdir "$here" \
    --basetemp "$PWD/pytest" "$here" || fail "pytest"
finish
