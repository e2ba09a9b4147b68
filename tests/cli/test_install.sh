#!/usr/bin/env bash
# An installed tree works after it was moved: the program finds its library, a C program builds and
# runs against it through pkg-config and through the CMake package, shared and static.
set -euo pipefail
[ -z "$RANKINE_SANITIZE" ] || {
    echo "skip: a sanitized library needs sanitized programs"
    exit 77
}

# "$@" must find nothing.
finds_nothing() {
    if "$@"; then
        echo "unexpected: $*"
        exit 1
    fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cmake --install "$RANKINE_BINARY" --prefix "$scratch/first" >/dev/null
mv "$scratch/first" "$scratch/moved"
prefix=$scratch/moved

mkdir "$scratch/user"
cat >"$scratch/user/main.c" <<'C'
#include <stdio.h>
#include <string.h>
#include <rankine/rankine.h>

int main(void)
{
    rk_config *config = NULL;
    if (rk_config_create(&config) != RK_OK) {
        return 1;
    }
    if (rk_config_set(config, "model.dim=x", "test") == RK_OK) {
        return 2;
    }
    rk_config_free(config);
    printf("%s: %s\n", rk_version(), rk_last_error());
    return strstr(rk_last_error(), "model.dim") ? 0 : 3;
}
C
cat >"$scratch/user/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.24)
project(user LANGUAGES C)
find_package(rankine 0.1 REQUIRED COMPONENTS static)
add_executable(shared main.c)
target_link_libraries(shared PRIVATE rankine::rankine)
add_executable(static main.c)
target_link_libraries(static PRIVATE rankine::rankine_static)
CMAKE

version=$("$prefix/bin/rankine" --version)
echo "program: $version"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# shellcheck disable=SC2046 # flags are words
"$CC" "$scratch/user/main.c" -o "$scratch/user/pkgconfig" $(pkg-config --cflags --libs rankine)
echo "pkg-config: $(LD_LIBRARY_PATH=$prefix/lib "$scratch/user/pkgconfig")"
[ "rankine $(pkg-config --modversion rankine)" = "$version" ]
# shellcheck disable=SC2046
"$CC" "$scratch/user/main.c" -o "$scratch/user/pkgconfig_static" \
    -Wl,-Bstatic $(pkg-config --cflags --libs rankine) -Wl,-Bdynamic \
    $(pkg-config --static --libs rankine | sed 's/-lrankine//')
echo "pkg-config, static: $("$scratch/user/pkgconfig_static")"

cmake -S "$scratch/user" -B "$scratch/build" -G Ninja -D CMAKE_C_COMPILER="$CC" \
    -D CMAKE_PREFIX_PATH="$prefix" >"$scratch/log" || { cat "$scratch/log"; exit 1; }
cmake --build "$scratch/build" >"$scratch/log" || { cat "$scratch/log"; exit 1; }
echo "package, shared: $("$scratch/build/shared")"
echo "package, static: $("$scratch/build/static")"
finds_nothing grep rankine <(ldd "$scratch/build/static")

test -f "$prefix/share/rankine/configs/lightgcn-paper.yaml"
# Nothing but what the library itself calls: HDF5's own dependencies stay HDF5's.
finds_nothing grep -E 'NEEDED.*(curl|crypto)' <(readelf -d "$prefix/lib/librankine.so")
finds_nothing grep -rI "$RANKINE_BINARY\|$RANKINE_SOURCE" "$prefix"
