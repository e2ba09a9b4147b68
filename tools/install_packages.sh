#!/usr/bin/env bash
# Installs the system packages that Rankine needs, on Debian 12 and Ubuntu 24.04.
#
#   tools/install_packages.sh [GROUP...]          install what is missing (default: build test)
#   tools/install_packages.sh --print GROUP...    print the names, one line, and do nothing else
#
# Groups: build, test, runtime (of an installed rankine), clang (the second compiler), format.
# Where nothing is missing it neither touches the network nor asks for a password.
set -euo pipefail

# gcc only recommends libc6-dev, and recommended packages are not installed here.
#
# OpenBLAS comes in three builds with one file name each. The OpenMP one sees that a call comes from
# inside a parallel region and then runs on the calling thread alone, and outside of one it uses the
# pool that the program has anyway. The pthread build starts a pool of its own under every caller,
# and the serial build cannot use a second core for one large product.
build="gcc libc6-dev make cmake ninja-build pkg-config git
    libhdf5-dev libyaml-dev libopenblas-openmp-dev librandom123-dev"
test="libcmocka-dev python3"
runtime="libgomp1 libyaml-0-2 libopenblas0-openmp libhdf5-103-1"
clang="clang libomp-dev"
format="clang-format-14" # one version everywhere: another one would lay the code out differently

distribution=unknown
if [ -r /etc/os-release ]; then
    distribution=$(. /etc/os-release && echo "${ID:-unknown}-${VERSION_ID:-unknown}")
fi
case $distribution in
    debian-12) ;;
    ubuntu-24.04) runtime=${runtime/libhdf5-103-1/libhdf5-103-1t64} ;; # 64-bit time_t rename
    *) echo "install_packages.sh: $distribution is neither Debian 12 nor Ubuntu 24.04;" \
        "trying Debian 12's package names" >&2 ;;
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
    case $group in
        build | test | runtime | clang | format) read -ra names <<<"${!group//$'\n'/ }" ;;
        *) fail "unknown group '$group': choose from build, test, runtime, clang, format" ;;
    esac
    wanted+=("${names[@]}")
done
if [ $print = yes ]; then
    echo "${wanted[*]}"
    exit 0
fi

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
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
