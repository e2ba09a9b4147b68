/*
 * A static program of operations over tensors.
 *
 * A program is appended to by the builder (builder.h) and by rk__program_backward, checked by
 * rk__program_verify, laid out by rk__program_plan, and from then on only replayed by a device.
 *
 * Tensors are row-major matrices [rows, cols]. There are two kinds:
 *  - stored tensors live in a store: parameters, optimizer moments, the graph, the step state.
 *    They outlive the program and are shared by all programs of the same store; the host can read
 *    and write them through the device.
 *  - temporaries live in the program's arena at planned offsets, reused as liveness allows.
 * Nothing a step changes from one replay to the next is an attribute: it is in the step state.
 */
#ifndef RK_OPS_PROGRAM_H
#define RK_OPS_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "ops/node.h"

/* ---- the store: what outlives a program ---- */

typedef struct rk_stored {
    char name[RK_NAME_LENGTH]; /* unique in the store, e.g. "embedding", "embedding.m" */
    rk_dtype dtype;
    int64_t rows, cols; /* here */
    /* Where each rank has some columns: which these are, of how many; 0, 0: all are here. */
    int64_t first_column, all_columns;
    const void *constant; /* host memory the device takes it from when it binds the store; lent by
                             the caller for as long as the store is bound; NULL = zero-filled */
    const int32_t *row_order; /* of the offsets of a graph: see rk__store_order_rows; NULL = none */
} rk_stored;

typedef struct rk_store {
    rk_stored *items; /* owned */
    int32_t n, capacity;
    int32_t ranks, rank; /* who has columns of its tables, and which of them this is; 0 = alone */
} rk_store;

/* Adds a tensor; *out is its number in the store. Before the store is bound to a device only. */
rk_status rk__store_add(rk_store *store, const char *name, rk_dtype dtype, int64_t rows,
                        int64_t cols, const void *constant, int32_t *out);
/* A table of which each of store->ranks has as many columns; their number divides cols. */
rk_status rk__store_add_sharded(rk_store *store, const char *name, rk_dtype dtype, int64_t rows,
                                int64_t cols, int32_t *out);
/* The order in which a device goes through the rows of the graph of these offsets where it has the
 * choice: int32 [rows of the graph], each once; lent as long as the store is bound. No bit of a
 * result depends on it. */
void rk__store_order_rows(rk_store *store, int32_t offsets, const int32_t *order);
/* Its number, or -1. */
int32_t rk__store_find(const rk_store *store, const char *name);
void rk__store_free(rk_store *store);

/* ---- programs ---- */

/* A part of the loss, weight already in it. */
typedef struct rk_loss_term {
    char name[RK_NAME_LENGTH]; /* "ranking", "l2", "contrast", "neighbours" */
    rk_value value;            /* f64 [1,1] */
} rk_loss_term;

enum {
    RK_PASS_SHARE,
    RK_PASS_RESTRICT,
    RK_PASS_BACKWARD,
    RK_PASS_PRUNE,
    RK_PASS_SHARD,
    RK_PASS_FUSE,
    RK_PASS_NARROW,
    RK_PASS_FORK,
    RK_PASS_COUNT
};

/* Operations before and after a pass; both 0: it has not been applied. */
typedef struct rk_pass_count {
    int32_t before, after;
} rk_pass_count;

typedef struct rk_program {
    const rk_store *store; /* lent; must outlive the program */
    char name[RK_NAME_LENGTH];
    /* Of names while a member of an ensemble writes into the program: "1.factors" comes before
     * "factors" (rk__find_named); "" = nothing. */
    char prefix[16];
    rk_tensor *tensors; /* owned */
    int32_t n_tensors, tensor_capacity;
    rk_node *nodes; /* owned, in order of execution */
    int32_t n_nodes, node_capacity;
    rk_loss_term *terms; /* owned */
    int32_t n_terms, term_capacity;
    rk_pass_count passes[RK_PASS_COUNT];
    rk_status status;    /* of the builder: the first failure sticks, later calls do nothing */
    int64_t arena_bytes; /* set by the plan */
    int32_t n_lanes;     /* ops/lanes.h; 1 unless forked */
    bool planned;
} rk_program;

/* An empty program over a store. Free with rk__program_free. */
void rk__program_init(rk_program *program, const rk_store *store, const char *name);
void rk__program_free(rk_program *program);

/* ---- passes ---- */

