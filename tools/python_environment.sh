#!/usr/bin/env bash
# A Python environment in FOLDER with the packages of REQUIREMENTS, from PyPI. One that is there
# stays as long as REQUIREMENTS is what it was made of.
#
#   tools/python_environment.sh FOLDER REQUIREMENTS
#
# uv, which is first installed into build/uv, makes it in a tenth of the time that pip would take.
# Nothing is compiled ahead; most modules are never imported.
set -euo pipefail
folder=${1:?usage: tools/python_environment.sh FOLDER REQUIREMENTS}
requirements=${2:?usage: tools/python_environment.sh FOLDER REQUIREMENTS}
cmp -s "$requirements" "$folder/made" && exit 0
build=$(cd "$(dirname "$0")/.." && pwd)/build
mkdir -p "$build"
exec 9>"$build/uv.lock"
flock 9 # two tests may be the first
[ -x "$build/uv/bin/uv" ] || {
    python3 -m venv "$build/uv"
    "$build/uv/bin/pip" install -q --no-compile uv==0.13.9
}
export UV_CACHE_DIR=$build/uv/cache UV_PYTHON_DOWNLOADS=never
"$build/uv/bin/uv" venv -q --seed --clear --python "$(command -v python3)" "$folder"
"$build/uv/bin/uv" pip install -q --python "$folder/bin/python" -r "$requirements"
cp "$requirements" "$folder/made"
