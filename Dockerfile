# syntax=docker/dockerfile:1
# rankine with its CUDA device: built in NVIDIA's devel image, run in its runtime image. Use:
# docs/docker.md. System packages come from tools/install_packages.sh, as for `make test`.
#
#   docker build -t rankine .
#   docker run --gpus all -v $PWD:/data -w /data rankine train /data/exp.yaml
#
# Without CUDA:
#   docker build -t rankine:cpu --build-arg RANKINE_CUDA=OFF \
#       --build-arg BUILD_IMAGE=ubuntu:24.04 --build-arg RUN_IMAGE=ubuntu:24.04 .
#
# With MPI, for several GPUs (docs/ranks.md):
#   docker build -t rankine:mpi --build-arg MORE_BUILD=mpi --build-arg MORE_RUN=mpi-runtime .
ARG CUDA_VERSION=13.0.2
ARG BUILD_IMAGE=nvidia/cuda:${CUDA_VERSION}-devel-ubuntu24.04
ARG RUN_IMAGE=nvidia/cuda:${CUDA_VERSION}-runtime-ubuntu24.04

FROM ${BUILD_IMAGE} AS build
ARG RANKINE_CUDA=ON
# "release" is the list of cmake/cuda.cmake; one number, e.g. 90, builds several times as fast.
ARG CUDA_ARCHITECTURES=release
# More groups of install_packages.sh.
ARG MORE_BUILD=
WORKDIR /source
COPY tools/install_packages.sh tools/
RUN tools/install_packages.sh build cuda ${MORE_BUILD} && rm -rf /var/lib/apt/lists/*
COPY CMakeLists.txt LICENSE ./
COPY cmake cmake
COPY configs configs
COPY include include
COPY kernels kernels
COPY src src
RUN cmake -S . -B /build -G Ninja -D CMAKE_BUILD_TYPE=Release -D RANKINE_TESTS=OFF \
        -D RANKINE_CUDA=${RANKINE_CUDA} -D CMAKE_CUDA_ARCHITECTURES=${CUDA_ARCHITECTURES} \
    && cmake --build /build \
    && cmake --install /build --prefix /opt/rankine --strip

FROM ${RUN_IMAGE}
ARG MORE_RUN=
COPY tools/install_packages.sh /tmp/
RUN /tmp/install_packages.sh runtime ${MORE_RUN} && rm -rf /var/lib/apt/lists/* /tmp/install_packages.sh
COPY --from=build /opt/rankine /opt/rankine
# A program that cannot even say its version does not become an image.
RUN ["/opt/rankine/bin/rankine", "--version"]
ENV PATH=/opt/rankine/bin:${PATH}
# By number, so that it also holds where nobody knows the name; --user takes any other.
USER 1000:1000
WORKDIR /data
# No shell in between: SIGTERM of `docker stop` reaches the program, which writes a checkpoint.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/rankine/bin/rankine"]
CMD ["help"]
