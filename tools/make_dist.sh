#!/usr/bin/env bash
# Packs an installed build, with the libraries that other machines may lack, into one archive.
#
#   tools/make_dist.sh BUILD OUT      writes OUT/rankine-VERSION-linux-MACHINE[-cuda].tar.gz
#
# The same build gives the same names, owners and times in the archive. The libraries come from this
# machine, so the tree needs its glibc or a newer one: pack on Debian 12 for glibc 2.36.
set -euo pipefail
build=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."

version=$("$build/bin/rankine" --version | awk '{ print $2 }')
name=rankine-$version-linux-$(uname -m)
grep -q '^RANKINE_CUDA:BOOL=ON' "$build/CMakeCache.txt" && name+=-cuda
rm -rf "${out:?}/$name"
cmake --install "$build" --prefix "$out/$name" --strip >/dev/null
cmake --install "$build" --prefix "$out/$name" --component bundle
glibc=$(objdump -p "$out/$name"/bin/rankine "$out/$name"/lib/*.so* | grep -oE 'GLIBC_2\.[0-9]+' |
    sort -uV | tail -n 1)
time=$(git log -1 --format=%ct 2>/dev/null || date +%s)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" -C "$out" -cf - "$name" |
    gzip -n >"$out/$name.tar.gz.tmp"
mv "$out/$name.tar.gz.tmp" "$out/$name.tar.gz"
rm -rf "${out:?}/$name"
echo "packed $out/$name.tar.gz, $(du -h "$out/$name.tar.gz" | cut -f1), for glibc ${glibc#GLIBC_}" \
    "or newer"
