/*
 * The emulated devices: their properties, their errors, and what can be wrong with them. Where
 * there are several (EMU_DEVICES, emu_set_devices), streams, memory and libraries' handles belong
 * to the one that was current, and kernels are launched where that is current.
 *
 * EMU_FAULT, or emu_set_fault:
 *   no_driver        the driver's library is not installed
 *   old_driver       it is older than the runtime
 *   no_device        there is a driver but no device
 *   old_device       compute capability 6.1; old_device:N: of device N alone
 *   turing           7.5, without tensor cores for TF32
 *   busy             another process has the device for itself
 *   memory_taken     all but a megabyte is in use by others (memory.cpp)
 *   no_image         the program has no code for the device
 *   no_capture       no stream can be captured
 *   no_early         nor a launch that may begin before the one before it has ended
 *   crash:N          the N-th launch from then on (from 1) reads an illegal address; after it every
 *                    call fails, as on a device
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "emu_control.h"
#include "emu_internal.h"
#include "emu_launch.h"
#include "streams.h"

namespace emu
{

Config config;
static std::map<const void *, int> shared_limits;
static cudaError_t last_error = cudaSuccess;
static bool crashed;
static unsigned long until_crash;
static thread_local int current = 0;

constexpr size_t SHARED = 49152, SHARED_AT_MOST = 232448; /* bytes a block; the latter on request */

static struct Environment {
    Environment()
    {
        if (const char *text = getenv("EMU_SCHED")) {
            config.order = text[0] == 'd' ? DESCENDING : text[0] == 'r' ? RANDOM : ASCENDING;
            const char *seed = strchr(text, ':');
            config.seed = seed ? (unsigned)strtoul(seed + 1, nullptr, 10) : 1;
        }
        if (const char *text = getenv("EMU_STREAMS")) {
            config.lazy = text[0] != 'e';
        }
        if (const char *text = getenv("EMU_STRICT_EXIT")) {
            config.strict_exit = text[0] != '0';
        }
        if (const char *text = getenv("EMU_FAIL_MALLOC")) {
            config.fail_at = strtoull(text, nullptr, 10);
        }
        if (const char *text = getenv("EMU_MEMORY")) {
            config.memory = strtoull(text, nullptr, 10);
        }
        if (const char *text = getenv("EMU_DEVICES")) {
            config.devices = (int)strtol(text, nullptr, 10);
        }
        if (const char *text = getenv("EMU_FAULT")) {
            emu_set_fault(text);
        }
    }
    ~Environment()
    {
        if (getenv("EMU_STATS")) {
            fprintf(stderr, "emu: %llu launches, %llu blocks, %llu threads, %llu fiber resumes\n",
                    (unsigned long long)stats.launches, (unsigned long long)stats.blocks,
                    (unsigned long long)stats.threads, (unsigned long long)stats.resumes);
        }
    }
} environment;

int current_device()
{
    return current;
}

/* A stream of another device than the current one; the two that need no making belong to any. */
static bool is_elsewhere(cudaStream_t stream)
{
    const CUstream_st *s = resolve(stream);
    return s != &legacy && s != &per_thread && s->device != current;
}

cudaError_t fail(cudaError_t error)
{
    if (error != cudaSuccess) {
        last_error = error;
    }
    return error;
}

static cudaError_t driver_fault()
{
    if (config.fault == "no_driver" || config.fault == "old_driver") {
        return cudaErrorInsufficientDriver;
    }
    return config.fault == "no_device" ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t device_fault()
{
    if (crashed) {
        return cudaErrorIllegalAddress;
    }
    const cudaError_t error = driver_fault();
    return error == cudaSuccess && config.fault == "busy" ? cudaErrorDevicesUnavailable : error;
}

size_t shared_limit(const void *kernel)
{
    const auto found = shared_limits.find(kernel);
    return found == shared_limits.end() ? SHARED : (size_t)found->second;
}

static int capability(int device)
{
    const bool is_old =
        config.fault == "old_device" || config.fault == "old_device:" + std::to_string(device);
    return is_old ? 61 : config.fault == "turing" ? 75 : 90;
}

void require_capability(int major, const char *what)
{
    const int present = capability(current_device());
    if (present < 10 * major) {
        die("%s on a device of compute capability %d.%d", what, present / 10, present % 10);
    }
}

static bool is_legal(dim3 grid, dim3 block)
{
    const uint64_t threads = (uint64_t)block.x * block.y * block.z;
    return grid.x && grid.y && grid.z && threads && threads <= 1024 && block.z <= 64 &&
           grid.x <= 2147483647u && grid.y <= 65535 && grid.z <= 65535;
}

/* Counts down to the launch that breaks the device. */
static bool crashes()
{
    return until_crash > 0 && --until_crash == 0;
}

cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                   const void *kernel, std::function<void()> body, bool early)
{
    if (!is_legal(grid, block)) {
        return fail(cudaErrorInvalidConfiguration);
    }
    if (shared_bytes > shared_limit(kernel)) {
        return fail(cudaErrorInvalidValue);
    }
    if (config.fault == "no_image") {
        return fail(cudaErrorNoKernelImageForDevice);
    }
    if (is_elsewhere(stream)) {
        return fail(cudaErrorInvalidResourceHandle);
    }
    if (config.fault == "no_early" && early && is_capturing(stream)) {
        return refuse_in_capture();
    }
    if (early && !last_is_launch(stream)) {
        die("a kernel may only begin early behind another one");
    }
    const Launch launch{grid, block, shared_bytes, std::move(body), kernel, early};
    return enqueue(
        stream,
        [launch] {
            crashed = crashed || crashes();
            if (!crashed) {
                run_launch(launch);
            }
        },
        true);
}

} // namespace emu

