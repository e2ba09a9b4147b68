/*
 * Item KNN (Sarwar, Karypis, Konstan, Riedl: Item-based collaborative filtering recommendation
 * algorithms, WWW 2001; Deshpande, Karypis, TOIS 2004): S holds the K nearest other items of each
 * item, and a history x scores items by S. Which side the K are taken of makes a third of the
 * recall, so it has a name, model.aggregate:
 *   liked      x S       the neighbours of each liked item add up, as in `implicit`
 *   liked_l1   the same, each row of S divided by its sum
 *   target     x S^T     each candidate looks for its own neighbours among the liked ones
 *   target_l1  the same with the rows of liked_l1
 *   bars       (x - m) S^T + m with those rows, m the share of all users that have an item: the
 *              form of the BARS benchmark (Zhu et al., SIGIR 2022)
 */
#include "base/alloc.h"
#include "graph/similarity.h"
#include "models/models.h"

static const char *const phases[] = {"neighbours"};

/* Weights of users and items of the similarity, where it has any. */
static rk_status declare_weights(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    const rk_model_data *d = &instance->data;
    const rk_similarity_rule rule = {o->model.similarity, o->model.bm25_k1, o->model.bm25_b};
    rk_similarity weights = {0};
    RK_TRY(rk__similarity_weights(&weights, d->graph, rule));
    if (!weights.user_weight) {
        return RK_OK;
    }
    rk_status status =
        rk__declare_constant(instance, "similarity.items", d->n_items, 1, weights.item_factor);
    if (status != RK_OK) {
        rk__free(weights.user_weight);
        return status;
    }
    return rk__declare_constant(instance, "similarity.users", d->n_users, 1, weights.user_weight);
}

static rk_status declare(rk_model_instance *instance)
{
    RK_TRY(rk__declare_item_lists(instance));
    return declare_weights(instance);
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number, (void)state;
    const rk_options *o = instance->options;
    const rk_similar_attr attr = {.kind = o->model.similarity,
                                  .k = (int32_t)o->model.neighbours,
                                  .shrinkage = o->model.shrinkage,
                                  .alpha = o->model.similarity_alpha,
                                  .n_users = instance->data.n_users,
                                  .n_items = instance->data.n_items};
    rk__item_neighbours(p, rk__use_graph_rows(p), rk__use_if_there(p, "similarity.users"),
                        rk__use_if_there(p, "similarity.items"), attr,
                        rk__use_named(p, "neighbours"), rk__use_named(p, "similarities"));
}

const rk_model_kind rk__model_item_knn = {
    .name = "item_knn",
    .help = "the most similar items of those that somebody has (Sarwar et al. 2001), six "
            "similarities, five ways of adding up",
    .check_data = rk__check_neighbours,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .finish = rk__finish_item_lists,
    .score = rk__score_item_lists,
    .similar = rk__similar_item_lists,
    .reads_lists = true,
};
