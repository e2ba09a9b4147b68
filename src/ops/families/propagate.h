/* What the families of propagations share: propagate.c, gram.c. */
#ifndef RK_OPS_FAMILIES_PROPAGATE_H
#define RK_OPS_FAMILIES_PROPAGATE_H

#include "ops/family.h"

static inline rk_graph_values rk__graph_of(const rk_node *node)
{
    return (rk_graph_values){node->in[0], node->in[1], node->in[2]};
}

/* Inputs 0 to 2 are a graph of n nodes. */
rk_status rk__need_graph(const rk_program *p, const rk_node *node, int64_t n);

/* Rows of x over so many edges; beside them the columns of `listed` edges, the batch's rows that
 * are added, and the result, or what an Adam step reads and writes instead of it. */
rk_traffic rk__traffic_over_edges(const rk_counted *c, double edges, double listed,
                                  double rows_out);

#endif
