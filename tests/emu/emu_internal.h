/* What the emulator's files share: configuration, launches, the queue of a stream, allocations. */
#ifndef EMU_INTERNAL_H
#define EMU_INTERNAL_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <cuda_runtime_api.h>

#if defined(__SANITIZE_ADDRESS__) && !defined(EMU_ASAN)
#define EMU_ASAN 1
#endif

namespace emu
{

enum Order { ASCENDING, DESCENDING, RANDOM };

/* From the environment, once; the last four also through emu_control.h. */
struct Config {
    Order order = ASCENDING; /* EMU_SCHED=asc|desc|rand:SEED: of lanes, warps and blocks */
    unsigned seed = 1;
    bool strict_exit = true; /* EMU_STRICT_EXIT=0: threads may exit before a barrier */
    bool lazy = true;        /* EMU_STREAMS=eager: work runs when it is queued */
    std::string fault;       /* EMU_FAULT: what is wrong with the device, see device_info.cpp */
    uint64_t fail_at = 0;    /* EMU_FAIL_MALLOC=n: the n-th allocation fails */
    size_t memory = (size_t)8 << 30; /* EMU_MEMORY: bytes of each device */
    int devices = 1;                 /* EMU_DEVICES */
};
extern Config config;

/* New memory: NaN as a float, -1 as an integer. */
constexpr int POISON = 0xFF;

struct Stats {
    uint64_t launches = 0, blocks = 0, threads = 0, resumes = 0;
};
extern Stats stats;

/* ---- launches: block.cpp ---- */

struct Launch {
    dim3 grid, block;
    size_t shared_bytes;
    std::function<void()> body;
    const void *kernel;
    bool early; /* by programmatic dependent launch: each thread has to wait for it */

    const char *name() const; /* demangled; valid until the next call */
};
void run_launch(const Launch &launch);

/* ---- memory.cpp ---- */

enum Kind { DEVICE, PINNED, MANAGED };
struct Allocation {
    size_t size;
    Kind kind;
    int device;
};
/* The allocation that holds [p, p + n), or null. */
const Allocation *find_allocation(const void *p, size_t n = 0);
bool is_device(const void *p);

/* While one lives, device memory is in reach; else AddressSanitizer reports the host's accesses. */
struct OnDevice {
    OnDevice();
    ~OnDevice();
};

/* ---- streams.cpp ---- */

using Work = std::function<void()>;

/* Queues work, or records it when the stream is being captured. */
cudaError_t enqueue(cudaStream_t stream, Work work, bool is_launch = false);
/* The same of work that cannot be done before `ready` says so: a stream that is asked is not ready
 * until then, who waits for the stream waits for that, too. */
using Ready = std::function<bool()>;
cudaError_t enqueue_when(cudaStream_t stream, Ready ready, Work work);
/* Is a kernel, and nothing of another stream, the last thing that the stream was given? */
bool last_is_launch(cudaStream_t stream);
void drain(cudaStream_t stream);
void drain_all();
bool is_capturing(cudaStream_t stream);
/* What a call that must not be made during a capture returns; the capture is then broken. */
cudaError_t refuse_in_capture();

/* ---- device_info.cpp ---- */

/* The calling thread's, 0 to begin with. */
int current_device();
/* Remembers the error for cudaGetLastError and returns it. */
cudaError_t fail(cudaError_t error);
/* The fault that every call shows which needs a working device, or cudaSuccess. */
cudaError_t device_fault();
/* Dynamic shared memory that the kernel may use. */
size_t shared_limit(const void *kernel);

/* ---- products.cpp ---- */

/* sums [n] = a [k] times b [k, n], each sum in the order of k. */
void multiply_row(const float *a, const float *b, int64_t k, int64_t n, float *sums);

} // namespace emu

#endif
