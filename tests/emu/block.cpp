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

void wait_for_grids()
{
    worker.running->has_waited = true;
}

/* ---- one block ---- */

/* Under ThreadSanitizer each thread has its own, and two sets take turns: so races between blocks
 * show. They are made here, for no thread may be seen to allocate what others use. */
static void prepare_fibers()
{
    std::vector<Fiber *> &set = worker.tsan_fibers[worker.block_number & 1];
    while (set.size() < worker.n_threads) {
        set.push_back(new_fiber());
    }
}

static Fiber *take_fiber(unsigned thread)
{
    if (under_tsan) {
        return worker.tsan_fibers[worker.block_number & 1][thread];
    }
    if (worker.idle.empty()) {
        worker.idle.push_back(new_fiber());
    }
    Fiber *fiber = worker.idle.back();
    worker.idle.pop_back();
    return fiber;
}

static void begin(Thread *t)
{
    t->state = READY;
    worker.running = t;
    threadIdx = t->index;
    cur.lane = t->lane;
    stats.resumes++;
}

/* The fiber that goes on as this thread. */
static Fiber *begin_on_fiber(Thread *t)
{
    if (t->state == FRESH) {
        t->fiber = take_fiber(t->warp * 32 + t->lane);
    }
    begin(t);
    return t->fiber;
}

/* The next lane of the pass that can run, or null: the pass is over. */
static Thread *next_lane()
{
    Thread *lanes = &worker.threads[worker.warp * 32];
    while (worker.place < worker.lane_order.size()) {
        Thread *t = lanes + worker.lane_order[worker.place++];
        if (t->state == FRESH || t->state == READY) {
            return t;
        }
    }
    return nullptr;
}

void hand_over()
{
    Fiber *self = worker.running->fiber;
    Thread *next = next_lane();
    switch_from(self, next ? begin_on_fiber(next) : nullptr);
}

/* The thread is done: its fiber goes on as a fresh one, at once or when it is taken again. */
static void replace_thread()
{
    Fiber *self = worker.running->fiber;
    Thread *next = next_lane();
    if (next && next->state == FRESH && !under_tsan) {
        next->fiber = self;
        begin(next);
        return;
    }
    Fiber *fiber = next ? begin_on_fiber(next) : nullptr;
    if (!under_tsan) {
        worker.idle.push_back(self);
    }
    switch_from(self, fiber);
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
    replace_thread();
}

static void prepare_shared(size_t bytes)
{
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

/* The threads of the launch's blocks, whole warps. */
static void lay_out_threads(const dim3 &block)
{
    const unsigned n = block.x * block.y * block.z, n_warps = (n + 31) / 32;
    worker.n_threads = n;
    worker.threads.resize(n_warps * 32);
    for (unsigned i = 0; i < n_warps * 32; i++) {
        Thread &t = worker.threads[i];
        t.index = make_uint3(i % block.x, i / block.x % block.y, i / block.x / block.y);
        t.lane = i & 31;
        t.warp = i >> 5;
    }
}

static void prepare_threads()
{
    const unsigned n = worker.n_threads;
    const size_t n_warps = worker.threads.size() / 32;
    worker.arrived.assign(n_warps, 0);
    worker.gone.assign(n_warps, 0);
    worker.warp_use.assign(n_warps, 0);
    worker.alive = n;
    worker.waiting = 0;
    worker.block_number++;
    for (unsigned i = 0; i < worker.threads.size(); i++) {
        worker.threads[i].state = i < n ? FRESH : DONE;
        worker.threads[i].has_waited = false;
        worker.gone[i >> 5] |= (unsigned)(i >= n) << (i & 31);
    }
    if (under_tsan) {
        prepare_fibers();
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
        worker.warp = warp;
        worker.place = 0;
        if (Thread *first = next_lane()) {
            switch_to(begin_on_fiber(first)); /* back at the end of the pass */
            worker.running = nullptr;
            progress = again = true;
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
    prepare_threads();
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
    lay_out_threads(launch.block);
    for (uint64_t i = 0; i < n; i++) {
        run_block(block_at(i, n));
        renew_shared(launch.kernel, i == n - 1);
    }
    acquire_edge(&done_edge);
    worker.launch = nullptr;
    worker.shared.clear();
    stats.blocks += n;
    stats.threads += n * launch.block.x * launch.block.y * launch.block.z;
}

} // namespace emu
