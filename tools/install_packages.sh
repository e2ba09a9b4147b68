#!/usr/bin/env bash
# Installs the system packages that Rankine needs, on Debian 12 or 13 and Ubuntu 24.04.
#
#   tools/install_packages.sh [GROUP...]          install what is missing (default: build test)
#   tools/install_packages.sh --print GROUP...    print the names, one line, and do nothing else
#
# Groups: build, cuda (beside the toolkit: nvcc's host compiler), test, mpi (for runs of several
# ranks; test has it, too), runtime and mpi-runtime (of an installed rankine), dist (a tree with its
# libraries bundled), wheel (tools/make_wheel.sh), image (for the test that builds the Dockerfile),
# clang (the second compiler: sanitizers and fuzzing), format, cache (.ci/run compiles equal objects
# once).
# If nothing is missing, it neither uses the network nor asks for a password.
set -euo pipefail

# gcc only recommends libc6-dev, and recommended packages are not installed here.
#
# OpenBLAS comes in three builds with the same file name. The OpenMP build runs a call from inside a
# parallel region on the calling thread alone, and outside of one it uses the thread pool that the
# program has anyway. The pthread build starts a pool of its own under every caller, and the serial
# build cannot use a second core for one large product.
#
# One version of clang-format everywhere: another version would format the code differently.
declare -A packages=(
    [build]="gcc libc6-dev make cmake ninja-build pkg-config git
        libhdf5-dev libyaml-dev libopenblas-openmp-dev librandom123-dev
        zlib1g-dev libzstd-dev libjansson-dev libutf8proc-dev libmicrohttpd-dev"
    [cuda]="g++"
    [test]="g++ libcmocka-dev python3 patchelf libopenmpi-dev openmpi-bin"
    [mpi]="libopenmpi-dev"
    [mpi-runtime]="openmpi-bin"
    [runtime]="libgomp1 libyaml-0-2 libopenblas0-openmp zlib1g libzstd1 libjansson4"
    [dist]="patchelf binutils"
    [wheel]="python3-venv binutils"
    [image]="podman runc debootstrap"
    [clang]="clang-14 libclang-rt-14-dev libomp-14-dev lld-14"
    [format]="clang-format-14"
    [cache]="ccache"
)

distribution=unknown
if [ -r /etc/os-release ]; then
    # shellcheck source=/dev/null
    distribution=$(. /etc/os-release && echo "${ID:-unknown}-${VERSION_ID:-unknown}")
fi
case $distribution in
    debian-12) packages[runtime]+=" libhdf5-103-1 libutf8proc2 libmicrohttpd12" ;;
    debian-13) # has no clang-format-14
        packages[runtime]+=" libhdf5-310 libutf8proc3 libmicrohttpd12t64"
        ;;
    ubuntu-24.04) packages[runtime]+=" libhdf5-103-1t64 libutf8proc3 libmicrohttpd12t64" ;;
    *)
        packages[runtime]+=" libhdf5-103-1 libutf8proc2 libmicrohttpd12"
        echo "install_packages.sh: $distribution is not known here (Debian 12 and 13," \
            "Ubuntu 24.04 are); trying Debian 12's package names" >&2
        ;;
esac

fail() {
    printf 'install_packages.sh: %s\n' "$*" >&2
    exit 1
}

print=no
if [ "${1:-}" = --print ]; then
    print=yes
    shift
fi
[ $# -gt 0 ] || set -- build test
wanted=()
for group in "$@"; do
    [ -n "${packages[$group]:-}" ] || fail "unknown group '$group': choose from ${!packages[*]}"
    read -ra names <<<"${packages[$group]//$'\n'/ }"
    wanted+=("${names[@]}")
done
if [ $print = yes ]; then
    echo "${wanted[*]}"
    exit 0
fi

command -v apt-get >/dev/null ||
    fail "no apt here; install the equivalents of: ${wanted[*]} (then: make PACKAGES=no ...)"
missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        fail "these packages are missing: ${missing[*]}. Install them as root, or install sudo"
    as_root=(sudo)
fi
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
