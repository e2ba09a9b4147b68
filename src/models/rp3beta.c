/*
 * RP3beta (Paudel, Christoffel, Newell, Bernstein: Updatable, accurate, diverse, and scalable
 * recommendations for interactive applications, TiiS 2017): a walk from an item that somebody has,
 * to one of its users, to one of that user's items. Each step's probability is raised to
 * model.walk_alpha, and what is reached is divided by a power of its popularity,
 *     S_ij = sum over the common users u of (1 / n_i)^alpha (1 / n_u)^alpha, / n_j^beta,
 * of which the model.neighbours largest of each i are kept. Scores add up by model.aggregate.
 */
#include <math.h>

#include "base/alloc.h"
#include "models/models.h"
#include "ops/similar_value.h"

static const char *const phases[] = {"walks"};

/* n^-power, 0 of nobody's. */
static float step(int64_t n, double power)
{
    return n > 0 ? (float)pow((double)n, -power) : 0;
}

static rk_status declare(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    const rk_model_data *d = &instance->data;
    float *users = NULL, *items = NULL;
    RK_TRY(rk__declare_item_lists(instance));
    RK_TRY(rk__alloc(&users, d->n_users, sizeof *users, "steps from users"));
    for (int64_t u = 0; u < d->n_users; u++) {
        users[u] = step(rk__graph_degree(d->graph, u), o->model.walk_alpha);
    }
    RK_TRY(rk__declare_constant(instance, "steps.users", d->n_users, 1, users));
    RK_TRY(rk__alloc(&items, 2 * d->n_items, sizeof *items, "steps from items"));
    for (int64_t i = 0; i < d->n_items; i++) {
        int64_t n = rk__graph_degree(d->graph, d->n_users + i);
        items[2 * i] = step(n, o->model.walk_alpha);
        items[2 * i + 1] = step(n, o->model.walk_beta);
    }
    return rk__declare_constant(instance, "steps.items", d->n_items, 2, items);
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number, (void)state;
    const rk_similar_attr attr = {.kind = RK_SIMILAR_WALK,
                                  .k = (int32_t)instance->options->model.neighbours,
                                  .alpha = 1,
                                  .n_users = instance->data.n_users,
                                  .n_items = instance->data.n_items};
    rk__item_neighbours(p, rk__use_graph_rows(p), rk__use_named(p, "steps.users"),
                        rk__use_named(p, "steps.items"), attr, rk__use_named(p, "neighbours"),
                        rk__use_named(p, "similarities"));
}

const rk_model_kind rk__model_rp3beta = {
    .name = "rp3beta",
    .help = "RP3beta (Paudel et al. 2017): random walks from the items that somebody has, by way "
            "of their users, popular items held back",
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
