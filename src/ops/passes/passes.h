/* What the passes share: a pass takes a program's nodes and appends them anew, some of them
 * changed. */
#ifndef RK_OPS_PASSES_PASSES_H
#define RK_OPS_PASSES_PASSES_H

#include "ops/family.h"

/* What the operation's rule says of its outputs, whatever they are now. */
rk_status rk__shapes_of(const rk_program *p, const rk_node *node, rk_shape out[RK_MAX_OUTPUTS]);

/* The nodes, which the caller frees; the program is left with its tensors and without nodes. */
rk_node *rk__take_nodes(rk_program *p);

#endif
