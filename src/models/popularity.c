/*
 * Popularity: the same ranking for everybody, by the number of an item's train interactions; with
 * model.half_life each counts 2^(-age / half life), its age taken from the latest of them. In
 * floats that is 0 after some 150 half-lives. With model.by_features items count by what items with
 * their features do, so that new ones are ranked.
 */
#include <math.h>
#include <stddef.h>

#include "base/alloc.h"
#include "models/models.h"
#include "rankine/sides.h"

static const char *const phases[] = {"count"}, *const of_features = "features.scores";
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

/* ---- by features ---- */

static const rk_features *features_of_items(const rk_model_data *d)
{
    const rk_features *f = NULL;
    const bool has = d->dataset && rk_dataset_find_features(d->dataset, "item", &f) == RK_OK;
    return has && f->n_sparse > 0 ? f : NULL;
}

static rk_status check_data(const rk_options *o, const rk_model_data *d)
{
    if (o->model.by_features && o->model.half_life > 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.by_features is true, and model.half_life is %g: what features "
                "count does not age; take one of them",
                o->model.half_life);
    }
    if (o->model.by_features && !features_of_items(d)) {
        RK_FAIL(RK_ERR_CONFIG, "model.by_features is true, but the data set has no words or flags "
                               "of items: name some in data.features");
    }
    return RK_OK;
}

/* Items with features. */
static bool knows(const rk_model_instance *m, int64_t node)
{
    const rk_features *f = m->options->model.by_features ? features_of_items(&m->data) : NULL;
    const int64_t item = node - m->data.n_users;
    return f && item >= 0 && f->offsets[item + 1] > f->offsets[item];
}

/* A column of them: of each item the mean, over its features, of the train interactions per item of
 * train that has it; 0 without features. */
static rk_status declare_features(rk_model_instance *m)
{
    const rk_model_data *d = &m->data;
    const rk_features *f = features_of_items(d);
    double *sum = NULL;
    float *scores = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__calloc(&sum, 2 * f->n_sparse, sizeof *sum, "the counts of features"));
    RK_TRY_GOTO(done, rk__calloc(&scores, d->n_items, sizeof *scores, "the counts of features"));
    double *items = sum + f->n_sparse;
    for (int64_t i = 0; i < f->n_nodes; i++) {
        const int64_t degree = rk__graph_degree(d->graph, d->n_users + i);
        for (int64_t k = f->offsets[i]; degree > 0 && k < f->offsets[i + 1]; k++) {
            sum[f->columns[k]] += (double)degree;
            items[f->columns[k]]++;
        }
    }
    for (int64_t i = 0; i < f->n_nodes; i++) {
        const int64_t first = f->offsets[i], end = f->offsets[i + 1];
        double mean = 0;
        for (int64_t k = first; k < end; k++) {
            const int32_t c = f->columns[k];
            mean += items[c] > 0 ? sum[c] / items[c] / (double)(end - first) : 0;
        }
        scores[i] = (float)mean;
    }
    status = rk__declare_constant(m, of_features, d->n_items, 1, scores);
    scores = NULL;
done:
    rk__free(scores);
    rk__free(sum);
    return status;
}

/* ---- the model ---- */

static rk_status declare(rk_model_instance *instance)
{
    const rk_model_data *d = &instance->data;
    rk_parameter weights = {.name = "graph.decay", .role = RK_CONSTANT, .cols = 1};
    RK_TRY(rk__model_add(instance, (rk_parameter){.name = "scores",
                                                  .rows = d->n_items,
                                                  .cols = 1,
                                                  .role = RK_COMPUTED,
                                                  .of = RK_ROWS_ITEMS}));
    if (instance->options->model.by_features) {
        RK_TRY(declare_features(instance));
    }
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
    rk__assign_named(p, "scores",
                     instance->options->model.by_features ? rk__use_named(p, of_features)
                                                          : rk__row_sums(p, rows, items));
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
    .check_data = check_data,
    .knows = knows,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .score = score,
    .scores_by_dot = true,
    .is_same_for_all = true,
};
