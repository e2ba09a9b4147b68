/*
 * Running a launch: block after block, each until all of its threads are done. A thread that never
 * waits costs no stack of its own: it gives its fiber to the next.
 *
 * The order of lanes, warps and blocks is config.order's, so that three runs show what depends on
 * it; a run repeats exactly. Built without instrumentation, like the rest of the scheduler.
 */
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <dlfcn.h>

#include "worker.h"

extern "C" char __emu_shared_start[], __emu_shared_stop[]; /* emu.ld */

uint3 threadIdx, blockIdx;
dim3 blockDim(1, 1, 1), gridDim(1, 1, 1);

namespace emu
{

Current cur;
Stats stats;
Worker &worker = *new Worker; /* for good: fibers live until the end */
static char launch_edge, done_edge;

const char *Launch::name() const
{
    static char text[512];
    Dl_info info;
    int status = 0;
    if (!dladdr(kernel, &info) || !info.dli_sname) {
        snprintf(text, sizeof text, "at %p", kernel);
        return text;
    }
    char *demangled = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
    snprintf(text, sizeof text, "%s", demangled ? demangled : info.dli_sname);
    free(demangled);
    return text;
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "\nEMU ERROR: ");
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (worker.running) {
        fprintf(stderr, "\n  block (%u,%u,%u) thread (%u,%u,%u) of launch %llu, kernel %s",
                blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z,
                (unsigned long long)stats.launches, worker.launch->name());
    }
    fprintf(stderr, "\n");
    fflush(stderr);
    abort();
}

void run_thread()
{
    acquire_edge(&launch_edge);
    worker.launch->body();
    if (worker.launch->early && !worker.running->has_waited) {
        die("a kernel that may begin early ends without cudaGridDependencySynchronize");
    }
    release_edge(&done_edge);
    thread_exits();
}

void wait_for_grids()
{
    worker.running->has_waited = true;
}

/* ---- one block ---- */

static Fiber *take_fiber(unsigned thread)
{
    if (under_tsan) {
        /* Each thread has its own, and two sets take turns: so races between blocks show. */
        std::vector<Fiber *> &set = worker.tsan_fibers[worker.block_number & 1];
        while (set.size() <= thread) {
            set.push_back(new_fiber());
        }
        return set[thread];
    }
    if (worker.idle.empty()) {
        worker.idle.push_back(new_fiber());
    }
    Fiber *fiber = worker.idle.back();
    worker.idle.pop_back();
    return fiber;
}

static void resume(Thread *t)
{
    if (t->state == FRESH) {
        t->fiber = take_fiber(t->warp * 32 + t->lane);
    }
    t->state = READY;
    worker.running = t;
    threadIdx = t->index;
    cur.lane = t->lane;
    stats.resumes++;
    switch_to(t->fiber);
    if (t->state == DONE && !under_tsan) {
        worker.idle.push_back(t->fiber);
    }
    worker.running = nullptr;
}

/* All shared memory becomes NaN and -1. Not by memset: AddressSanitizer's red zones lie between. */
static void poison_shared()
{
    void *start = __emu_shared_start;
    size_t bytes = (size_t)(__emu_shared_stop - __emu_shared_start);
    if (bytes == 0) {
        return;
    }
    renew_memory(start, bytes);
#if defined(__x86_64__)
    asm volatile("rep stosb" : "+D"(start), "+c"(bytes) : "a"(POISON) : "memory");
#else
    for (volatile char *p = __emu_shared_start; p < __emu_shared_stop; p++) {
        *p = (char)POISON;
    }
#endif
}

static void prepare_shared(size_t bytes)
{
    poison_shared();
    if (!under_tsan) { /* there all live until the launch is over, lest one seem to be reused */
        worker.shared.clear();
    }
    cur.smem = nullptr;
    if (bytes > 0) {
        worker.shared.emplace_back(new char[bytes]);
        cur.smem = worker.shared.back().get();
        std::fill_n(worker.shared.back().get(), bytes, (char)POISON);
    }
}

