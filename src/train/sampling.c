/*
 * Tables for the sampler. Invariants: users are ascending; an item without train interactions has
 * no chance in the alias table (for alpha > 0), not even by rounding.
 */
#include "train/sampling.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/order.h"

/* Names in the store; the state is the trainer's. */
static const char *const NAME_STATE = "step_state";
static const char *const NAME_USERS = "sampling.users";
static const char *const NAME_EDGES = "sampling.edge_offsets";
static const char *const NAME_POOL = "sampling.pool";
static const char *const NAME_SHARE = "sampling.alias_share";
static const char *const NAME_ALIAS = "sampling.alias_item";
static const char *const NAME_CUMULATIVE = "sampling.cumulative";
static const char *const NAME_WEIGHTS = "loss.edge_weights";
static const char *const NAME_LABELS = "loss.edge_labels";
static const char *const NAME_BIAS = "loss.logit_bias";
static const char *const NAME_FACTOR = "loss.degree_factor";

/* Somebody with every item has no negatives, which labels do not need. */
static rk_status find_eligible(rk_sampling *s, const rk_graph *graph, bool has_labels)
{
    const int64_t most = graph->n_items - !has_labels;
    for (int64_t u = 0; u < graph->n_users; u++) {
        int64_t degree = rk__graph_degree(graph, u);
        s->n_eligible_users += degree > 0 && degree <= most;
        s->n_skipped_users += degree > most;
    }
    if (s->n_eligible_users == 0) {
        RK_FAIL(RK_ERR_DATA,
                "nobody can be trained on: of %lld users and %lld items, %lld users have every "
                "item and the others have none in train",
                (long long)graph->n_users, (long long)graph->n_items,
                (long long)s->n_skipped_users);
    }
    RK_TRY(rk__alloc(&s->users, s->n_eligible_users, sizeof *s->users, "the users to draw from"));
    RK_TRY(rk__alloc(&s->edge_offsets, s->n_eligible_users + 1, sizeof *s->edge_offsets,
                     "the interactions to draw from"));
    int64_t n = 0;
    s->edge_offsets[0] = 0;
    for (int64_t u = 0; u < graph->n_users; u++) {
        int64_t degree = rk__graph_degree(graph, u);
        if (degree > 0 && degree <= most) {
            s->users[n] = (int32_t)u;
            s->edge_offsets[n + 1] = s->edge_offsets[n] + degree;
            n++;
        }
    }
    s->n_eligible_edges = s->edge_offsets[n];
    return RK_OK;
}

static rk_status build_pool(rk_sampling *s, const rk_graph *graph, int64_t pool_size)
{
    rk_status status = RK_OK;
    int64_t *degrees = NULL;
    int32_t *order = NULL;
    RK_TRY_GOTO(done, rk__alloc(&degrees, graph->n_items, sizeof *degrees, "item degrees"));
    RK_TRY_GOTO(done, rk__alloc(&order, graph->n_items, sizeof *order, "the popular pool"));
    for (int64_t i = 0; i < graph->n_items; i++) {
        degrees[i] = rk__graph_degree(graph, graph->n_users + i);
    }
    RK_TRY_GOTO(done, rk__order_by_count(degrees, graph->n_items, order));
    s->pool_size = pool_size < graph->n_items ? pool_size : graph->n_items;
    RK_TRY_GOTO(done, rk__alloc(&s->pool, s->pool_size, sizeof *s->pool, "the popular pool"));
    memcpy(s->pool, order, (size_t)s->pool_size * sizeof *s->pool);
done:
    rk__free(degrees);
    rk__free(order);
    return status;
}

/* A share as the sampler can tell it from its neighbours: it compares 24 random bits with it. */
static float quantised(double share)
{
    return (float)(rint(fmin(share, 1) * 0x1p24) * 0x1p-24);
}

/* Vose's method. weight[i] (sum n after scaling by `scale`) is used up. `stack` holds n indices:
 * the items lighter than the mean share grow from its bottom, the others from its top. */
static void fill_alias(rk_sampling *s, double *weight, int32_t *stack, int64_t n, double scale)
{
    int64_t n_light = 0, n_heavy = 0;
    int32_t heaviest = 0;
    for (int64_t i = n - 1; i >= 0; i--) {
        weight[i] *= scale;
        heaviest = weight[i] >= weight[heaviest] ? (int32_t)i : heaviest;
        if (weight[i] < 1) {
            stack[n_light++] = (int32_t)i;
        } else {
            stack[n - ++n_heavy] = (int32_t)i;
        }
    }
    while (n_light > 0 && n_heavy > 0) {
        int32_t light = stack[--n_light], heavy = stack[n - n_heavy];
        s->alias_share[light] = quantised(weight[light]);
        s->alias_item[light] = heavy;
        weight[heavy] = (weight[heavy] + weight[light]) - 1; /* what heavy has left */
        if (weight[heavy] < 1) {
            n_heavy--;
            stack[n_light++] = heavy;
        }
    }
    /* What is left over is a full share up to rounding; an item without weight must not become one.
     */
    while (n_heavy > 0) {
        int32_t item = stack[n - n_heavy--];
        s->alias_share[item] = 1;
        s->alias_item[item] = item;
    }
    while (n_light > 0) {
        int32_t item = stack[--n_light];
        s->alias_share[item] = weight[item] > 0 ? 1 : 0;
        s->alias_item[item] = weight[item] > 0 ? item : heaviest;
    }
}