/*
 * A program goes through these in this order. None changes a bit of what is computed but `narrow`.
 *
 * share     removes duplicate nodes (same operation, inputs and attributes); the first stays
 * restrict  a table that is only read at rows is only computed there
 * backward  appends the gradients of all loss terms
 * prune     removes nodes whose results nobody reads
 * shard     where each rank has some columns of the tables: exchanges what ranks need of each other
 * fuse      joins nodes that a device does better in one pass
 * narrow    keeps the tables that propagations gather as halves (train.propagation=fp16)
 * fork      divides the nodes among two lanes that may run at once
 * verify, plan
 */

rk_status rk__program_share(rk_program *program);

/* Models write whole tables, callers gather rows (rk__gather_rows). The gather moves up to where
 * its rows begin: gather(combine(x, propagate(y))) becomes combine(gather(x), propagate_rows(y)).
 * What is left of the whole tables without a reader is gone. Before backward. */
rk_status rk__program_restrict(rk_program *program);

/* For each stored parameter, the value of its gradient (f32, the parameter's shape) is written to
 * gradients[i]. RK_ERR_INTERNAL when no term depends on one of them. */
rk_status rk__program_backward(rk_program *program, const int32_t *parameters, int32_t n,
                               rk_value *gradients);

rk_status rk__program_prune(rk_program *program);

/* A program is written as if all columns of all tables were here, and becomes that of this rank:
 * tables of its own columns, sums over ranks of what is summed over columns, and all columns
 * (gather_columns) for operations that need them. A program that works on a batch gathers no more
 * rows than that has; RK_ERR_CONFIG, with the operation, where one asks for more. Where the store
 * has whole tables this does nothing. */
rk_status rk__program_shard(rk_program *program);
/* What a run of it exchanges with other ranks. */
typedef struct rk_exchanges {
    int32_t calls;
    int64_t summed, gathered; /* bytes: of values that are summed over ranks; that a rank gives to
                               * each other one */
    int64_t largest;          /* bytes of a rank in one of the calls */
} rk_exchanges;
rk_exchanges rk__program_exchanges(const rk_program *program);

/* A propagation with the rows that are added to its result, and with the Adam step that the result
 * is the gradient of. */
rk_status rk__program_fuse(rk_program *program);

/* Makes RK_F16 of the tables that propagations gather from, wherever those who write and read them
 * can; a table that others read, too, gets a copy (narrow). Sums stay float. */
rk_status rk__program_narrow(rk_program *program);
/* Does a narrowed program make halves of this stored parameter, once, and update it behind their
 * last reader by an operation that can make them? */
bool rk__program_can_keep_halves(const rk_program *program, int32_t parameter);
/* Then: instead of making them it reads the stored `halves` (RK_F16) and the update writes them.
 * They must be right before a first run. */
rk_status rk__program_keep_halves(rk_program *program, int32_t parameter, int32_t halves);

/* For devices that run two lanes (ops/lanes.h). The plan keeps apart what may be alive at once. */
rk_status rk__program_fork(rk_program *program);

/* Checks that every input is written before it is read, shapes fit, no temporary is written twice
 * but in place, and every parameter is updated once. RK_ERR_INTERNAL names the node. */
rk_status rk__program_verify(const rk_program *program);

/* Liveness to arena offsets (64-byte aligned), best fit. After this the program is immutable. */
rk_status rk__program_plan(rk_program *program);

/* ---- facts about operations and types ---- */

const rk_op_info *rk__op_info(rk_op op);
const char *rk__op_name(rk_op op);
int64_t rk__dtype_size(rk_dtype dtype); /* bytes of one element */
/* Does the node read the value? */
bool rk__reads(const rk_node *node, rk_value value);
/* The drop_edges node that makes the graph of this propagation; NULL: it is a stored graph. */
const rk_node *rk__edge_draw_of(const rk_program *p, const rk_node *node);
/* The stored offsets of a node's graph, or of the one that it was drawn from. */
int32_t rk__stored_offsets(const rk_program *p, const rk_node *node);
/* The parameter that a node updates, or RK_NONE: of the inputs that it writes to the first, unless
 * that is the step state. */
rk_value rk__updated_parameter(const rk_program *p, const rk_node *node);
static inline int64_t rk__stored_bytes(const rk_stored *s)
{
    return s->dtype == RK_F16 ? rk__half_rows_bytes(s->rows, s->cols)
                              : s->rows * s->cols * rk__dtype_size(s->dtype);
}
static inline int64_t rk__tensor_bytes(const rk_tensor *t)
{
    return t->dtype == RK_F16 ? rk__half_rows_bytes(t->rows, t->cols)
                              : t->rows * t->cols * rk__dtype_size(t->dtype);
}

#endif
