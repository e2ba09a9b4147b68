# The CUDA device, off unless asked for: -DRANKINE_CUDA=ON.
#
# CMAKE_CUDA_ARCHITECTURES: "native" builds for the GPU at hand; the release list covers Turing to
# Blackwell. Everything but kernels/*.cu is C11 and needs no nvcc.
option(RANKINE_CUDA "Build the CUDA device (needs the CUDA Toolkit, 12.4 or newer)" OFF)
set(RANKINE_CUDA_RELEASE_ARCHITECTURES 75 80 86 89 90 100 120)
if(RANKINE_CUDA)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
        set(CMAKE_CUDA_ARCHITECTURES native)
    endif()
    enable_language(CUDA)
    find_package(CUDAToolkit 12.4 REQUIRED)
    set(CMAKE_CUDA_STANDARD 17)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
endif()
