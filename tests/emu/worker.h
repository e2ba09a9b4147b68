/*
 * A block being run: its threads, who waits where, and the fibers they run on.
 *
 * A thread is a fiber with a stack of its own; the scheduler (block.cpp) resumes one after the
 * other and a collective (collectives.cpp) that is not complete goes back to the scheduler.
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
void switch_back(); /* fiber -> scheduler */
/* To be called by the scheduler before the first switch of a launch. */
void adopt_scheduler();
constexpr bool under_tsan =
#ifdef EMU_TSAN
    true;
#else
    false;
#endif

/* Happens-before edges for ThreadSanitizer; an address names an edge. */
void release_edge(void *edge);
void acquire_edge(void *edge);
/* A new block owns this memory anew: the accesses of the block before are forgotten. */
void renew_memory(void *start, size_t bytes);

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

    /* scheduling */
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

void run_thread(); /* called by a fiber; returns when the thread is done */

} // namespace emu

#endif
