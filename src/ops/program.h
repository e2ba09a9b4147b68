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
#include "ops/half_rows.h"
#include "ops/ops.def"
#include "ops/slot_loss.h"
#include "ops/schedule.h"
#include "ops/step_state.h"

typedef enum rk_op {
#define RK_OP_ENUM(ENUM, name, min, max, outs, grad, help) RK_OP_##ENUM,
    RK_OPS(RK_OP_ENUM)
#undef RK_OP_ENUM
        RK_OP_COUNT
} rk_op;

/* RK_F16: rows of halves, each row with a factor of its own; see ops/half_rows.h. Temporaries only.
 */
typedef enum rk_dtype { RK_F32, RK_F64, RK_I32, RK_I64, RK_STATE, RK_F16 } rk_dtype;

enum { RK_MAX_INPUTS = 14, RK_MAX_OUTPUTS = 6, RK_MAX_LAYERS = 12, RK_NAME_LENGTH = 48 };

/* Index of a tensor in a program; RK_NONE is an absent optional one. */
typedef int32_t rk_value;
enum { RK_NONE = -1 };

/* ---- the store: what outlives a program ---- */

typedef struct rk_stored {
    char name[RK_NAME_LENGTH]; /* unique in the store, e.g. "embedding", "embedding.m" */
    rk_dtype dtype;
    int64_t rows, cols;
    const void *constant; /* host memory the device takes it from when it binds the store; lent by
                             the caller for as long as the store is bound; NULL = zero-filled */
} rk_stored;

typedef struct rk_store {
    rk_stored *items; /* owned */
    int32_t n, capacity;
} rk_store;

/* Adds a tensor; *out is its number in the store. Before the store is bound to a device only. */
rk_status rk__store_add(rk_store *store, const char *name, rk_dtype dtype, int64_t rows,
                        int64_t cols, const void *constant, int32_t *out);
/* Its number, or -1. */
int32_t rk__store_find(const rk_store *store, const char *name);
void rk__store_free(rk_store *store);

/* ---- nodes ---- */

/* How triplets are drawn; enumerators of base/choices.h. Fixed for a program. */
typedef struct rk_sample_attr {
    int64_t batch; /* B */
    int32_t positives, negatives;
    int32_t n_candidates; /* M */
    int32_t pool_size;
    float pool_probability;
    int64_t n_users, n_items;
    int64_t n_eligible_users, n_eligible_edges;
} rk_sample_attr;

typedef struct rk_l2_attr {
    double weight; /* lambda */
    int64_t batch; /* B: slots below are users, below 2B positives, the rest candidates */
    int32_t form, rows, divisor; /* enumerators of base/choices.h */
} rk_l2_attr;

typedef struct rk_unit_attr {
    bool cosine; /* rows of length 1, else as they are */
    float alpha; /* unit_slots_grad: factor of the gradient */
} rk_unit_attr;

typedef struct rk_attend_attr {
    int64_t first_query, first_key, n; /* slots: n queries, n keys */
    double scale;                      /* logit = scale * <query, key> + bias of the key */
    bool skip_diagonal;                /* query i has no key i */
} rk_attend_attr;

typedef struct rk_softmax_attr {
    int64_t batch;
    double temperature, power;
    bool cosine, exclude_positive;
} rk_softmax_attr;

typedef struct rk_slot_attr {
    int64_t batch;
    rk_slot_rule rule;
} rk_slot_attr;

typedef struct rk_neighbour_attr {
    int64_t batch, n_users;
    double weight; /* neighbour_loss: of the term */
} rk_neighbour_attr;

typedef struct rk_align_attr {
    int64_t batch;
    double uniformity; /* weight */
} rk_align_attr;

typedef struct rk_drop_attr {
    double ratio; /* share of edges that is dropped */
    int32_t view; /* views drop different edges */
} rk_drop_attr;

typedef struct rk_perturb_attr {
    float epsilon;
    int32_t view, layer; /* so that no two perturbations share noise; layer below 16 */
} rk_perturb_attr;

typedef struct rk_contrast_attr {
    int64_t batch;
    double weight, temperature;
    bool second; /* contrast_slots_grad: by the second view */
} rk_contrast_attr;

typedef struct rk_adam_attr {
    double beta1, beta2, epsilon, weight_decay;
} rk_adam_attr;

/* A propagation that ends in an update. The weights are first, as in a plain propagation. */
typedef struct rk_update_attr {
    float weight[RK_MAX_LAYERS];
    rk_adam_attr adam;
} rk_update_attr;

/* Where the tables begin that a propagation adds at the rows of a row set, among its inputs; their
 * factors are weight[1], weight[2], ... */
enum { RK_PROPAGATE_ADDED = 5, RK_PROPAGATE_ADAM_ADDED = 9 };

typedef struct rk_topk_attr {
    int32_t k;
    int64_t n_users, n_items;
} rk_topk_attr;

/* The small side of the graph for operations on pair tables. */
typedef struct rk_fold_attr {
    int64_t first, n; /* its nodes: all users or all items */
} rk_fold_attr;