static rk_status build_alias(rk_sampling *s, const rk_graph *graph, double alpha)
{
    rk_status status = RK_OK;
    int64_t n = graph->n_items;
    double *weight = NULL, sum = 0;
    int32_t *stack = NULL;
    RK_TRY_GOTO(done, rk__alloc(&weight, n, sizeof *weight, "popularity weights"));
    RK_TRY_GOTO(done, rk__alloc(&stack, n, sizeof *stack, "popularity weights"));
    RK_TRY_GOTO(done, rk__alloc(&s->alias_share, n, sizeof *s->alias_share, "the alias table"));
    RK_TRY_GOTO(done, rk__alloc(&s->alias_item, n, sizeof *s->alias_item, "the alias table"));
    for (int64_t i = 0; i < n; i++) {
        weight[i] = pow((double)rk__graph_degree(graph, graph->n_users + i), alpha);
        sum += weight[i];
    }
    fill_alias(s, weight, stack, n, (double)n / sum);
done:
    rk__free(weight);
    rk__free(stack);
    return status;
}

/* Whole numbers, so that every device draws the same: the largest value is 2^30. */
static rk_status build_cumulative(rk_sampling *s, const rk_graph *graph, const float *values)
{
    int64_t n = 0;
    double largest = 0;
    RK_ASSERT(values);
    RK_TRY(rk__alloc(&s->cumulative, s->n_eligible_edges + 1, sizeof *s->cumulative,
                     "the weights of interactions"));
    for (int64_t e = 0; e < graph->n_edges; e++) {
        largest = fmax(largest, (double)values[e]);
    }
    s->cumulative[0] = 0;
    for (int64_t i = 0; i < s->n_eligible_users; i++) {
        for (int64_t e = graph->offsets[s->users[i]]; e < graph->offsets[s->users[i] + 1]; e++) {
            int64_t weight = llrint((double)values[e] / largest * 0x1p30);
            s->cumulative[n + 1] = s->cumulative[n] + (weight > 0 ? weight : 1);
            n++;
        }
    }
    return RK_OK;
}

/* The values over their mean. */
static rk_status build_edge_weights(rk_sampling *s, const rk_graph *graph, const float *values)
{
    double sum = 0;
    RK_ASSERT(values);
    RK_TRY(rk__alloc(&s->edge_weights, graph->n_edges, sizeof *s->edge_weights,
                     "the weights of interactions"));
    s->n_edges = graph->n_edges;
    for (int64_t e = 0; e < graph->n_edges; e++) {
        sum += (double)values[e];
    }
    for (int64_t e = 0; e < graph->n_edges; e++) {
        s->edge_weights[e] = (float)((double)values[e] * (double)graph->n_edges / sum);
    }
    return RK_OK;
}

/* The chance that a draw is this edge (a number in edge_offsets) of eligible user i. */
static double chance_of_edge(const rk_sampling *s, const rk_options *options, int64_t i,
                             int64_t edge)
{
    bool by_user = options->sampling.positives == RK_POSITIVES_USER ||
                   options->sampling.positives == RK_POSITIVES_EACH_USER;
    int64_t begin = s->edge_offsets[i], end = s->edge_offsets[i + 1];
    if (s->cumulative) {
        int64_t all = by_user ? s->cumulative[end] - s->cumulative[begin]
                              : s->cumulative[s->n_eligible_edges];
        double share = (double)(s->cumulative[edge + 1] - s->cumulative[edge]) / (double)all;
        return by_user ? share / (double)s->n_eligible_users : share;
    }
    return by_user ? 1 / ((double)s->n_eligible_users * (double)(end - begin))
                   : 1 / (double)s->n_eligible_edges;
}

/* -strength * log(chance that a draw's positive is this item). The chance is exact for each kind of
 * sampling.positives; items that are never drawn have no logit to change. */
