#!/usr/bin/env bash
# An installed tree with its libraries bundled runs after a move, and needs nothing of this machine
# but glibc: every library is found inside it, its licence lies beside it, and in a root folder that
# holds glibc and the tree alone the program makes data, trains, and stops at SIGTERM as process 1.
set -euo pipefail
[ -z "$RANKINE_SANITIZE" ] || {
    echo "skip: a sanitized program needs the sanitizers' libraries"
    exit 77
}
command -v patchelf >/dev/null || {
    echo "skip: no patchelf here (tools/install_packages.sh dist)"
    exit 77
}

fail() {
    echo "FAILED: $*"
    exit 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
first=$scratch/first
cmake --install "$RANKINE_BINARY" --prefix "$first" >/dev/null
cmake --install "$RANKINE_BINARY" --prefix "$first" --component bundle
mkdir -p "$scratch/root/opt"
tree=$scratch/root/opt/rankine
mv "$first" "$tree"
unset LD_LIBRARY_PATH LD_PRELOAD

# What glibc itself is made of: the only files that may come from outside, and none of them inside.
glibc='^(linux-vdso|ld-linux-x86-64|lib(c|m|mvec|dl|rt|pthread|resolv|util))\.so'
cuda='^lib(cuda|cudart|cublas|cublasLt|cusparse|cusolver|curand|nvJitLink)\.so'
for file in "$tree"/bin/rankine "$tree"/lib/*.so*; do
    [ ! -L "$file" ] || continue
    ldd "$file" >"$scratch/ldd" || fail "ldd $file"
    while read -r name arrow path _; do
        name=${name##*/}
        if [[ $name =~ $glibc || $name =~ $cuda ]]; then
            continue
        fi
        [ "$arrow" = "=>" ] && [[ $(realpath "$path") == "$(realpath "$tree")"/* ]] ||
            fail "$file takes $name from outside: $path"
    done <"$scratch/ldd"
    [[ $(readelf -d "$file") == *'[$ORIGIN'* ]] || fail "$file does not look beside itself"
done
for file in "$tree"/lib/*.so*; do
    name=${file##*/}
    [[ ! $name =~ $glibc && ! $name =~ $cuda ]] || fail "$name does not belong into a bundle"
done

# Every library of others is listed with a package, whose licence is there.
documents=$tree/share/doc/rankine
for file in "$tree"/lib/*.so*; do
    name=${file##*/}
    [[ $name != librankine.so* ]] || continue
    package=$(awk -v name="$name" '$1 == name { print $2 }' "$documents/BUNDLED.txt")
    [ -n "$package" ] && [ -s "$documents/licenses/$package/copyright" ] ||
        fail "no licence of $name"
done
[ -s "$documents/LICENSE" ] || fail "no licence of our own"
for needed in libhdf5 libyaml libopenblas libgomp; do
    compgen -G "$tree/lib/$needed*" >/dev/null || fail "$needed is not bundled"
done

# Once more over the same tree: nothing to do, and nothing lost.
cp "$documents/BUNDLED.txt" "$scratch/before"
cmake --install "$RANKINE_BINARY" --prefix "$tree" --component bundle >/dev/null
cmp "$scratch/before" "$documents/BUNDLED.txt" || fail "the second bundling changed the list"
version=$(env -i "$tree/bin/rankine" --version)
echo "moved: $version"

if ldd "$tree/bin/rankine" | grep -qE 'lib(cudart|cublas)'; then
    echo "built with CUDA, whose libraries are not in the tree: not run in a root of its own"
    exit 0
fi
# A root folder with glibc, the tree and a folder for data: no /proc, no /dev, no HOME, no user.
root=$scratch/root
for library in /lib64/ld-linux-x86-64.so.2 \
    $(ldd "$tree"/bin/rankine "$tree"/lib/*.so* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
        sort -u | grep -vF "$root/"); do
    [[ ${library##*/} =~ $glibc ]] || fail "$library is not of glibc"
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
mkdir -m 777 "$root/data"
# clang's OpenMP runtime announces itself there, and ends the program where it cannot.
mkdir -p "$root/dev"
mkdir -m 1777 "$root/dev/shm"
chmod 755 "$scratch" "$root"
# Where there is no /proc the loader must be told what $ORIGIN of the program is.
export LD_ORIGIN_PATH=/opt/rankine/bin
enter=(chroot --userspec=4711:4711 "$root")
if ! "${enter[@]}" /opt/rankine/bin/rankine --version >/dev/null 2>"$scratch/why"; then
    enter=(unshare --user --map-root-user chroot "$root")
    if ! "${enter[@]}" /opt/rankine/bin/rankine --version >/dev/null 2>>"$scratch/why"; then
        # not allowed to change the root folder: that is all that may be wrong here
        grep -qiE 'permitted|permission' "$scratch/why" || fail "$(cat "$scratch/why")"
        echo "no root folder of its own for the program here: $(tail -n 1 "$scratch/why")"
        exit 0
    fi
fi
inside() {
    env -i PATH="$PATH" LD_ORIGIN_PATH=$LD_ORIGIN_PATH OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive \
        "${enter[@]}" /opt/rankine/bin/rankine "$@" >"$scratch/out" 2>&1 ||
        fail "in its own root: rankine $*: $(cat "$scratch/out")"
}
inside --version
[ "$(cat "$scratch/out")" = "$version" ] || fail "another program: $(cat "$scratch/out")"
inside synth /data/set --users 200 --items 80 --interactions 3000 --clusters 4 --seed 7
inside train /data/set/synth.yaml --run /data/run --set train.epochs=2 --set data.cache=/data/cache
echo "trained with glibc alone: $(tail -n 1 "$scratch/out")"
[ -s "$root/data/run/report.json" ] || fail "no report: $(find "$root/data")"

# As a container starts it: first of its processes, without a network. SIGTERM must still make it
# write a checkpoint and leave with 130, where the kernel ignores signals that nobody handles.
if ! unshare --pid --net --fork true 2>"$scratch/why"; then
    echo "no processes of its own for the program here: $(cat "$scratch/why")"
    exit 0
fi
env -i PATH="$PATH" LD_ORIGIN_PATH=$LD_ORIGIN_PATH OMP_NUM_THREADS=1 \
    unshare --pid --net --fork --kill-child "${enter[@]}" /opt/rankine/bin/rankine \
    train /data/set/synth.yaml --run /data/stopped --set data.cache=/data/cache \
    --set train.epochs=1000000 --set eval.every=5 \
    >"$scratch/out" 2>&1 &
outside=$!
program=""
for _ in $(seq 600); do
    if [ -s "$root/data/stopped/metrics.jsonl" ]; then
        program=$(cat /proc/$outside/task/*/children)
        break
    fi
    kill -0 $outside 2>/dev/null || fail "ended by itself: $(cat "$scratch/out")"
    sleep 0.1
done
[ -n "$program" ] || { kill -KILL $outside; fail "did not start to train: $(cat "$scratch/out")"; }
# shellcheck disable=SC2086 # one number and a space
kill -TERM $program
code=0
wait $outside || code=$?
[ $code = 130 ] || fail "exit code $code after SIGTERM: $(cat "$scratch/out")"
[ -s "$root/data/stopped/last.h5" ] || fail "no checkpoint after SIGTERM"
echo "as process 1, without a network: SIGTERM ended it with a checkpoint"
