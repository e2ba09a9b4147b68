/*
 * What of a program may run at once. Each node is in a lane; a lane runs its nodes in the order of
 * the program, and a node waits for the nodes of the other lane that it depends on. A program has
 * one lane until rk__program_fork gives it two. A device that runs node after node need not know.
 */
#ifndef RK_OPS_LANES_H
#define RK_OPS_LANES_H

#include "ops/program.h"

/* Of a node; nodes by number, -1 = none. */
typedef struct rk_lane_order {
    int32_t waits;            /* the node of the other lane that must be complete before it starts,
                                 where its lane does not know that already */
    int32_t before[RK_LANES]; /* the last node of each lane that is complete when it starts; its own
                                 lane's included */
} rk_lane_order;

/* An entry for each node; free with rk__free. Nodes depend on each other where both use the same
 * memory, a stored tensor or a temporary with what takes it over in place, and one writes. */
rk_status rk__program_lane_order(const rk_program *program, rk_lane_order **out);

/* The tensor whose memory a value has: its own, or that which it takes over in place. */
rk_value rk__memory_of(const rk_program *program, rk_value value);

/* Do two nodes use the same tensor, one of them writing? */
bool rk__nodes_depend(const rk_program *program, const rk_node *a, const rk_node *b);

#endif
