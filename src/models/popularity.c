/*
 * Popularity: the same ranking for everybody, by the number of an item's train interactions; with
 * model.half_life each counts 2^(-age / half life), its age taken from the latest of them. In
 * floats that is 0 after some 150 half-lives.
 */
#include <math.h>
#include <stddef.h>

#include "base/alloc.h"
#include "models/models.h"

static const char *const phases[] = {"count"};
enum { SECONDS_A_DAY = 86400 };

static unsigned needs(const rk_options *options)
{
    return options->model.half_life > 0 ? RK_NEEDS_TIMES : 0;
}

/* What each entry of the items' rows of the graph counts. Rows of the CSR list users in ascending
 * order, and so does a walk over the users' lists. */
static rk_status decay(const rk_model_instance *instance, float **out)
{
    const rk_model_data *d = &instance->data;
    const rk_graph *g = d->graph;
    const double half_life = instance->options->model.half_life * SECONDS_A_DAY;
    double latest = -INFINITY;
    int64_t *at = NULL;
    float *weight = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&weight, 2 * g->n_edges, sizeof *weight, "ages of interactions"));
    RK_TRY_GOTO(done, rk__alloc(&at, g->n_items, sizeof *at, "places in the rows of items"));
    for (int64_t e = 0; e < g->n_edges; e++) {
        latest = fmax(latest, d->train_times[e]);
    }
    for (int64_t i = 0; i < g->n_items; i++) {
        at[i] = g->offsets[g->n_users + i];
    }
    for (int64_t e = 0; e < g->n_edges; e++) { /* the users' rows come first, as in the times */
        float counts = (float)exp2(-(latest - d->train_times[e]) / half_life);
        weight[e] = counts;
        weight[at[g->columns[e] - g->n_users]++] = counts;
    }
    *out = weight;
    weight = NULL;
done:
    rk__free(at);
    rk__free(weight);
    return status;
}

static rk_status declare(rk_model_instance *instance)
{
    const rk_model_data *d = &instance->data;
    rk_parameter weights = {.name = "graph.decay", .role = RK_CONSTANT, .cols = 1};
    RK_TRY(rk__model_add(instance, (rk_parameter){.name = "scores",
                                                  .rows = d->n_items,
                                                  .cols = 1,
                                                  .role = RK_COMPUTED,
                                                  .of = RK_ROWS_ITEMS}));
    if (instance->options->model.half_life == 0) {
        return RK_OK;
    }
    float *values = NULL;
    RK_TRY(decay(instance, &values));
    weights.rows = 2 * d->graph->n_edges;
    weights.constant = values;
    return rk__model_add(instance, weights);
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number, (void)state;
    rk_csr_values rows = rk__use_graph_rows(p);
    const rk_range_attr items = {instance->data.n_users, instance->data.n_items};
    if (instance->options->model.half_life > 0) {
        rows.values = rk__use_named(p, "graph.decay");
    }
    rk__assign_named(p, "scores", rk__row_sums(p, rows, items));
}

/* No query is needed: the scores are those of a tile of ones. */
static rk_value score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    (void)queries;
    const rk_range_attr items = {0, instance->data.n_items};
    return rk__score_dot(p, tile->ones, rk__use_named(p, "scores"), tile->count, items);
}

const rk_model_kind rk__model_popularity = {
    .name = "popularity",
    .help = "number of train interactions, or with model.half_life of recent ones: the same "
            "ranking for everybody",
    .needs = needs,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .score = score,
    .scores_by_dot = true,
    .is_same_for_all = true,
};
