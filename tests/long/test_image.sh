#!/usr/bin/env bash
# The Dockerfile as a container engine executes it, and the image as docs/docker.md uses it: built
# without CUDA and, where there is a toolkit, with CUDA for one architecture, on base images made of
# this machine's distribution (image_base.sh). Then, as user 1000 in a mounted folder, without a
# network and with a root folder that cannot be written: training on the CPU, SIGTERM of `stop`,
# and the rest of that training, to the bits of one that was never stopped.
#
# Needs root, podman with a runtime, debootstrap (tools/install_packages.sh image), the package
# archives and 12 GB of disk. What the engine says is in image.log of the build folder. Minutes.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/lib.sh"
. "$here/image_base.sh"
log=$RANKINE_BINARY/image.log
: >"$log"

skip() {
    echo "skipped: $*"
    exit 77
}

[ "$(id -u)" = 0 ] || skip "only root may make the base images"
for program in podman debootstrap apt-get chroot; do
    command -v $program >/dev/null || skip "no $program (tools/install_packages.sh image)"
done
free=$(df --output=avail -k "$scratch" | tail -n 1)
[ "$free" -gt 12000000 ] || skip "12 GB of disk are needed, there are $((free / 1000)) MB"
apt-get update >>"$log" 2>&1 || skip "the package archives are out of reach: $log"

# Everything lies below the scratch folder: in layers where the kernel mounts them, else in whole
# copies, which need nothing of it.
storage=vfs
mkdir -p layers/lower layers/upper layers/work layers/whole
if mount -t overlay overlay -o lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work \
    layers/whole 2>/dev/null; then
    storage=overlay
    umount layers/whole
fi
rm -rf layers
engine=(podman --root "$scratch/store" --runroot "$scratch/state" --storage-driver $storage
    --cgroup-manager cgroupfs)
clean() {
    cd /
    "${engine[@]}" rm --all --force --time 5 >>"$log" 2>&1
    "${engine[@]}" rmi --all --force >>"$log" 2>&1
    awk -v under="$scratch/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r mount; do umount "$mount"; done
    rm -rf --one-file-system "$scratch"
}
trap clean EXIT

# import FOLDER NAME: the folder is the image, in whose PATH nvcc is, as in NVIDIA's
import() {
    local path=/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    tar -C "$1" --numeric-owner -cf - . |
        "${engine[@]}" import --change "ENV PATH=$path" - "$2" >>"$log" 2>&1 ||
        fail "import of $2: $log"
}

echo "== base system" >>"$log"
base_system "$scratch/system" >>"$log" 2>&1 ||
    skip "debootstrap: $(grep -E '^[EW]:' "$log" | tail -n 1) ($log)"
import "$scratch/system" localhost/system

