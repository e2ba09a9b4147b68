#!/usr/bin/env bash
# tests/python/test_torch.py alone, over the library of this build. PyPI's torch brings CUDA's
# libraries, gigabytes, so only `make test-torch` installs it; PYTHON names a Python that has it.
. "$(dirname "$0")/../cli/lib.sh"
here=$RANKINE_SOURCE/tests/python
python=${PYTHON:-$RANKINE_SOURCE/build/env-torch/bin/python}
[ -z "$RANKINE_SANITIZE" ] || {
    echo "skip: a Python without sanitizers does not load a library with them"
    exit 77
}
"$python" -c "import torch, numpy, pytest" 2>/dev/null || {
    echo "skip: no torch, which is gigabytes on PyPI: make test-torch installs it"
    exit 77
}
unset PYTHONDONTWRITEBYTECODE
export PYTHONPATH=$RANKINE_SOURCE/python PYTHONPYCACHEPREFIX=$RANKINE_SOURCE/build/pycache
export RANKINE_LIBRARY=$RANKINE_BINARY/src/librankine.so
"$python" -m pytest -q -c "$RANKINE_SOURCE/pyproject.toml" --rootdir "$here" \
    --basetemp "$PWD/pytest" "$here/test_torch.py" || fail "pytest"
finish
