/*
 * Barriers, votes and shuffles. A warp operation is complete when all lanes of its mask that have
 * not exited are there; a barrier when all threads of the block are. Whatever a device would leave
 * undefined (a lane outside of the mask, two operations at once, an exited partner) ends the
 * program with both places.
 *
 * For ThreadSanitizer only __syncthreads, __syncwarp and fences order memory: shuffles and votes do
 * not, as documented. Each use of a barrier has an edge of its own, block after block, lest a slow
 * thread of one use appear ordered after a fast thread of the next.
 */
#include <cstdio>
#include <cstdlib>

#include "worker.h"

namespace emu
{

static char fence_edge;
static double barrier_edges[64][2], warp_edges[16][32][32];

static const char *const names[] = {"__syncwarp",        "__shfl_*_sync",     "__ballot/any_sync",
                                    "__all_sync",        "__match_any_sync",  "__reduce_add_sync",
                                    "__reduce_min_sync", "__reduce_max_sync", "__reduce_min_sync",
                                    "__reduce_max_sync", "__reduce_and_sync", "__reduce_or_sync",
                                    "__reduce_xor_sync", "__activemask"};

/* for (each lane of a mask) */
#define FOR_LANES(lane, mask)                                                                      \
    for (unsigned rest_##lane = (mask), lane;                                                      \
         rest_##lane && (lane = (unsigned)__builtin_ctz(rest_##lane), true);                       \
         rest_##lane &= rest_##lane - 1)

static Thread *lanes_of(unsigned warp)
{
    return &worker.threads[warp * 32];
}

void fence()
{
    acquire_edge(&fence_edge);
    release_edge(&fence_edge);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void step_back()
{
    hand_over();
}

/* ---- warps ---- */

static unsigned combine(int op, unsigned sum, unsigned value, unsigned lane, bool first)
{
    const bool less = op == MIN_SIGNED || op == MAX_SIGNED ? (int)value < (int)sum : value < sum;
    switch (op) {
    case BALLOT:
    case ALL:
        return sum | value << lane;
    case ADD:
        return sum + value;
    case AND:
        return first ? value : sum & value;
    case OR:
        return sum | value;
    case XOR:
        return sum ^ value;
    case MIN_UNSIGNED:
    case MIN_SIGNED:
        return first || less ? value : sum;
    case MAX_UNSIGNED:
    case MAX_SIGNED:
        return first || !less ? value : sum;
    default:
        return sum;
    }
}

static uint64_t shuffled(unsigned warp, const Thread &reader, unsigned present, unsigned mask)
{
    if (!(present >> reader.source & 1)) {
        die("shuffle: lane %u of warp %u reads lane %d, which %s (mask %08x)\n  at %s:%d",
            reader.lane, warp, reader.source,
            worker.gone[warp] >> reader.source & 1 ? "has exited or does not exist"
                                                   : "is not in the mask",
            mask, reader.file, reader.line);
    }
    return lanes_of(warp)[reader.source].value;
}

static uint64_t matching(unsigned warp, const Thread &reader, unsigned present)
{
    unsigned same = 0;
    FOR_LANES(lane, present)
    {
        same |= (unsigned)(lanes_of(warp)[lane].value == reader.value) << lane;
    }
    return same;
}

/* All lanes of the mask that have not exited wait at this very operation. */
static void complete_warp(unsigned warp, unsigned mask)
{
    Thread *lanes = lanes_of(warp);
    const unsigned present = mask & ~worker.gone[warp];
    const int op = lanes[__builtin_ctz(present)].op;
    unsigned sum = 0;
    if (op != SHUFFLE && op != SYNCWARP) {
        bool first = true;
        FOR_LANES(lane, present)
        {
            sum = combine(op, sum, (uint32_t)lanes[lane].value, lane, first);
            first = false;
        }
    }
    FOR_LANES(lane, present)
    {
        Thread &t = lanes[lane];
        t.result = op == SHUFFLE ? shuffled(warp, t, present, mask)
                   : op == MATCH ? matching(warp, t, present)
                   : op == ALL   ? sum == present
                                 : sum;
        t.state = READY;
    }
    worker.arrived[warp] &= ~present;
}

/* Do all lanes of the mask that have not exited wait with the same operation and mask? */
static bool warp_is_complete(unsigned warp, const Thread &me)
{
    const unsigned needed = me.mask & ~worker.gone[warp];
    if ((worker.arrived[warp] & needed) != needed) {
        return false;
    }
    FOR_LANES(lane, needed)
    {
        const Thread &other = lanes_of(warp)[lane];
        if (other.op == ACTIVEMASK || other.mask != me.mask) {
            return false; /* a wait that may be resolved first */
        }
        if (other.op != me.op || other.line != me.line || other.file != me.file) {
            die("warp %u diverged: lane %u is in %s at %s:%d,\n  lane %u in %s at %s:%d, both with "
                "mask %08x",
                warp, me.lane, names[me.op], me.file, me.line, other.lane, names[other.op],
                other.file, other.line, me.mask);
        }
    }
    return true;
}

/* Lanes that wait in __syncwarp with this mask share one use of its edges. */
static void *edge_of_syncwarp(Thread *t)
{
    bool shared = false;
    FOR_LANES(lane, worker.arrived[t->warp] & ~(1u << t->lane))
    {
        const Thread &other = lanes_of(t->warp)[lane];
        if (other.op == SYNCWARP && other.mask == t->mask) {
            t->use = other.use;
            shared = true;
        }
    }
    if (!shared) {
        t->use = worker.warp_use[t->warp]++ & 31;
    }
    return &warp_edges[worker.block_number & 15][t->warp][t->use];
}

uint64_t warp_operation(Op op, unsigned mask, uint64_t value, int source, const char *file,
                        int line)
{
    Thread *t = worker.running;
    if (!(mask >> t->lane & 1)) {
        die("%s: lane %u calls with mask %08x, which leaves it out\n  at %s:%d", names[op], t->lane,
            mask, file, line);
    }
    t->op = (uint8_t)op;
    t->mask = mask;
    t->value = value;
    t->source = source;
    t->file = file;
    t->line = line;
    t->state = AT_WARP;
    worker.arrived[t->warp] |= 1u << t->lane;
    void *edge = op == SYNCWARP ? edge_of_syncwarp(t) : nullptr;
    if (edge) {
        release_edge(edge);
    }
    if (op != ACTIVEMASK && warp_is_complete(t->warp, *t)) {
        complete_warp(t->warp, mask);
    } else {
        hand_over();
    }
    if (edge) {
        acquire_edge(edge);
    }
    return t->result;
}

/* ---- blocks ---- */

static void complete_barrier()
{
    if (worker.waiting == 0 || worker.waiting != worker.alive) {
        return;
    }
    for (Thread &t : worker.threads) {
        if (t.state == AT_BARRIER) {
            t.state = READY;
            t.result = (uint64_t)worker.barrier_result;
        }
    }
    worker.waiting = 0;
    worker.barrier_number++;
}

static void join_barrier(BarrierKind kind, int predicate, const char *file, int line)
{
    if (worker.waiting == 0) {
        worker.barrier_file = file;
        worker.barrier_line = line;
        worker.barrier_kind = kind;
        worker.barrier_result = kind == ALL_OF;
    } else if (worker.barrier_line != line || worker.barrier_file != file ||
               worker.barrier_kind != kind) {
        die("barrier divergence: this thread is at %s:%d, others wait at %s:%d", file, line,
            worker.barrier_file, worker.barrier_line);
    }
    if (kind == COUNT_OF) {
        worker.barrier_result += predicate != 0;
    } else if (kind == ALL_OF) {
        worker.barrier_result &= predicate != 0;
    } else if (kind == ANY_OF) {
        worker.barrier_result |= predicate != 0;
    }
    worker.waiting++;
}

int block_barrier(BarrierKind kind, int predicate, const char *file, int line)
{
    Thread *t = worker.running;
    if (config.strict_exit && worker.alive != worker.n_threads) {
        die("__syncthreads at %s:%d after %u threads of the block have exited", file, line,
            worker.n_threads - worker.alive);
    }
    join_barrier(kind, predicate, file, line);
    t->state = AT_BARRIER;
    t->file = file;
    t->line = line;
    void *edge = &barrier_edges[worker.block_number & 63][worker.barrier_number & 1];
    release_edge(edge);
    if (worker.waiting == worker.alive) {
        complete_barrier();
    } else {
        hand_over();
    }
    acquire_edge(edge);
    return (int)t->result;
}

void thread_exits()
{
    Thread *t = worker.running;
    t->state = DONE;
    worker.alive--;
    worker.gone[t->warp] |= 1u << t->lane;
    if (config.strict_exit && worker.waiting > 0) {
        die("a thread exits while %u threads wait in __syncthreads at %s:%d", worker.waiting,
            worker.barrier_file, worker.barrier_line);
    }
    complete_barrier();
    FOR_LANES(lane, worker.arrived[t->warp])
    {
        const Thread &waiting = lanes_of(t->warp)[lane];
        if (waiting.op != ACTIVEMASK && warp_is_complete(t->warp, waiting)) {
            complete_warp(t->warp, waiting.mask);
            break;
        }
    }
}

/* ---- when nobody can run ---- */

static void resolve_activemask(unsigned warp, const Thread &first)
{
    Thread *lanes = lanes_of(warp);
    const int line = first.line;
    const char *file = first.file;
    unsigned converged = 0;
    FOR_LANES(lane, worker.arrived[warp])
    {
        const Thread &t = lanes[lane];
        const bool same = t.op == ACTIVEMASK && t.line == line && t.file == file;
        converged |= (unsigned)same << lane;
    }
    FOR_LANES(lane, converged)
    {
        lanes[lane].result = converged;
        lanes[lane].state = READY;
    }
    worker.arrived[warp] &= ~converged;
}

bool resolve_stall()
{
    bool any = false;
    for (unsigned warp = 0; warp < worker.arrived.size(); warp++) {
        FOR_LANES(lane, worker.arrived[warp])
        {
            const Thread &t = lanes_of(warp)[lane];
            if (t.op == ACTIVEMASK && t.state == AT_WARP) {
                resolve_activemask(warp, t);
                any = true;
            }
        }
    }
    return any;
}

void report_deadlock()
{
    fprintf(stderr, "\nEMU ERROR: deadlock in block (%u,%u,%u) of kernel %s: no thread can go on\n",
            blockIdx.x, blockIdx.y, blockIdx.z, worker.launch->name());
    int shown = 0;
    for (const Thread &t : worker.threads) {
        const bool at_barrier = t.state == AT_BARRIER;
        if ((at_barrier || t.state == AT_WARP) && shown++ < 12) {
            fprintf(stderr, "  thread %u (warp %u lane %u) waits in %s at %s:%d mask %08x\n",
                    t.warp * 32 + t.lane, t.warp, t.lane,
                    at_barrier ? "__syncthreads" : names[t.op], t.file, t.line,
                    at_barrier ? ~0u : t.mask);
        }
    }
    fflush(stderr);
    abort();
}

} // namespace emu