static rk_status build_logit_bias(rk_sampling *s, const rk_graph *graph, const rk_options *options)
{
    double *chance = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__calloc(&chance, s->n_nodes, sizeof *chance, "the chances of items"));
    RK_TRY_GOTO(done, rk__calloc(&s->logit_bias, s->n_nodes, sizeof *s->logit_bias,
                                 "the popularity correction"));
    for (int64_t i = 0; i < s->n_eligible_users; i++) {
        int64_t user = s->users[i];
        for (int64_t e = graph->offsets[user]; e < graph->offsets[user + 1]; e++) {
            int64_t edge = s->edge_offsets[i] + e - graph->offsets[user];
            chance[graph->columns[e]] += chance_of_edge(s, options, i, edge);
        }
    }
    for (int64_t i = 0; i < s->n_nodes; i++) {
        double log_chance = chance[i] > 0 ? log(chance[i]) : 0;
        s->logit_bias[i] = (float)(-options->loss.popularity_correction * log_chance);
    }
done:
    rk__free(chance);
    return status;
}

/* Of beta in Mao et al., "UltraGCN", CIKM 2021. */
static rk_status build_degree_factor(rk_sampling *s, const rk_graph *graph)
{
    RK_TRY(rk__alloc(&s->degree_factor, graph->n_nodes, sizeof *s->degree_factor,
                     "the degrees' factors"));
    for (int64_t i = 0; i < graph->n_nodes; i++) {
        double degree = (double)rk__graph_degree(graph, i);
        double of_user = degree > 0 ? sqrt(degree + 1) / degree : 0;
        s->degree_factor[i] = (float)(i < graph->n_users ? of_user : 1 / sqrt(degree + 1));
    }
    return RK_OK;
}

/* More negatives than there are items to choose from is a mistake. */
static rk_status check_catalogue(const rk_graph *graph, const rk_options *options)
{
    bool dynamic = options->sampling.negatives == RK_NEGATIVES_DYNAMIC;
    int64_t n = dynamic ? options->sampling.candidates : options->sampling.per_positive;
    if (n > graph->n_items) {
        RK_FAIL(RK_ERR_CONFIG,
                "sampling.%s is %lld, but there are only %lld items to draw negatives from: take a "
                "smaller number",
                dynamic ? "candidates" : "per_positive", (long long)n, (long long)graph->n_items);
    }
    return RK_OK;
}

rk_status rk__sampling_init(rk_sampling *out, const rk_graph *graph, const float *values,
                            const rk_options *options)
{
    rk_status status = RK_OK;
    *out = (rk_sampling){0};
    RK_TRY_GOTO(done, find_eligible(out, graph, options->loss.kind == RK_LOSS_MSE));
    RK_TRY_GOTO(done, check_catalogue(graph, options));
    out->n_nodes = graph->n_nodes;
    if (options->sampling.negatives == RK_NEGATIVES_POPULAR_POOL) {
        RK_TRY_GOTO(done, build_pool(out, graph, options->sampling.pool_size));
    } else if (options->sampling.negatives == RK_NEGATIVES_POPULARITY) {
        RK_TRY_GOTO(done, build_alias(out, graph, options->sampling.alpha));
    }
    if (options->sampling.weigh_by == RK_WEIGH_BY_VALUE) {
        RK_TRY_GOTO(done, build_cumulative(out, graph, values));
    }
    if (options->loss.weigh_by == RK_WEIGH_BY_VALUE) {
        RK_TRY_GOTO(done, build_edge_weights(out, graph, values));
    }
    if (options->loss.kind == RK_LOSS_MSE) {
        out->edge_labels = values;
    }
    if (options->loss.popularity_correction > 0) {
        RK_TRY_GOTO(done, build_logit_bias(out, graph, options));
    }
    if (options->loss.kind == RK_LOSS_BCE) {
        RK_TRY_GOTO(done, build_degree_factor(out, graph));
    }
done:
    if (status != RK_OK) {
        rk__sampling_free(out);
    }
    return status;
}

void rk__sampling_free(rk_sampling *sampling)
{
    rk__free(sampling->users);
    rk__free(sampling->edge_offsets);
    rk__free(sampling->pool);
    rk__free(sampling->alias_share);
    rk__free(sampling->alias_item);
    rk__free(sampling->cumulative);
    rk__free(sampling->edge_weights);
    rk__free(sampling->logit_bias);
    rk__free(sampling->degree_factor);
    *sampling = (rk_sampling){0};
}

