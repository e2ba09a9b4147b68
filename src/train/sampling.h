/*
 * What the sampler needs besides the graph, computed once on the host: who can be drawn at all, the
 * popular pool, the alias table of popularity^alpha (Walker 1977, Vose 1991).
 */
#ifndef RK_TRAIN_SAMPLING_H
#define RK_TRAIN_SAMPLING_H

#include "config/options.h"
#include "graph/graph.h"
#include "ops/builder.h"
#include "ops/sample_draw.h"

typedef struct rk_sampling {
    int64_t n_eligible_users; /* with at least one positive and one negative */
    int64_t n_eligible_edges;
    int64_t n_skipped_users; /* who have every item: counted, never drawn */
    int32_t *users;          /* n_eligible_users, ascending; owned */
    int64_t *edge_offsets;   /* n_eligible_users + 1; owned */
    int32_t *pool;           /* pool_size most popular items, or NULL; owned */
    int64_t pool_size;
    float *alias_share;       /* n_items, or NULL; owned */
    int32_t *alias_item;      /* n_items, or NULL; owned */
    float *logit_bias;        /* n_nodes, of loss.popularity_correction, or NULL; owned */
    int64_t *cumulative;      /* n_eligible_edges + 1, weights of the edges before one; of
                           * sampling.weigh_by value, or NULL; owned */
    float *edge_weights;      /* of the users' edges, of loss.weigh_by value, or NULL; owned */
    const float *edge_labels; /* likewise, of loss.kind mse, or NULL; lent */
    int64_t n_edges;
    float *degree_factor; /* n_nodes, of the weights of loss.kind bce, or NULL; owned */
    int64_t n_nodes;
} rk_sampling;

/* values: of the graph's edges in the order of the users' lists, above 0; NULL = there are none,
 * and no option asks for them. RK_ERR_DATA when nobody is eligible. A pool larger than the
 * catalogue is all items: pool_size is what it became. */
rk_status rk__sampling_init(rk_sampling *out, const rk_graph *graph, const float *values,
                            const rk_options *options);
void rk__sampling_free(rk_sampling *sampling);

/* Adds the tables to the store (lent to it) and fills the attribute of the operation. */
rk_status rk__sampling_declare(const rk_sampling *sampling, const rk_options *options,
                               const rk_graph *graph, rk_store *store, rk_sample_attr *out_attr);
/* f32 [N,1], what is added to the logit of a node as an item of the batch; or RK_NONE. */
rk_value rk__sampling_use_logit_bias(rk_program *program, const rk_store *store);
/* f32 [E,1]: what the terms of the users' edges are multiplied by; or RK_NONE. */
rk_value rk__sampling_use_edge_weights(rk_program *program, const rk_store *store);
rk_value rk__sampling_use_edge_labels(rk_program *program, const rk_store *store);
/* f32 [N,1]: sqrt(d + 1) / d of a user, 1 / sqrt(d + 1) of an item; or RK_NONE. */
rk_value rk__sampling_use_degree_factor(rk_program *program, const rk_store *store);

/* The draws of a step of the first epoch, on the host: the same that a device makes. Everything is
 * lent. */
rk_sampler rk__sampling_sampler(const rk_sampling *sampling, const rk_graph *graph,
                                const rk_sample_attr *attr, uint64_t seed, int64_t step);

/* Their values in a program. */
rk_sample_values rk__sampling_use(rk_program *program, const rk_store *store);

#endif