using namespace emu;

void emu_set_fault(const char *fault)
{
    config.fault = fault ? fault : "";
    crashed = false;
    until_crash = 0;
    if (config.fault.rfind("crash:", 0) == 0) {
        until_crash = strtoul(config.fault.c_str() + strlen("crash:"), nullptr, 10);
    }
    last_error = cudaSuccess;
}

void emu_set_devices(int n)
{
    config.devices = n;
}

void emu_use_device(int device)
{
    current = device;
}

unsigned long long emu_launches(void)
{
    return stats.launches;
}

/* ---- the device ---- */

cudaError_t cudaGetDeviceCount(int *n)
{
    *n = driver_fault() == cudaSuccess ? config.devices : 0;
    return fail(driver_fault());
}

cudaError_t cudaGetDevice(int *device)
{
    *device = current;
    return fail(driver_fault());
}

cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= config.devices) {
        return fail(cudaErrorInvalidDevice);
    }
    current = device;
    return fail(device_fault());
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = config.fault == "no_driver"    ? 0
               : config.fault == "old_driver" ? 11040
                                              : CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device)
{
    if (device < 0 || device >= config.devices) {
        return fail(cudaErrorInvalidDevice);
    }
    memset(p, 0, sizeof *p);
    const std::string number = device > 0 ? " " + std::to_string(device) : "";
    snprintf(p->name, sizeof p->name, "CPU emulator%s", number.c_str());
    p->major = capability(device) / 10;
    p->minor = capability(device) % 10;
    p->multiProcessorCount = 4;
    p->warpSize = 32;
    p->totalGlobalMem = config.memory;
    p->sharedMemPerBlock = SHARED;
    p->sharedMemPerBlockOptin = SHARED_AT_MOST;
    p->sharedMemPerMultiprocessor = SHARED_AT_MOST + 1024;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->regsPerBlock = 65536;
    p->l2CacheSize = 50 << 20;
    p->unifiedAddressing = 1;
    if (config.fault == "turing") {
        p->major = 7;
        p->minor = 5;
    }
    return fail(driver_fault());
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    cudaDeviceProp p;
    if (const cudaError_t error = cudaGetDeviceProperties(&p, device); error != cudaSuccess) {
        return error;
    }
    switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
        *value = p.multiProcessorCount;
        break;
    case cudaDevAttrMaxThreadsPerBlock:
        *value = p.maxThreadsPerBlock;
        break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = (int)SHARED;
        break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = (int)SHARED_AT_MOST;
        break;
    case cudaDevAttrComputeCapabilityMajor:
        *value = p.major;
        break;
    case cudaDevAttrComputeCapabilityMinor:
        *value = p.minor;
        break;
    case cudaDevAttrL2CacheSize:
        *value = p.l2CacheSize;
        break;
    case cudaDevAttrWarpSize:
        *value = p.warpSize;
        break;
    default:
        die("cudaDeviceGetAttribute: attribute %d is not emulated", (int)attribute);
    }
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int length, int device)
{
    snprintf(id, (size_t)length, "0000:%02x:00.0", device);
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value)
{
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
        if (value < 0 || (size_t)value > SHARED_AT_MOST) {
            return fail(cudaErrorInvalidValue);
        }
        shared_limits[kernel] = value;
    }
    return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *, int threads,
                                                          size_t)
{
    *blocks = threads > 0 ? 2048 / threads : 0;
    return cudaSuccess;
}

/* ---- errors ---- */

cudaError_t cudaGetLastError(void)
{
    const cudaError_t error = last_error;
    last_error = crashed ? cudaErrorIllegalAddress : cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void)
{
    return last_error;
}

const char *cudaGetErrorName(cudaError_t error)
{
    static char unknown[40];
    switch (error) {
#define NAME(code)                                                                                 \
    case code:                                                                                     \
        return #code;
        NAME(cudaSuccess)
        NAME(cudaErrorInvalidValue)
        NAME(cudaErrorMemoryAllocation)
        NAME(cudaErrorInvalidConfiguration)
        NAME(cudaErrorNotReady)
        NAME(cudaErrorInvalidDevice)
        NAME(cudaErrorNoDevice)
        NAME(cudaErrorInsufficientDriver)
        NAME(cudaErrorDevicesUnavailable)
        NAME(cudaErrorNoKernelImageForDevice)
        NAME(cudaErrorIllegalAddress)
        NAME(cudaErrorInvalidResourceHandle)
        NAME(cudaErrorIllegalState)
        NAME(cudaErrorStreamCaptureUnsupported)
        NAME(cudaErrorStreamCaptureInvalidated)
        NAME(cudaErrorStreamCaptureUnjoined)
        NAME(cudaErrorStreamCaptureImplicit)
        NAME(cudaErrorStreamCaptureIsolation)
        NAME(cudaErrorCapturedEvent)
#undef NAME
    default:
        snprintf(unknown, sizeof unknown, "cudaError %d", (int)error);
        return unknown;
    }
}

const char *cudaGetErrorString(cudaError_t error)
{
    return cudaGetErrorName(error);
}
