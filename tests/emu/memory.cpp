/*
 * Device memory is host memory of its own: new memory is poisoned, an access from the host is an
 * error under AddressSanitizer, and what is not given back is a leak to LeakSanitizer.
 */
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "emu_collectives.h"
#include "emu_control.h"
#include "emu_internal.h"
#include "emu_launch.h"
#ifdef EMU_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace emu
{

static std::map<uintptr_t, Allocation> allocations;
static uint64_t n_allocations;
static int on_device;

const Allocation *find_allocation(const void *p, size_t n)
{
    auto after = allocations.upper_bound((uintptr_t)p);
    if (after == allocations.begin()) {
        return nullptr;
    }
    --after;
    const uintptr_t end = after->first + after->second.size;
    const bool inside = (uintptr_t)p < end && (uintptr_t)p + n <= end;
    return inside ? &after->second : nullptr;
}

bool is_device(const void *p)
{
    const Allocation *a = find_allocation(p);
    return a && a->kind != PINNED;
}

void check_pointer(int argument, const volatile void *pointer)
{
    const Allocation *a = pointer ? find_allocation((const void *)pointer) : nullptr;
    if (pointer && !a) {
        die("kernel argument %d is %p: no device, managed or pinned memory", argument,
            (const void *)pointer);
    }
    if (a && a->kind == DEVICE && a->device != current_device()) {
        die("kernel argument %d is memory of device %d, device %d is current", argument, a->device,
            current_device());
    }
}

/* ---- large blocks ---- */

/* A block's memory in pieces: all of it, or of a large one (a library's workspace) the two ends.
 * What is done for every block again and again would else be most of a test's time. */
template <typename Visit> static void visit_ends(void *start, size_t bytes, Visit visit)
{
    const size_t end = 1 << 20;
    if (bytes <= 4 * end) {
        visit(start, bytes);
        return;
    }
    visit(start, end);
    visit((char *)start + bytes - end, end);
}

/* ---- AddressSanitizer's view ---- */

#ifdef EMU_ASAN
static void close_to_host(void *start, size_t bytes)
{
    visit_ends(start, bytes, [](void *p, size_t n) { __asan_poison_memory_region(p, n); });
}

static void open_to_host(void *start, size_t bytes)
{
    visit_ends(start, bytes, [](void *p, size_t n) { __asan_unpoison_memory_region(p, n); });
}
#else
static void close_to_host(void *, size_t)
{
}

static void open_to_host(void *, size_t)
{
}
#endif

OnDevice::OnDevice()
{
    if (on_device++ == 0) {
        for (const auto &[start, a] : allocations) {
            open_to_host((void *)start, a.size);
        }
    }
}

OnDevice::~OnDevice()
{
    if (--on_device == 0) {
        for (const auto &[start, a] : allocations) {
            if (a.kind == DEVICE) {
                close_to_host((void *)start, a.size);
            }
        }
    }
}

/* ---- taking and giving back ---- */

static size_t in_use()
{
    size_t bytes = 0;
    for (const auto &[start, a] : allocations) {
        bytes += a.kind == DEVICE && a.device == current_device() ? a.size : 0;
    }
    return bytes;
}

/* Another process has all but a megabyte. */
static size_t available()
{
    const size_t used = in_use(), taken = (size_t)1 << 20;
    const size_t limit =
        config.fault == "memory_taken" && taken < config.memory ? taken : config.memory;
    return used < limit ? limit - used : 0;
}

static cudaError_t take(void **pointer, size_t bytes, Kind kind)
{
    *pointer = nullptr;
    if (const cudaError_t error = refuse_in_capture(); error != cudaSuccess) {
        return error;
    }
    if (const cudaError_t error = device_fault(); error != cudaSuccess) {
        return fail(error);
    }
    if (bytes == 0) {
        return cudaSuccess;
    }
    const bool fails = ++n_allocations == config.fail_at || (kind == DEVICE && bytes > available());
    if (fails || posix_memalign(pointer, 256, bytes)) {
        return fail(cudaErrorMemoryAllocation);
    }
    visit_ends(*pointer, bytes, [](void *p, size_t n) { memset(p, POISON, n); });
    allocations[(uintptr_t)*pointer] = {bytes, kind, current_device()};
    if (kind == DEVICE && on_device == 0) {
        close_to_host(*pointer, bytes);
    }
    return cudaSuccess;
}

static cudaError_t give_back(void *pointer)
{
    const auto found = allocations.find((uintptr_t)pointer);
    if (found == allocations.end()) {
        return fail(cudaErrorInvalidValue);
    }
    open_to_host(pointer, found->second.size);
    allocations.erase(found);
    free(pointer);
    return cudaSuccess;
}

/* ---- copies ---- */

/* Do the two ends fit the kind of copy, and lie within their allocations? */
static bool is_copy(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    const Allocation *target = find_allocation(to), *source = find_allocation(from);
    if ((target && !find_allocation(to, bytes)) || (source && !find_allocation(from, bytes))) {
        return false;
    }
    const bool to_device = target && target->kind != PINNED;
    const bool from_device = source && source->kind != PINNED;
    switch (kind) {
    case cudaMemcpyHostToDevice:
        return to_device && !(source && source->kind == DEVICE);
    case cudaMemcpyDeviceToHost:
        return from_device && !(target && target->kind == DEVICE);
    case cudaMemcpyDeviceToDevice:
        return to_device && from_device;
    default:
        return true;
    }
}

static Work copy_of_host(void *to, const void *from, size_t bytes)
{
    auto kept = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
    return [=] { memcpy(to, kept->data(), bytes); };
}

/* As the runtime does it: a pageable source is copied before the call returns, a pageable target
 * is filled before the call returns, and only pinned memory is read and written later. */
static cudaError_t copy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                        cudaStream_t stream, bool async)
{
    if (bytes == 0) {
        return cudaSuccess;
    }
    if (!is_copy(to, from, bytes, kind)) {
        return fail(cudaErrorInvalidValue);
    }
    const bool capturing = is_capturing(stream);
    if (!async && refuse_in_capture() != cudaSuccess) {
        return cudaErrorStreamCaptureUnsupported;
    }
    const bool pageable_source = !find_allocation(from), pageable_target = !find_allocation(to);
    const Work work = pageable_source && !capturing ? copy_of_host(to, from, bytes)
                                                    : Work([=] { memmove(to, from, bytes); });
    const cudaError_t error = enqueue(stream, work);
    if (error == cudaSuccess && !capturing && (!async || pageable_target)) {
        return cudaStreamSynchronize(stream);
    }
    return error;
}

} // namespace emu

