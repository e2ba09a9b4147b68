#!/usr/bin/env bash
# The wheel as those get it who install it: made by tools/make_wheel.sh, put with NumPy alone into a
# fresh environment (smoke.py), then laid beside its own program (test_package.py) and used by the
# notebook. What people may give and the like, test_python.sh asks of the same library. Nothing of
# this tree's builds is in reach. Needs the packages of tools/install_packages.sh build wheel, and
# PyPI.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/build/check-wheel
rm -rf "$here"
mkdir -p "$here"
"$root/tools/python_environment.sh" "$root/build/env-wheel" "$root/tools/requirements-wheel.txt"
PYTHON=$root/build/env-wheel/bin/python "$root/tools/make_wheel.sh" "$here/wheel"
python3 -m venv "$here/env"
"$here/env/bin/pip" install -q "$here"/wheel/rankine-*.whl
unset PYTHONPATH RANKINE_LIBRARY PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$root/build/pycache OMP_NUM_THREADS=2 RANKINE_SOURCE=$root
export RANKINE=$here/env/bin/rankine
cd "$here"
"$here/env/bin/python" "$root/tests/python/smoke.py" "$here"/wheel/rankine-*.whl
# What the tests ask for is there already where `make test` has run as CI does; it comes after the
# packages of this environment.
site='import sysconfig; print(sysconfig.get_path("purelib"))'
if cmp -s "$root/tests/python/requirements.txt" "$root/build/env-python/made"; then
    "$root/build/env-python/bin/python" -c "$site" >"$("$here/env/bin/python" -c "$site")/tests.pth"
else
    "$here/env/bin/pip" install -q -r "$root/tests/python/requirements.txt"
fi
"$here/env/bin/python" -m pytest -q -c "$root/pyproject.toml" --rootdir "$root/tests/python" \
    --basetemp "$here/pytest" "$root"/tests/python/test_{package,notebook}.py
