/* What CUDA's failures mean to a person, and what to do about them. */
#include <stdio.h>
#include <string.h>

#include "device/cuda/context.h"

static const char *advice_for(cudaError_t error)
{
    switch (error) {
    case cudaErrorMemoryAllocation:
        return "the device's memory is taken, by other processes too; lower model.dim, train.batch "
               "or sampling.candidates, or use --device cpu";
    case cudaErrorNoDevice:
        return "there is no CUDA device here: use --device cpu, or in a container docker run "
               "--gpus all";
    case cudaErrorDevicesUnavailable:
        return "another process has the device for itself: wait for it, choose another device with "
               "CUDA_VISIBLE_DEVICES, or use --device cpu";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
        return "this build has no code for the device's architecture: rebuild with "
               "-DCMAKE_CUDA_ARCHITECTURES=native";
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
        return "the driver's library and its kernel module do not fit: restart after updating the "
               "driver";
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
        return "the steps could not be captured as a graph: set CUDA_MODULE_LOADING=EAGER in the "
               "environment, or run with --eager; please report it";
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
        return "an operation failed on the device: run with --eager to see which, and please "
               "report it";
    default:
        return NULL;
    }
}

/* The runtime gives one error for a driver that is not there and for one that is too old. */
static void driver_advice(char *out, size_t size)
{
    int driver = 0, runtime = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        snprintf(out, size,
                 "no NVIDIA driver is installed here: install one, in a container docker run "
                 "--gpus all, or use --device cpu");
        return;
    }
    cudaRuntimeGetVersion(&runtime);
    snprintf(out, size,
             "the driver is for CUDA %d.%d, this build needs CUDA %d.%d: update the driver, or use "
             "--device cpu",
             driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

rk_status rk__cuda_failed(cudaError_t error, const char *call, const char *file, int line,
                          const char *function)
{
    char text[240] = "";
    const char *advice = advice_for(error);
    if (error == cudaErrorInsufficientDriver) {
        driver_advice(text, sizeof text);
        advice = text;
    }
    cudaGetLastError(); /* clears an error that is not sticky */
    rk_status status = error == cudaErrorMemoryAllocation ? RK_ERR_MEMORY : RK_ERR_DEVICE;
    return rk__fail(status, file, line, function, "CUDA: %s%s%s (%.*s: %s)",
                    advice ? "" : cudaGetErrorString(error), advice ? advice : "",
                    advice ? "" : "; please report it", (int)strcspn(call, "("), call,
                    cudaGetErrorName(error));
}