typedef union rk_attr {
    float weight[RK_MAX_LAYERS]; /* combine*: w_k; propagate*, scatter*: alpha = weight[0];
                                    add: alpha, beta = weight[0], weight[1];
                                    clip*: limit = weight[0]; table_dots: alpha = weight[0];
                                    mix_pairs: table j has a, b, c = weight[2j], weight[2j+1],
                                    weight[2j+2] */
    rk_schedule schedule;
    rk_sample_attr sample;
    rk_l2_attr l2;
    rk_unit_attr unit;
    rk_attend_attr attend;
    rk_softmax_attr softmax;
    rk_align_attr align;
    rk_slot_attr slot;
    rk_neighbour_attr neighbour; /* neighbour_slots, neighbour_loss */
    rk_drop_attr drop;
    rk_perturb_attr perturb;
    rk_contrast_attr contrast;
    rk_adam_attr adam;
    rk_update_attr update; /* propagate_adam, propagate_from_rows_adam */
    rk_topk_attr topk;
    rk_fold_attr fold; /* fold*, unfold* */
    int32_t halves;    /* gram_product: 1 = of t only, C q is taken as 0; 2 = of both */
    int64_t n_nodes;   /* unique_rows */
    int32_t index;     /* weigh */
    int64_t batch;     /* bpr_loss, bpr_grad, select_negatives */
    int32_t loss_slot[RK_MAX_LAYERS]; /* step_loss: entry of loss_sum for each term */
} rk_attr;

typedef struct rk_node {
    rk_op op;
    int32_t n_inputs, n_outputs;
    rk_value in[RK_MAX_INPUTS];
    rk_value out[RK_MAX_OUTPUTS];
    rk_attr attr;
} rk_node;

typedef struct rk_tensor {
    char name[RK_NAME_LENGTH];
    rk_dtype dtype;
    int64_t rows, cols;
    int32_t stored;    /* number in the store, or -1: a temporary */
    int32_t producer;  /* node that writes it, or -1 */
    rk_value alias_of; /* the temporary whose memory this in-place output takes over, or RK_NONE */
    int64_t offset;    /* bytes into the arena, set by the plan; -1 for stored tensors */
} rk_tensor;

typedef struct rk_loss_term {
    rk_value value; /* f64 [1,1], weight already in it */
    int32_t slot;   /* entry of rk_step_state.loss_sum: 1 the ranking loss, 2 l2, 3 the second
                       term: contrast or neighbours */
} rk_loss_term;

typedef struct rk_program {
    const rk_store *store; /* lent; must outlive the program */
    char name[RK_NAME_LENGTH];
    rk_tensor *tensors; /* owned */
    int32_t n_tensors, tensor_capacity;
    rk_node *nodes; /* owned, in order of execution */
    int32_t n_nodes, node_capacity;
    rk_loss_term losses[8];
    int32_t n_losses;
    rk_status status;    /* of the builder: the first failure sticks, later calls do nothing */
    int64_t arena_bytes; /* set by the plan */
    bool planned;
} rk_program;

/* An empty program over a store. Free with rk__program_free. */
void rk__program_init(rk_program *program, const rk_store *store, const char *name);
void rk__program_free(rk_program *program);

/* Leaves one of several nodes that make the same table from the same inputs, the first one. Before
 * the backward pass. Changes no bit of what is computed. */
rk_status rk__program_share(rk_program *program);

/* Appends the backward pass of all loss terms. For each stored parameter, the value of its
 * gradient (f32, the parameter's shape) is written to gradients[i]. */
rk_status rk__program_backward(rk_program *program, const int32_t *parameters, int32_t n,
                               rk_value *gradients);

/* Joins nodes that a device does better in one pass: a propagation with the rows that are added to
 * its result, and with the Adam step that the result is the gradient of. Changes no bit of what is
 * computed. After the backward pass. */
rk_status rk__program_fuse(rk_program *program);

/* Makes RK_F16 of the tables that propagations gather from, wherever those who write and read them
 * can; a table that others read, too, gets a copy (narrow). Sums stay float. After fusing. */
rk_status rk__program_narrow(rk_program *program);

/* Checks that every input is written before it is read, shapes fit, no temporary is written twice
 * but in place, and every parameter is updated once. RK_ERR_INTERNAL names the node. */
rk_status rk__program_verify(const rk_program *program);

/* Liveness to arena offsets (64-byte aligned), best fit. After this the program is immutable. */
rk_status rk__program_plan(rk_program *program);

/* The program as text, one node a line with shapes and offsets. Free with rk__free. */
rk_status rk__program_print(const rk_program *program, char **out_text);

/* ---- facts about operations and types ---- */

const char *rk__op_name(rk_op op);
const char *rk__op_help(rk_op op);
int64_t rk__dtype_size(rk_dtype dtype); /* bytes of one element */
/* Is it a propagation that may have tables to add behind its other inputs? */
bool rk__adds_rows(rk_op op);
/* The drop_edges node that makes the graph of this propagation; NULL: it is a stored graph. */
const rk_node *rk__edge_draw_of(const rk_program *p, const rk_node *node);
/* The parameter that a node updates, or RK_NONE. */
rk_value rk__updated_parameter(const rk_node *node);
static inline int64_t rk__tensor_bytes(const rk_tensor *t)
{
    return t->dtype == RK_F16 ? rk__half_rows_bytes(t->rows, t->cols)
                              : t->rows * t->cols * rk__dtype_size(t->dtype);
}

#endif
