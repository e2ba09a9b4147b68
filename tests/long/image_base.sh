#!/usr/bin/env bash
# Base images for tests/long/test_image.sh, made of this machine alone: a minimal system of its own
# distribution and, on top of it, what NVIDIA's runtime and devel images hold of CUDA that matters
# here. They know this machine's package sources, so they are for tests on this machine only.
#
#   base_system FOLDER          the system into an empty FOLDER
#   base_cuda FOLDER TOOLKIT    the libraries that a program built with CUDA loads
#   base_compiler FOLDER TOOLKIT    and nvcc with what it needs
#
# Each returns not 0, and says why on standard error, where it could not.

# The archives of this distribution that apt is set up for, as lines "deb URI RELEASE COMPONENT".
apt_archives() {
    local distribution
    distribution=$(. /etc/os-release && echo "$ID")
    apt-get indextargets --format '$(ORIGIN) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        "Created-By: Packages" | sort -u |
        awk -v wanted="$distribution" 'tolower($1) == wanted { $1 = ""; print substr($0, 2) }'
}

base_system() {
    local folder=$1 codename mirror proxy=""
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt_archives | awk -v name="$codename" '$3 == name { print $2; exit }')
    [ -n "$mirror" ] || {
        echo "apt knows no archive of $codename" >&2
        return 1
    }
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    http_proxy=${proxy:-${http_proxy:-}} \
        debootstrap --variant=minbase "$codename" "$folder" "$mirror" || return 1
    rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
    apt_archives >"$folder/etc/apt/sources.list"
    # Proxies, retries, dates: how this machine reaches its archives.
    apt-config dump --no-empty | grep -E '^Acquire::(http|https|Retries|Check-|ForceIPv)' \
        >"$folder/etc/apt/apt.conf.d/90host" || true
}

base_cuda() {
    local to=$1/usr/local/cuda from=$2 name
    mkdir -p "$to/lib" "$1/etc/ld.so.conf.d" || return 1
    ln -s lib "$to/lib64" || return 1
    for name in cudart cublas cublasLt cusparse cusolver curand nvJitLink; do
        cp -a "$from"/lib64/lib$name.so* "$to/lib/" || return 1
    done
    echo /usr/local/cuda/lib64 >"$1/etc/ld.so.conf.d/cuda.conf"
    chroot "$1" ldconfig
}

base_compiler() {
    local to=$1/usr/local/cuda from=$2 name
    for name in bin nvvm include targets; do
        cp -a "$from/$name" "$to/" || return 1
    done
    cp -a "$from"/lib64/lib{cudart_static,cudadevrt,culibos}.a "$to/lib/"
}
