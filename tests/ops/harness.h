/*
 * Parity cases: one operation, its inputs, and what a naive loop in double says it must give.
 *
 * A case is built once and run on every target: each device of the build, on the CPU with each
 * instruction set of this machine, with 1 and 2 threads, eagerly (poisoned outputs, guard bands)
 * and plainly (OPS_FEW: two of those four). Outputs are compared with the expectation, and between
 * targets that differ in threads or eagerness only, bit by bit.
 */
#ifndef RK_TESTS_OPS_HARNESS_H
#define RK_TESTS_OPS_HARNESS_H

#include "base/choices.h"
#include "device/device.h"
#include "graph/graph.h"
#include "ops/builder_solve.h"
#include "support/support.h"

/* ---- targets ---- */

typedef struct ops_target {
    const rk_device *device;
    rk_device_options options;
    char label[96];
    bool is_first; /* of those that must agree bit by bit */
} ops_target;

enum { OPS_MAX_TARGETS = 32 };

/* Every target of this build and machine; returns how many. */
int ops_targets(ops_target targets[OPS_MAX_TARGETS]);

/* ---- random numbers, the same on every machine ---- */

typedef struct ops_random {
    uint64_t state;
} ops_random;

uint64_t ops_next(ops_random *r);
int64_t ops_below(ops_random *r, int64_t n);
double ops_real(ops_random *r); /* [-1, 1) */

/* ---- cases ---- */

typedef struct ops_case ops_case;

/* A fresh case; the title appears in failures. Every pointer handed out lives until ops_run. */
ops_case *ops_begin(const char *title, ...) RK_PRINTF(1, 2);
rk_program *ops_program(ops_case *c);

/* n elements, zeroed, owned by the case. */
void *ops_memory(ops_case *c, int64_t n, size_t size);
float *ops_reals(ops_case *c, int64_t n, ops_random *r);
double *ops_doubles(ops_case *c, int64_t n);

/* A tensor that the operation only reads; the data is copied. */
rk_value ops_input(ops_case *c, rk_dtype dtype, int64_t rows, int64_t cols, const void *data);
/* A stored tensor that starts as `data` (NULL = zeros) in every run; the data is copied. The first
 * one of type RK_STATE is named "step_state". */
rk_value ops_variable(ops_case *c, rk_dtype dtype, int64_t rows, int64_t cols, const void *data);

/* Output 0 of a node that the builder has no function for. */
rk_value ops_append(ops_case *c, rk_op op, const rk_value *in, int n, rk_attr attr);

/* What a value must be afterwards. For reals: within tolerance * size[i], where size[i] is the sum
 * of the magnitudes of the terms that make element i; arrays are lent (ops_doubles). */
void ops_expect_reals(ops_case *c, rk_value value, const double *expected, const double *size,
                      double tolerance);
void ops_expect_exactly(ops_case *c, rk_value value, const void *expected);

/* A result is not finite, which eager targets call an error: there nothing else is compared. */
void ops_expect_divergence(ops_case *c);

/* Runs the program `steps` times on every target, compares, frees the case. */
void ops_run(ops_case *c, int64_t steps);

/* Frees a case without running it. */
void ops_discard(ops_case *c);

/* Two terms of a sum in double together with its size. */
static inline void ops_add(double *sum, double *size, double term)
{
    *sum += term;
    *size += term < 0 ? -term : term;
}

/* ---- a small graph with all the awkward rows ---- */

typedef struct ops_graph {
    int64_t n_users, n_items, n_nodes, n_edges;
    const int64_t *offsets;
    const int32_t *columns;
    const float *scale;
} ops_graph;

/* Random edges with the given chance. With 4 or more of each: the first user has every item but
 * one, the last user and the last item are isolated. */
ops_graph ops_make_graph(ops_case *c, int64_t n_users, int64_t n_items, double chance,
                         ops_random *r);
rk_graph_values ops_graph_inputs(ops_case *c, const ops_graph *g);
/* Has a device go through the rows in an order of chance. */
void ops_order_rows(ops_case *c, rk_value offsets, ops_random *r);

/* ---- a batch: its slots and row set, computed naively ---- */

typedef struct ops_batch {
    int64_t batch, candidates, triplets, slots, count;
    int64_t capacity; /* S: rows at most */
    int32_t *nodes, *rows, *map, *slot_row, *segments, *order;
} ops_batch;

/* `triplets` of `batch` in use, of random users and items (all different or not as it comes). */
ops_batch ops_make_batch(ops_case *c, int64_t n_users, int64_t n_items, int64_t batch,
                         int64_t candidates, int64_t triplets, ops_random *r);
/* A row set of inputs; for backward and restrict use rk__unique_rows on the batch's nodes. */
rk_row_set ops_batch_inputs(ops_case *c, const ops_batch *b, int64_t n_nodes);
/* A step state that has `triplets` left in the epoch. */
rk_step_state ops_state(const ops_batch *b);

/* A batch of some shape with its inputs, and the rows of the set that a loss reads. */
typedef struct ops_shape {
    int64_t users, items, batch, triplets, candidates, d;
} ops_shape;

typedef struct ops_scene {
    ops_case *c;
    ops_random r;
    ops_batch b;
    rk_row_set set;
    rk_value state, x_value;
    int64_t d, n_nodes;
    float *x; /* [capacity, d] */
} ops_scene;

/* The case is titled "WHAT, shape NUMBER, variant VARIANT". */
ops_scene ops_begin_scene(const char *what, const ops_shape *shapes, int number, int variant);

/* ---- the table of cases ---- */

typedef struct ops_entry {
    rk_op op;
    void (*test)(void);
} ops_entry;

/* Ended by an entry without a test. */
#define OPS_FAMILY(family) extern const ops_entry ops_cases_##family[];
#include "ops/families.def"

#endif