rk_status rk__sampling_declare(const rk_sampling *sampling, const rk_options *options,
                               const rk_graph *graph, rk_store *store, rk_sample_attr *out_attr)
{
    const rk_sampling *s = sampling;
    int32_t number;
    RK_TRY(rk__store_add(store, NAME_USERS, RK_I32, s->n_eligible_users, 1, s->users, &number));
    RK_TRY(rk__store_add(store, NAME_EDGES, RK_I64, s->n_eligible_users + 1, 1, s->edge_offsets,
                         &number));
    if (s->pool) {
        RK_TRY(rk__store_add(store, NAME_POOL, RK_I32, s->pool_size, 1, s->pool, &number));
    }
    if (s->alias_share) {
        RK_TRY(
            rk__store_add(store, NAME_SHARE, RK_F32, graph->n_items, 1, s->alias_share, &number));
        RK_TRY(rk__store_add(store, NAME_ALIAS, RK_I32, graph->n_items, 1, s->alias_item, &number));
    }
    if (s->cumulative) {
        RK_TRY(rk__store_add(store, NAME_CUMULATIVE, RK_I64, s->n_eligible_edges + 1, 1,
                             s->cumulative, &number));
    }
    if (s->edge_weights) {
        RK_TRY(rk__store_add(store, NAME_WEIGHTS, RK_F32, s->n_edges, 1, s->edge_weights, &number));
    }
    if (s->edge_labels) {
        RK_TRY(
            rk__store_add(store, NAME_LABELS, RK_F32, graph->n_edges, 1, s->edge_labels, &number));
    }
    if (s->logit_bias) {
        RK_TRY(rk__store_add(store, NAME_BIAS, RK_F32, s->n_nodes, 1, s->logit_bias, &number));
    }
    if (s->degree_factor) {
        RK_TRY(rk__store_add(store, NAME_FACTOR, RK_F32, s->n_nodes, 1, s->degree_factor, &number));
    }
    int32_t n_candidates = (int32_t)options->sampling.per_positive;
    if (options->sampling.negatives == RK_NEGATIVES_DYNAMIC) {
        n_candidates = (int32_t)options->sampling.candidates;
    } else if (options->sampling.negatives == RK_NEGATIVES_IN_BATCH ||
               options->sampling.negatives == RK_NEGATIVES_ALL ||
               options->loss.kind == RK_LOSS_MSE) {
        n_candidates = 0;
    }
    *out_attr = (rk_sample_attr){
        .batch = options->train.batch,
        .positives = options->sampling.positives,
        .negatives = options->sampling.negatives,
        .n_candidates = n_candidates,
        .pool_size = (int32_t)s->pool_size,
        .pool_probability = (float)options->sampling.pool_probability,
        .n_users = graph->n_users,
        .n_items = graph->n_items,
        .n_eligible_users = s->n_eligible_users,
        .n_eligible_edges = s->n_eligible_edges,
    };
    return RK_OK;
}

rk_sampler rk__sampling_sampler(const rk_sampling *sampling, const rk_graph *graph,
                                const rk_sample_attr *attr, uint64_t seed, int64_t step)
{
    return (rk_sampler){.offsets = graph->offsets,
                        .columns = graph->columns,
                        .users = sampling->users,
                        .edge_offsets = sampling->edge_offsets,
                        .pool = sampling->pool,
                        .alias_share = sampling->alias_share,
                        .alias_item = sampling->alias_item,
                        .cumulative = sampling->cumulative,
                        .positives = attr->positives,
                        .negatives = attr->negatives,
                        .pool_size = attr->pool_size,
                        .pool_probability = attr->pool_probability,
                        .n_users = attr->n_users,
                        .n_items = attr->n_items,
                        .n_eligible_users = attr->n_eligible_users,
                        .n_eligible_edges = attr->n_eligible_edges,
                        .seed = seed,
                        .step = step,
                        .first_draw = step * attr->batch};
}

static rk_value use_if_there(rk_program *program, const rk_store *store, const char *name)
{
    int32_t number = rk__store_find(store, name);
    return number < 0 ? RK_NONE : rk__use(program, number);
}

rk_sample_values rk__sampling_use(rk_program *program, const rk_store *store)
{
    RK_ASSERT(rk__store_find(store, NAME_STATE) >= 0 && rk__store_find(store, NAME_USERS) >= 0);
    return (rk_sample_values){
        .state = use_if_there(program, store, NAME_STATE),
        .users = use_if_there(program, store, NAME_USERS),
        .edge_offsets = use_if_there(program, store, NAME_EDGES),
        .pool = use_if_there(program, store, NAME_POOL),
        .alias_share = use_if_there(program, store, NAME_SHARE),
        .alias_item = use_if_there(program, store, NAME_ALIAS),
        .cumulative = use_if_there(program, store, NAME_CUMULATIVE),
    };
}

rk_value rk__sampling_use_edge_weights(rk_program *program, const rk_store *store)
{
    return use_if_there(program, store, NAME_WEIGHTS);
}

rk_value rk__sampling_use_edge_labels(rk_program *program, const rk_store *store)
{
    return use_if_there(program, store, NAME_LABELS);
}

rk_value rk__sampling_use_logit_bias(rk_program *program, const rk_store *store)
{
    return use_if_there(program, store, NAME_BIAS);
}

rk_value rk__sampling_use_degree_factor(rk_program *program, const rk_store *store)
{
    return use_if_there(program, store, NAME_FACTOR);
}
