#!/usr/bin/env bash
# The Python package over the library of this build: pytest over tests/python. Under CI the packages
# of requirements.txt are installed into build/.../python-env; elsewhere PYTHON names a Python that
# has them, or it is skipped.
. "$(dirname "$0")/../cli/lib.sh"
here=$RANKINE_SOURCE/tests/python
skip() {
    echo "skip: $*"
    exit 77
}
[ -z "$RANKINE_SANITIZE" ] || skip "a Python without sanitizers does not load a library with them"
environment=$RANKINE_BINARY/python-env
if [ -n "${CI:-}" ] && [ ! -x "$environment/bin/pytest" ]; then
    python3 -m venv "$environment" &&
        "$environment/bin/pip" install -q -r "$here/requirements.txt" ||
        rm -rf "$environment"
fi
python=${PYTHON:-$environment/bin/python}
"$python" -c 'import numpy, pandas, pyarrow, scipy, pytest' 2>/dev/null ||
    skip "$python has no numpy, pandas, pyarrow, scipy, pytest (pip install -r" \
        "tests/python/requirements.txt; PYTHON=...)"
export PYTHONPATH=$RANKINE_SOURCE/python PYTHONDONTWRITEBYTECODE=1
export RANKINE_LIBRARY=$RANKINE_BINARY/src/librankine.so
"$python" -m pytest -q -c "$RANKINE_SOURCE/pyproject.toml" --rootdir "$here" \
    --basetemp "$PWD/pytest" "$here" || fail "pytest"
finish
