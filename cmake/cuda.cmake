# The CUDA device, off unless asked for: -DRANKINE_CUDA=ON.
#
# CMAKE_CUDA_ARCHITECTURES: "native" (if nothing is said) builds for the GPU at hand, "release" for
# Turing to Blackwell, which takes a toolkit of 12.8 or newer: machine code for each ("-real") and
# PTX of the newest alone, which is what a driver compiles for a GPU newer than all of them.
# Everything but kernels/*.cu is C11 and needs no nvcc.
option(RANKINE_CUDA "Build the CUDA device (needs the CUDA Toolkit, 12.4 or newer)" OFF)
set(RANKINE_CUDA_RELEASE_ARCHITECTURES 75-real 80-real 86-real 89-real 90-real 100-real 120)
if(RANKINE_CUDA)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
        set(CMAKE_CUDA_ARCHITECTURES native)
    elseif(CMAKE_CUDA_ARCHITECTURES STREQUAL "release")
        set(CMAKE_CUDA_ARCHITECTURES ${RANKINE_CUDA_RELEASE_ARCHITECTURES})
    endif()
    enable_language(CUDA)
    find_package(CUDAToolkit 12.4 REQUIRED)
    set(CMAKE_CUDA_STANDARD 17)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
endif()
