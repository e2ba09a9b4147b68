/*
 * Found before NVIDIA's <cuda_runtime.h> when a kernel file is compiled as C++.
 *
 * Types and prototypes of the host API stay NVIDIA's own, so that a stand-in with a wrong signature
 * does not compile. Only what nvcc itself provides is replaced: built-in variables, intrinsics,
 * atomics, launches. C sources get NVIDIA's header unchanged.
 */
#ifndef EMU_CUDA_RUNTIME_H
#define EMU_CUDA_RUNTIME_H

#ifdef __cplusplus
#include <cuda_runtime_api.h>
#include <library_types.h>

#include "emu_collectives.h"

#include "emu_atomics.h"
#include "emu_launch.h"
#include "emu_math.h"
#include "emu_tensor.h"
#else
#include_next <cuda_runtime.h>
#endif

#endif
