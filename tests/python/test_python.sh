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
# Bytecode lies together: that of the packages is used again, and none gets into the source tree.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPATH=$RANKINE_SOURCE/python PYTHONPYCACHEPREFIX=$RANKINE_SOURCE/build/pycache
export RANKINE_LIBRARY=$RANKINE_BINARY/src/librankine.so
others=()
# The notebook is executed by check_wheel.sh, the next stage of .ci/run.
[ -z "${CI:-}" ] || others=(--ignore "$here/test_notebook.py")
"$python" -m pytest -q -c "$RANKINE_SOURCE/pyproject.toml" --rootdir "$here" \
    --basetemp "$PWD/pytest" "${others[@]}" "$here" || fail "pytest"
finish
