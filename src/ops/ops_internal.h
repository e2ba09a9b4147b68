/* Shared by the files of this room: appending nodes, shape rules and gradient rules by table. */
#ifndef RK_OPS_OPS_INTERNAL_H
#define RK_OPS_OPS_INTERNAL_H

#include "ops/builder.h"

/* Type and shape of an output that a shape rule gives. */
typedef struct rk_shape {
    rk_dtype dtype;
    int64_t rows, cols;
    rk_value in_place; /* the input whose memory the output takes over, or RK_NONE */
} rk_shape;

/* Checks inputs and attributes, fills out[n_outputs] (not for outputs that are stored tensors given
 * by the caller). RK_ERR_INTERNAL says what does not fit. */
typedef rk_status (*rk_shape_rule)(const rk_program *p, const rk_node *node, rk_shape *out);

extern const rk_shape_rule rk__shape_rules[RK_OP_COUNT];

/* Appends a node. Outputs that are RK_NONE in node->out become fresh temporaries. Returns the
 * node's number, or -1 after a failure (which sticks in p->status). */
int32_t rk__append(rk_program *p, rk_node node);

/* The nodes, which the caller frees; the program is left with its tensors and without nodes, to be
 * appended anew. */
rk_node *rk__take_nodes(rk_program *p);

/* The row set that a `rows` tensor belongs to, by its producer. */
rk_row_set rk__row_set_of(const rk_program *p, rk_value rows);

#endif
