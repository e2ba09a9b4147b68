/*
 * What the files of the CPU device share: the context, the operations, blocks of work and threads.
 *
 * Each operation of ops.def is one function rk__cpu_<name>(call) in the file of its family
 * (ops/call.h says what a call is). It allocates nothing, so it cannot fail.
 *
 * Determinism: work is cut into blocks whose borders depend on the problem alone, a block is
 * computed by one thread in one order, and sums over blocks are taken in the order of the blocks.
 */
#ifndef RK_DEVICE_CPU_CPU_H
#define RK_DEVICE_CPU_CPU_H

#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <string.h>

#include "device/cpu/isa.h"
#include "device/device.h"
#include "dist/comm.h"
#include "ops/call.h"

/* Every operation, and its bytes of scratch if it has any: of a call without memory yet. */
#define RK_OP_ROW(ENUM, name, in_min, in_max, n_out, gradient, traffic, cpu_scratch, ...)          \
    void rk__cpu_##name(const rk_call *call);                                                      \
    int64_t rk__cpu_scratch_##cpu_scratch(const rk_call *call);
#include "ops/ops.def"

/* The factor of a row of halves. */
static inline float rk__cpu_factor(uint8_t exponent)
{
    uint32_t bits = rk__half_factor(exponent);
    float factor;
    memcpy(&factor, &bits, sizeof factor);
    return factor;
}

/* A stored tensor in host memory. */
typedef struct rk_cpu_buffer {
    void *data;
    void *owned; /* what was allocated for it; NULL = the caller's constant, which is only read */
} rk_cpu_buffer;

/* Who watches a run, and what has been seen of it; watch.c. */
typedef struct rk_cpu_watch {
    const rk_watch *outer; /* lent; NULL = nobody */
    double looked_at;      /* seconds */
    const char *unit;      /* what was told the last time; NULL = nothing yet */
    int64_t total;
    atomic_bool left;
} rk_cpu_watch;

/* Who else has columns of the tables, and how the last exchange with them went. */
typedef struct rk_cpu_ranks {
    rk_comm *comm; /* lent */
    rk_status status;
} rk_cpu_ranks;

struct rk_device_context {
    int threads;
    bool eager;
    const rk_isa *isa;
    rk_cpu_watch watch;
    rk_cpu_ranks ranks;
    const rk_store *store; /* lent; NULL until bound */
    rk_cpu_buffer *stored; /* store->n; owned */
    rk_op_time *times;     /* RK_OP_COUNT, lent by the caller of profile; NULL = off */
    rk_loaded *loaded;     /* list of owned programs */
};

/* A program made ready. In eager mode every temporary has memory of its own. */
struct rk_loaded {
    const rk_program *program; /* lent */
    rk_call *calls;            /* n_nodes, owned */
    void **memory;             /* n_tensors: where each tensor is, NULL = nowhere; owned */
    char *arena, *scratch;     /* owned */
    rk_loaded *next;
};

/* Eager mode puts a band on both sides of every tensor that it allocates; see device/eager.h. */
enum { RK_GUARD_BYTES = 64 };

/* ceilings.c: `measure` of the table. */
rk_status rk__cpu_measure(rk_device_context *context, const rk_device_probe *what,
                          rk_device_ceilings *out);

/* Zeroed memory for tables; memory.c. Free with rk__free. */
rk_status rk__cpu_alloc(const rk_device_context *context, void *out_pointer, int64_t bytes,
                        const char *what);

/* The whole life of a loaded program; execute.c. */
rk_status rk__cpu_load(rk_device_context *context, const rk_program *program, rk_loaded **out);
rk_status rk__cpu_needs(rk_device_context *context, const rk_program *program,
                        rk_device_need out[RK_MAX_NEEDS], int *out_n);
void rk__cpu_unload(rk_device_context *context, rk_loaded *loaded);
rk_status rk__cpu_run(rk_device_context *context, rk_loaded *loaded, int64_t steps);

