/* What the files of shape rules share: shapes.c has most of them and the table, shapes_propagate.c
 * those of the propagations, shapes_contrast.c those of views, shapes_neighbours.c those of item
 * neighbours. */
#ifndef RK_OPS_SHAPE_RULES_H
#define RK_OPS_SHAPE_RULES_H

#include "ops/ops_internal.h"

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

static inline bool is(const rk_tensor *t, rk_dtype dtype, int64_t rows, int64_t cols)
{
    return t->dtype == dtype && (rows < 0 || t->rows == rows) && (cols < 0 || t->cols == cols);
}

static inline rk_shape shape(rk_dtype dtype, int64_t rows, int64_t cols)
{
    return (rk_shape){dtype, rows, cols, RK_NONE};
}

#endif