# Which runtime starts a container here: the limits asked for are below any that a machine sets.
run_options=(--rm --network none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
runtime=""
for name in crun runc; do
    if "${engine[@]}" --runtime $name run "${run_options[@]}" localhost/system true 2>>why; then
        runtime=$name
        break
    fi
done
cat why >>"$log"
[ -n "$runtime" ] || skip "no runtime starts a container here: $(paste -s -d ' ' why)"
engine+=(--runtime "$runtime")
echo "$("${engine[@]}" --version) with $runtime, storage $storage" | tee -a "$log"

# build TAG ARGUMENT=VALUE...: the Dockerfile, both stages
build() {
    local tag=$1 arguments=() begin=$SECONDS
    shift
    for argument; do
        arguments+=(--build-arg "$argument")
    done
    echo "== build of $tag: $*" >>"$log"
    if ! "${engine[@]}" build --layers=false --isolation chroot "${arguments[@]}" --tag "$tag" \
        "$RANKINE_SOURCE" >>"$log" 2>&1; then
        tail -n 20 "$log"
        fail "the build of $tag: $log"
        finish
    fi
    echo "built $tag in $((SECONDS - begin)) s:" \
        "$("${engine[@]}" image inspect --format '{{.Size}}' "$tag") bytes"
}

# inside IMAGE ARGUMENT...: `docker run` of docs/docker.md, /data is the folder `mounted`
options=()
inside() {
    local image=$1
    shift
    "${engine[@]}" run "${run_options[@]}" --read-only -v "$scratch/mounted:/data" \
        "${options[@]}" "$image" "$@"
}

# Every file of a run belongs to the image's user.
owned_by() {
    local others
    others=$(find mounted -not -user "$1" -o -not -group "$1")
    [ -z "$others" ] || fail "not of user $1: $others"
}

# try_image IMAGE: what anybody would do with it
try_image() {
    local image=$1 settings steps before=$failures
    rm -rf mounted
    mkdir mounted
    chown 1000:1000 mounted
    run 0 inside "$image" --version
    prints "rankine "
    run 0 inside "$image" # CMD
    prints "usage:" "train"
    run 0 inside "$image" info
    run 0 inside "$image" synth demo --users 300 --items 120 --interactions 6000 --clusters 4 \
        --seed 7 --quiet
    run 6 inside "$image" train demo/synth.yaml --run none --device cuda
    absent mounted/none
    settings=(--set train.epochs=12 --set model.dim=16 --set train.batch=512 --set eval.every=2
        --set train.checkpoint_every=5 --set "eval.k=[10]" --set "eval.metric=ndcg@10"
        --set run.threads=1)
    # As many steps as make a training of ten seconds here: `stop` itself takes a part of one.
    run 0 inside "$image" train demo/synth.yaml --run short "${settings[@]}" \
        --set train.steps_per_epoch=50
    says "cpu"
    steps=$(python3 -c '
import json
seconds = json.load(open("mounted/short/report.json"))["timing"]["train_seconds"]
print(max(50, min(50000, round(50 * 10 / seconds))))')
    settings+=(--set "train.steps_per_epoch=$steps")
    run 0 inside "$image" train demo/synth.yaml --run whole "${settings[@]}"
    stop_in_the_middle "$image" demo/synth.yaml --run stopped "${settings[@]}"
    run 0 inside "$image" train --run stopped --resume
    for name in whole stopped; do
        run 0 inside "$image" export $name --out $name-export --quiet
    done
    for file in user_embeddings.npy item_embeddings.npy; do
        cmp mounted/whole-export/$file mounted/stopped-export/$file ||
            fail "$image: other $file after the stop"
    done
    owned_by 1000
    options=(--cpus 1)
    run 0 inside "$image" train demo/synth.yaml --run one --set train.epochs=1
    options=()
    says "1 thread,"
    serve "$image" one
    another_user "$image"
    [ "$failures" != "$before" ] ||
        echo "$image: trained, stopped, resumed to the same bits; files belong to their user"
}

# SIGTERM by `stop` once two epochs are written: 130, a checkpoint, no report
stop_in_the_middle() {
    local image=$1 container code
    shift
    command_line="train $*, then podman stop"
    container=$("${engine[@]}" run --detach "${run_options[@]:1}" --read-only \
        -v "$scratch/mounted:/data" "$image" train "$@" 2>>"$log") || fail "not started: $log"
    for _ in $(seq 3000); do
        [ -f mounted/stopped/metrics.jsonl ] &&
            [ "$(wc -l <mounted/stopped/metrics.jsonl)" -ge 2 ] && break
        sleep 0.01
    done
    "${engine[@]}" stop --time 60 "$container" >>"$log" 2>&1 || fail "podman stop: $log"
    code=$("${engine[@]}" inspect --format '{{.State.ExitCode}}' "$container")
    "${engine[@]}" logs "$container" >out 2>err
    [ "$code" = 130 ] || fail "exit code $code after stop, expected 130"
    [ -s mounted/stopped/last.h5 ] || fail "no checkpoint"
    absent mounted/stopped/report.json
    says "rankine train --run stopped --resume"
    "${engine[@]}" rm "$container" >>"$log" 2>&1
    echo "$image: stop ended training with exit code $code"
}

# A service that answers inside, takes its run again at SIGHUP and ends with 0.
serve() {
    local container code
    command_line="serve $2, then podman stop"
    container=$("${engine[@]}" run --detach "${run_options[@]:1}" --read-only \
        -v "$scratch/mounted:/data:ro" "$1" serve "$2" --listen 0.0.0.0:8080 2>>"$log") ||
        fail "not started: $log"
    for _ in $(seq 600); do
        "${engine[@]}" logs "$container" >out 2>err
        ! grep -q '^listening on' out || break
        sleep 0.1
    done
    "${engine[@]}" exec "$container" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 &&
        printf "GET /api/v1/users/1/recommendations HTTP/1.0\r\n\r\n" >&3 && cat <&3' >out 2>>"$log"
    prints ' 200 OK' '"recommendations": ['
    "${engine[@]}" kill --signal HUP "$container" >>"$log" 2>&1
    sleep 2
    "${engine[@]}" stop --time 30 "$container" >>"$log" 2>&1 || fail "podman stop: $log"
    code=$("${engine[@]}" inspect --format '{{.State.ExitCode}}' "$container")
    "${engine[@]}" logs "$container" >out 2>err
    [ "$code" = 0 ] || fail "exit code $code after stop, expected 0"
    says "is served" "--token-file"
    "${engine[@]}" rm "$container" >>"$log" 2>&1
    echo "$1: stop ended the service with exit code $code"
}

# --user with config and data that cannot be written, the rest in a folder of theirs.
another_user() {
    mkdir -m 700 theirs
    chown 4711:4711 theirs
    options=(--user 4711:4711 -v "$scratch/mounted/demo:/datasets:ro" -v "$scratch/theirs:/theirs"
        --workdir /theirs)
    run 0 inside "$1" train /datasets/synth.yaml --run mine --set data.cache=/theirs/cache \
        --set train.epochs=1
    options=()
    [ -s theirs/mine/report.json ] || fail "no run of user 4711"
    [ "$(stat -c %u theirs/mine/report.json)" = 4711 ] || fail "a run of user 4711 is not theirs"
    rm -rf theirs
}

build localhost/rankine:cpu RANKINE_CUDA=OFF \
    BUILD_IMAGE=localhost/system RUN_IMAGE=localhost/system
try_image localhost/rankine:cpu

nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
if [ -z "$nvcc" ]; then
    echo "without CUDA only: there is no nvcc"
    finish
fi
toolkit=$(dirname "$(dirname "$(realpath "$nvcc")")")
echo "== base images with CUDA of $toolkit" >>"$log"
{
    base_cuda "$scratch/system" "$toolkit" && import "$scratch/system" localhost/runtime &&
        base_compiler "$scratch/system" "$toolkit" && import "$scratch/system" localhost/devel
} >>"$log" 2>&1 || fail "the base images with CUDA: $log"
rm -rf --one-file-system "$scratch/system"
build localhost/rankine:cuda CUDA_ARCHITECTURES=90 \
    BUILD_IMAGE=localhost/devel RUN_IMAGE=localhost/runtime
try_image localhost/rankine:cuda
finish