static void prepare_threads(const dim3 &block)
{
    const unsigned n = block.x * block.y * block.z, n_warps = (n + 31) / 32;
    worker.threads.resize(n_warps * 32);
    worker.arrived.assign(n_warps, 0);
    worker.gone.assign(n_warps, 0);
    worker.warp_use.assign(n_warps, 0);
    worker.n_threads = worker.alive = n;
    worker.waiting = 0;
    worker.block_number++;
    for (unsigned i = 0; i < n_warps * 32; i++) {
        Thread &t = worker.threads[i];
        t.state = i < n ? FRESH : DONE;
        t.has_waited = false;
        t.index = make_uint3(i % block.x, i / block.x % block.y, i / block.x / block.y);
        t.lane = i & 31;
        t.warp = i >> 5;
        worker.gone[i >> 5] |= (unsigned)(i >= n) << (i & 31);
    }
}

static void set_order(std::vector<unsigned> &order, unsigned n)
{
    order.resize(n);
    for (unsigned i = 0; i < n; i++) {
        order[i] = config.order == DESCENDING ? n - 1 - i : i;
    }
}

/* Runs a warp until all of its lanes wait; in random order sometimes not so far. */
static bool run_warp(unsigned warp)
{
    bool progress = false;
    for (bool again = true; again && worker.alive > 0;) {
        again = false;
        if (config.order == RANDOM) {
            std::shuffle(worker.lane_order.begin(), worker.lane_order.end(), worker.random);
            if (worker.random() % 4 == 0) {
                break;
            }
        }
        for (unsigned lane : worker.lane_order) {
            Thread &t = worker.threads[warp * 32 + lane];
            if (t.state == FRESH || t.state == READY) {
                resume(&t);
                progress = again = true;
            }
        }
    }
    return progress;
}

static bool someone_can_run()
{
    for (const Thread &t : worker.threads) {
        if (t.state == FRESH || t.state == READY) {
            return true;
        }
    }
    return false;
}

static void run_block(uint64_t number)
{
    const Launch &launch = *worker.launch;
    const dim3 &grid = launch.grid;
    blockIdx = make_uint3((unsigned)(number % grid.x), (unsigned)(number / grid.x % grid.y),
                          (unsigned)(number / grid.x / grid.y));
    prepare_threads(launch.block);
    prepare_shared(launch.shared_bytes);
    release_edge(&launch_edge);
    set_order(worker.warp_order, (unsigned)worker.arrived.size());
    set_order(worker.lane_order, 32);
    if (config.order == RANDOM) {
        worker.random.seed(config.seed * 7919u + (unsigned)number +
                           (unsigned)stats.launches * 104729u);
    }
    while (worker.alive > 0) {
        bool progress = false;
        if (config.order == RANDOM) {
            std::shuffle(worker.warp_order.begin(), worker.warp_order.end(), worker.random);
        }
        for (unsigned warp : worker.warp_order) {
            progress = run_warp(warp) || progress;
        }
        if (!progress && worker.alive > 0 && !someone_can_run() && !resolve_stall()) {
            report_deadlock();
        }
    }
}

/* ---- one launch ---- */

/* Place of the i-th of n blocks in config.order; a multiplication by an odd prime that does not
 * divide n is a permutation. */
static uint64_t block_at(uint64_t i, uint64_t n)
{
    constexpr uint64_t prime = 2654435761u;
    if (config.order == RANDOM && n % prime != 0) {
        return (i * prime + config.seed) % n;
    }
    return config.order == DESCENDING ? n - 1 - i : i;
}

void run_launch(const Launch &launch)
{
    const uint64_t n = (uint64_t)launch.grid.x * launch.grid.y * launch.grid.z;
    stats.launches++;
    worker.launch = &launch;
    blockDim = launch.block;
    gridDim = launch.grid;
    adopt_scheduler();
    for (uint64_t i = 0; i < n; i++) {
        run_block(block_at(i, n));
    }
    acquire_edge(&done_edge);
    worker.launch = nullptr;
    worker.shared.clear();
    stats.blocks += n;
    stats.threads += n * launch.block.x * launch.block.y * launch.block.z;
}

} // namespace emu
