/*
 * PureSVD (Cremonesi, Koren, Turrin: Performance of recommender algorithms on top-N recommendation
 * tasks, RecSys 2010): with V the right singular vectors of the matrix R of users by items for its
 * model.dim largest singular values, a history x scores items by x V V^T. What is not there counts
 * as 0; with model.weigh_by=value the entries of R and x are the values of interactions.
 *
 * A user's vector is R V, an item's its row of V; their products are the scores.
 */
#include "models/models.h"

static const char *const phases[] = {"singular vectors"};
static const char *const edge_values = "edge.values";

static rk_csr_values rows_of(const rk_model_instance *instance, rk_program *p)
{
    rk_csr_values rows = rk__use_graph_rows(p);
    if (instance->options->model.weigh_by == RK_WEIGH_BY_VALUE) {
        rows.values = rk__use_named(p, edge_values);
    }
    return rows;
}

static rk_status declare(rk_model_instance *instance)
{
    RK_TRY(rk__declare_singular(instance));
    RK_TRY(rk__declare_table(instance, "factors"));
    RK_TRY(rk__declare_singular_count(instance));
    return instance->options->model.weigh_by == RK_WEIGH_BY_VALUE
               ? rk__model_add_edge_values(instance, edge_values)
               : RK_OK;
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number;
    rk__singular_vectors(instance, p, rows_of(instance, p), RK_NONE, state);
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    const rk_side_attr users = {0, instance->data.n_users, true};
    rk__assign_named(p, "factors",
                     rk__side_product(p, rows_of(instance, p), RK_NONE,
                                      rk__use_named(p, RK_SINGULAR_VECTORS), users));
}

static rk_fold_sum fold_sum(const rk_model_instance *instance)
{
    (void)instance;
    return (rk_fold_sum){"factors", 0};
}

const rk_model_kind rk__model_pure_svd = {
    .name = "pure_svd",
    .help = "what somebody has, projected onto the largest singular vectors (Cremonesi et al., "
            "RecSys 2010)",
    .check_data = rk__check_singular,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .failure = "the singular vectors were not found",
    .finish = finish,
    .query = rk__query_embeddings,
    .fold_in = rk__fold_by_sum,
    .fold_sum = fold_sum,
    .score = rk__score_embeddings,
    .similar = rk__similar_embeddings,
    .embeddings = "factors",
    .scores_by_dot = true,
};
