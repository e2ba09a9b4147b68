/*
 * A block being run: its threads, who waits where, and the fibers they run on.
 *
 * A thread is a fiber with a stack of its own. The scheduler (block.cpp) begins a pass over a warp;
 * a lane that ends, or whose collective (collectives.cpp) is not complete, hands over to the next
 * one, the last one to the scheduler.
 */
#ifndef EMU_WORKER_H
#define EMU_WORKER_H

#include <memory>
#include <random>
#include <vector>

#include "emu_collectives.h"
#include "emu_internal.h"

namespace emu
{

/* ---- fiber.cpp ---- */

struct Fiber; /* never freed: they are taken again and again */
Fiber *new_fiber();
/* Scheduler -> fiber. A fresh fiber, and one whose thread is done, starts run_thread. */
void switch_to(Fiber *fiber);
/* From the fiber that runs to another one, or to the scheduler if there is none. */
void switch_from(Fiber *self, Fiber *next);
/* To be called by the scheduler before the first switch of a launch. */
void adopt_scheduler();
constexpr bool under_tsan =
#ifdef EMU_TSAN
    true;
#else
    false;
#endif

#ifdef EMU_TSAN
/* Happens-before edges for ThreadSanitizer; an address names an edge. */
void release_edge(void *edge);
void acquire_edge(void *edge);
/* A new block owns this memory anew: the accesses of the block before are forgotten. */
void renew_memory(void *start, size_t bytes);
#else
inline void release_edge(void *)
{
}
inline void acquire_edge(void *)
{
}
inline void renew_memory(void *, size_t)
{
}
#endif

/* ---- threads ---- */

enum State : uint8_t { FRESH, READY, AT_BARRIER, AT_WARP, DONE };

struct Thread {
    State state;
    bool has_waited; /* for the grids that its launch depends on */
    uint8_t op, use; /* of a warp operation; which use of __syncwarp's edges */
    uint3 index;
    unsigned lane, warp, mask;
    int source, line;
    const char *file;
    uint64_t value, result;
    Fiber *fiber;
};

struct Worker {
    const Launch *launch = nullptr;
    std::vector<Thread> threads;         /* of the block, whole warps */
    std::vector<unsigned> arrived, gone; /* per warp: lanes that wait; lanes exited or absent */
    std::vector<uint8_t> warp_use;
    Thread *running = nullptr;
    unsigned n_threads = 0, alive = 0;
    uint64_t block_number = 0; /* of the program's life */

    /* the block's barrier */
    unsigned waiting = 0, barrier_number = 0;
    int barrier_result = 0;
    BarrierKind barrier_kind = PLAIN;
    const char *barrier_file = nullptr;
    int barrier_line = 0;

    /* scheduling: the warp that runs, and which of lane_order is the pass's next lane */
    unsigned warp = 0, place = 0;
    std::vector<Fiber *> idle, tsan_fibers[2];
    std::vector<unsigned> warp_order, lane_order;
    std::mt19937 random;
    std::vector<std::unique_ptr<char[]>> shared;
};
extern Worker &worker;

/* ---- collectives.cpp ---- */

/* The running thread's whole life, on its fiber. */
void thread_exits(); /* an exit may complete what the others wait for */
/* Nobody can run: lanes parked in __activemask at one place are the converged set. False: none. */
bool resolve_stall();
[[noreturn]] void report_deadlock();

/* ---- block.cpp ---- */

/* Called by a fiber: returns when the thread is done and a fresh one is there in its place. */
void run_thread();
/* The running thread waits, or lets others go first. */
void hand_over();

/* ---- shared.cpp ---- */

/* Behind a block of the kernel, the last one of its launch or not: what it wrote to static shared
 * memory is poison again. */
void renew_shared(const void *kernel, bool is_last);

} // namespace emu

#endif