using namespace emu;

cudaError_t cudaMalloc(void **pointer, size_t bytes)
{
    return take(pointer, bytes, DEVICE);
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes)
{
    return take(pointer, bytes, PINNED);
}

cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned)
{
    return take(pointer, bytes, MANAGED);
}

cudaError_t cudaFree(void *pointer)
{
    if (!pointer) {
        return cudaSuccess;
    }
    if (const cudaError_t error = refuse_in_capture(); error != cudaSuccess) {
        return error;
    }
    drain_all();
    return give_back(pointer);
}

cudaError_t cudaFreeHost(void *pointer)
{
    return cudaFree(pointer);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    return copy(to, from, bytes, kind, nullptr, false);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    return copy(to, from, bytes, kind, stream, true);
}

cudaError_t cudaMemcpyToSymbolAsync(const void *symbol, const void *from, size_t bytes,
                                    size_t offset, cudaMemcpyKind, cudaStream_t stream)
{
    char *to = (char *)const_cast<void *>(symbol) + offset;
    return enqueue(stream, copy_of_host(to, from, bytes));
}

cudaError_t cudaMemsetAsync(void *pointer, int value, size_t bytes, cudaStream_t stream)
{
    if (bytes > 0 && (!is_device(pointer) || !find_allocation(pointer, bytes))) {
        return fail(cudaErrorInvalidValue);
    }
    return enqueue(stream, [=] { memset(pointer, value, bytes); });
}

cudaError_t cudaMemset(void *pointer, int value, size_t bytes)
{
    const cudaError_t error = refuse_in_capture();
    return error != cudaSuccess ? error : cudaMemsetAsync(pointer, value, bytes, nullptr);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    if (const cudaError_t error = device_fault(); error != cudaSuccess) {
        return fail(error);
    }
    *total = config.memory;
    *free_bytes = available();
    return cudaSuccess;
}

void emu_set_memory(size_t bytes)
{
    config.memory = bytes;
}

void emu_fail_malloc(unsigned long long n)
{
    config.fail_at = n > 0 ? n_allocations + n : 0;
}
