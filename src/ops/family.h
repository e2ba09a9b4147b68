/*
 * What a family file (ops/families/) stands on. A family has of each of its operations, together:
 *   builder         the function of builder.h that appends it
 *   rk__shape_*     checks inputs and attributes, gives the outputs' shapes; the comment above it
 *                   is the operation's signature: inputs in order -> outputs
 *   rk__restrict_*  computes some rows of the output only
 *   rk__grad_*      passes the gradient of output 0 on to the inputs, in operations of the table
 *   rk__traffic_*   bytes and arithmetic, where that is not "everything once"
 * ops.def binds them. A rule that no row names is declared nowhere, so that it does not compile.
 */
#ifndef RK_OPS_FAMILY_H
#define RK_OPS_FAMILY_H

#include "ops/builder_solve.h"
#include "ops/traffic.h"

/* ---- building ---- */

/* A node with n inputs, attributes of zeros, and fresh temporaries as outputs. */
rk_node rk__node(rk_op op, int32_t n, const rk_value *in);
#define RK_NODE(op, ...)                                                                           \
    rk__node((op), (int32_t)(sizeof((rk_value[]){__VA_ARGS__}) / sizeof(rk_value)),                \
             (rk_value[]){__VA_ARGS__})

/* Appends a node; an output of RK_NONE becomes a fresh temporary. The node in the program, valid
 * until the next one is appended; after a failure (which sticks in p->status) NULL. */
const rk_node *rk__append(rk_program *p, rk_node node);
/* The same; output 0, or RK_NONE. */
rk_value rk__append_value(rk_program *p, rk_node node);

/* The same with attr.weight[0] = alpha. */
rk_value rk__append_weighted(rk_program *p, rk_node node, float alpha);

/* The row set that one of its tensors belongs to, by their producer. */
rk_row_set rk__row_set_of(const rk_program *p, rk_value member);

/* ---- shapes ---- */

/* Type and shape of an output. */
typedef struct rk_shape {
    rk_dtype dtype;
    int64_t rows, cols;
    rk_value in_place; /* the input whose memory the output takes over, or RK_NONE */
} rk_shape;

#define RK_OP_ROW(ENUM, name, ...)                                                                 \
    rk_status rk__shape_##name(const rk_program *p, const rk_node *node, rk_shape *out);
#include "ops/ops.def"

#define AT(i) (&p->tensors[node->in[i]])
#define HAS(i) (node->in[i] != RK_NONE)

/* A condition on inputs; the message is the condition, the caller adds the node. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            RK_FAIL(RK_ERR_INTERNAL, "%s: %s does not hold", rk__op_name(node->op), #condition);   \
        }                                                                                          \
    } while (0)

/* rows, cols < 0: any. */
static inline bool is(const rk_tensor *t, rk_dtype dtype, int64_t rows, int64_t cols)
{
    return t->dtype == dtype && (rows < 0 || t->rows == rows) && (cols < 0 || t->cols == cols);
}

static inline rk_shape shape(rk_dtype dtype, int64_t rows, int64_t cols)
{
    return (rk_shape){dtype, rows, cols, RK_NONE};
}

/* ---- gradients ---- */

/*
 * A rule is given the gradient g of output 0, of which `alpha` times is meant, and calls the
 * functions below. For a loss term g is RK_NONE: its gradient by itself is 1, and the node has left
 * what the rule needs in its further outputs. Rules of one input are called only if that wants a
 * gradient; others ask.
 */
typedef struct rk_backward rk_backward;
typedef void (*rk_gradient_rule)(rk_backward *b, const rk_node *node, rk_value g, float alpha);

rk_program *rk__backward_program(rk_backward *b);
/* Does a parameter lie behind this value? */
bool rk__wants_gradient(const rk_backward *b, rk_value value);
/* alpha * part, made for this purpose: nobody else reads it. All of them: part RK_NONE = nothing.
 * */
void rk__contribute(rk_backward *b, rk_value to, rk_value part, float alpha);
/* alpha * part, which others read, too. */
void rk__contribute_shared(rk_backward *b, rk_value to, rk_value part, float alpha);
/* alpha * part [S,d] at the rows of a row set, zero elsewhere. */
void rk__contribute_rows(rk_backward *b, rk_value to, rk_value part, float alpha, rk_row_set rows);

#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, ...)                                       \
    void rk__grad_##gradient(rk_backward *b, const rk_node *node, rk_value g, float alpha);
#include "ops/ops.def"

/* ---- restriction to rows ---- */

/*
 * A rule appends what computes the node's output at the rows of a row set only, and returns that
 * [S,d]. `factor` is for operations with the flag SCALES, which multiply by it for nothing: factor
 * times the output. For others it is 1.
 */
typedef struct rk_restriction rk_restriction;
typedef rk_value (*rk_restrict_rule)(rk_restriction *r, const rk_node *node, float factor);

#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, traffic, cpu, cuda, updates, halves,       \
                  restrict, ...)                                                                   \
    rk_value rk__restrict_##restrict(rk_restriction * r, const rk_node *node, float factor);
#include "ops/ops.def"

rk_program *rk__restriction_program(rk_restriction *r);
rk_row_set rk__restriction_rows(const rk_restriction *r);
/* A table at those rows [S,d]; RK_NONE of RK_NONE. */
rk_value rk__at_rows(rk_restriction *r, rk_value table);
/* sum_k weights[k] * tables[k] at those rows. */
rk_value rk__sum_at_rows(rk_restriction *r, const rk_value *tables, const float *weights, int n);

/* ---- traffic ---- */

typedef struct rk_counted {
    const rk_program *p;
    const rk_node *node;
    const rk_node *set;          /* the row set that the node works at, or NULL */
    const rk_batch_facts *batch; /* of that set */
} rk_counted;

typedef rk_traffic (*rk_traffic_rule)(const rk_counted *c);

#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, traffic, ...)                              \
    rk_traffic rk__traffic_##traffic(const rk_counted *c);
#include "ops/ops.def"

static inline const rk_tensor *rk__counted_in(const rk_counted *c, int i)
{
    return &c->p->tensors[c->node->in[i]];
}

static inline const rk_tensor *rk__counted_out(const rk_counted *c, int i)
{
    return &c->p->tensors[c->node->out[i]];
}

/* Bytes of a row; elements; bytes in use: a tensor of as many rows as a row set has room for holds
 * the set's rows and no more. */
double rk__row_bytes(const rk_tensor *t);
double rk__elements(const rk_tensor *t);
double rk__used_bytes(const rk_counted *c, const rk_tensor *t);
#endif
