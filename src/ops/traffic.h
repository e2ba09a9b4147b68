/*
 * The work of operations counted from a program: bytes that have to be moved and arithmetic. What
 * caches spare or waste is not in it; it is what a measured time is held against.
 */
#ifndef RK_OPS_TRAFFIC_H
#define RK_OPS_TRAFFIC_H

#include "ops/program.h"

/* What a row set of a batch touches, on average: not to be seen in a program. */
typedef struct rk_batch_facts {
    double rows;       /* distinct nodes */
    double edges;      /* of those nodes */
    double user_edges; /* of those that are users */
} rk_batch_facts;

/* Arithmetic of an Adam step, an element. */
enum { RK_ADAM_FLOPS = 12 };

typedef struct rk_traffic {
    double bytes;    /* read and written, every time */
    double flops;    /* additions and multiplications of floats */
    int64_t gathers; /* nodes that read rows of a table in an order that data decides; such rows
                        are most of their bytes */
} rk_traffic;

/* How many row sets a program makes. */
int32_t rk__program_row_sets(const rk_program *program);

/* Of one node; batch: an entry for each row set of the program, in its order. Operations without a
 * rule of their own read each input and write each output once.
 */
rk_traffic rk__node_traffic(const rk_program *program, const rk_node *node,
                            const rk_batch_facts *batch);

/* The program as a page of text: passes applied, stored tensors, one operation a line with shapes
 * and, where batch is not NULL, the bytes that it moves. Free with rk__free. */
rk_status rk__program_print(const rk_program *program, const rk_batch_facts *batch,
                            char **out_text);

/* Summed by operation: out[RK_OP_COUNT]. */
void rk__program_traffic(const rk_program *program, const rk_batch_facts *batch, rk_traffic *out);

#endif