/* Between the blocks of an operation that may take long, by any of its threads: `done` of `total`
 * blocks are, in `unit`. True: whoever watches wants no more, so the rest is to be left out. Of the
 * threads only the caller's asks; as it may get no block, it asks once before all of them. */
bool rk__cpu_leave(const rk_call *call, int64_t done, int64_t total, const char *unit);
/* The same between operations. */
bool rk__cpu_watch_look(rk_cpu_watch *watch, int64_t done, int64_t total, const char *unit);
/* A run begins; and ends: what was told of it comes to its total. */
void rk__cpu_watch_begin(rk_cpu_watch *watch);
void rk__cpu_watch_end(rk_cpu_watch *watch);

/* What an Adam step at this state multiplies with; optimizer.c has the formula. */
rk_adam_scalars rk__cpu_adam_scalars(const rk_adam_attr *attr, const float *rates);

/* Blocks of `size` that cover n. */
static inline int64_t rk__blocks(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

/* End of the block, n at most. */
static inline int64_t rk__block_end(int64_t block, int64_t size, int64_t n)
{
    int64_t end = (block + 1) * size;
    return end < n ? end : n;
}

static inline int64_t rk__cpu_elements(const rk_tensor *t)
{
    return t->rows * t->cols;
}

/* Sums over blocks, added to `sum` in the order of the blocks. */
static inline double rk__add_partials(double sum, const double *partial, int64_t n_blocks)
{
    for (int64_t block = 0; block < n_blocks; block++) {
        sum += partial[block];
    }
    return sum;
}

static inline void rk__zero_row(float *row, int64_t d)
{
    memset(row, 0, (size_t)d * sizeof *row);
}

/* 1 / length of a row; 0 of a row of zeros, which has no direction and no gradient. */
static inline float rk__inverse_length(const rk_isa *isa, const float *row, int64_t d)
{
    float square = isa->dot(row, row, d);
    return square == 0 ? 0 : 1 / sqrtf(square);
}

/* Number of the present thread in its team. */
static inline int64_t rk__cpu_thread(void)
{
    return omp_get_thread_num();
}

/* Bytes up to the next cache line, so that pieces of scratch do not share one. */
static inline int64_t rk__cache_lines(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* The next `bytes` of *scratch, which moves on. */
static inline void *rk__cpu_take(char **scratch, int64_t bytes)
{
    char *taken = *scratch;
    *scratch += rk__cache_lines(bytes);
    return taken;
}

/* Rows of a set lie scattered in their tables: the row to come is fetched ahead of its turn. */
enum { RK_ROWS_AHEAD = 6 };
static inline void rk__cpu_prefetch(const float *row, int64_t d)
{
    for (int64_t j = 0; j < d; j += 16) {
        __builtin_prefetch(row + j);
    }
}

/* for (block...) over n_blocks on the call's threads; `block` names the loop variable. */
#define RK_CPU_PRAGMA(text) _Pragma(#text)
#define RK_CPU_FOR(call_, block, n_blocks)                                                         \
    RK_CPU_PRAGMA(omp parallel for schedule(dynamic, 1) num_threads((call_)->threads)              \
                      if ((n_blocks) > 1))                                                         \
    for (int64_t block = 0; block < (n_blocks); block++)

/* for (r...) over n rows, in blocks on the call's threads; no row is touched by two threads. */
enum { RK_ROWS_PER_BLOCK = 64 };
#define RK_CPU_FOR_ROWS(call_, r, n_rows)                                                          \
    RK_CPU_FOR(call_, block_, rk__blocks(n_rows, RK_ROWS_PER_BLOCK))                               \
    for (int64_t r = block_ * RK_ROWS_PER_BLOCK,                                                   \
                 end_ = rk__block_end(block_, RK_ROWS_PER_BLOCK, n_rows);                          \
         r < end_; r++)

#endif
