/*
 * Lists to values, values to means.
 *
 * The lists of a tile are valued in parallel, each for itself; one thread then adds them in their
 * order, so that neither threads nor the tile size change a bit. A user's value is the mean over
 * their lists, of which there is one unless held-out rows are ranked one by one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "eval/work.h"

/* ---- room ---- */

static bool wants(const rk_eval_work *w, rk_metric metric)
{
    bool is_wanted = false;
    for (int64_t v = 0; v < w->n_values; v++) {
        is_wanted = is_wanted || w->measures[v].metric == metric;
    }
    return is_wanted;
}

static int64_t n_of_all(const rk_eval_work *w)
{
    int64_t n = 0;
    for (int64_t v = 0; v < w->n_values; v++) {
        n += rk__metric_of(w->measures[v].metric) == RK_METRIC_OF_ALL;
    }
    return n;
}

/* Train interactions of items, and what they say of an item's novelty. */
static rk_status count_items(rk_eval_work *w)
{
    const rk_lists *train = &w->dataset->parts[RK_TRAIN];
    int64_t n_users = 0;
    RK_TRY(rk__calloc(&w->degrees, w->dataset->n_items, sizeof *w->degrees, "item degrees"));
    RK_TRY(rk__alloc(&w->novelty, w->dataset->n_items, sizeof *w->novelty, "novelty"));
    for (int64_t u = 0; u < train->n_rows; u++) {
        n_users += train->offsets[u + 1] > train->offsets[u];
        for (int64_t e = train->offsets[u]; e < train->offsets[u + 1]; e++) {
            w->degrees[train->items[e]]++;
        }
    }
    for (int64_t i = 0; i < w->dataset->n_items; i++) {
        w->novelty[i] =
            w->degrees[i] > 0 ? (float)log2((double)n_users / (double)w->degrees[i]) : 0;
    }
    return RK_OK;
}

static rk_status allocate_groups(rk_eval_work *w)
{
    const rk_eval_groups *g = w->groups;
    const int64_t n = g->n * w->n_values;
    RK_TRY(rk__alloc(&w->group_values, RK_RANK_TILE * n, sizeof *w->group_values, "metric values"));
    RK_TRY(rk__alloc(&w->group_targets, RK_RANK_TILE * g->n, sizeof *w->group_targets,
                     "held-out items"));
    RK_TRY(rk__calloc(&w->user_group_sums, n, sizeof *w->user_group_sums, "metric sums"));
    RK_TRY(rk__calloc(&w->user_group_lists, g->n, sizeof *w->user_group_lists, "metric sums"));
    RK_TRY(rk__calloc(&w->user_group_targets, g->n, sizeof *w->user_group_targets, "metric sums"));
    RK_TRY(rk__calloc(&w->group_weights, n, sizeof *w->group_weights, "metric sums"));
    memset(g->values, 0, (size_t)n * sizeof *g->values);
    memset(g->users, 0, (size_t)g->n * sizeof *g->users);
    memset(g->pairs, 0, (size_t)g->n * sizeof *g->pairs);
    return RK_OK;
}

rk_status rk__tally_allocate(rk_eval_work *w)
{
    const int64_t n = w->n_values;
    int64_t n_ranks = 0, n_counts = 0;
    RK_TRY(rk__mul(&n_ranks, RK_RANK_TILE, w->k_max, "ranked lists"));
    RK_TRY(rk__mul(&n_counts, n_of_all(w), w->dataset->n_items, "lists of items"));
    RK_TRY(rk__alloc(&w->hits, n_ranks, sizeof *w->hits, "hits"));
    RK_TRY(rk__alloc(&w->values, RK_RANK_TILE * n, sizeof *w->values, "metric values"));
    RK_TRY(rk__calloc(&w->user_sums, n, sizeof *w->user_sums, "metric sums"));
    RK_TRY(rk__calloc(&w->means.sums, n, sizeof *w->means.sums, "metric sums"));
    RK_TRY(rk__calloc(&w->means.weights, n, sizeof *w->means.weights, "metric sums"));
    RK_TRY(rk__calloc(&w->counts, n_counts, sizeof *w->counts, "lists of items"));
    if (w->options->eval.style == RK_STYLE_ELLIOT && w->row_values) {
        RK_TRY(rk__alloc(&w->gain, n_ranks, sizeof *w->gain, "gains"));
        RK_TRY(rk__alloc(&w->ideal, n_ranks, sizeof *w->ideal, "gains"));
    }
    if (wants(w, RK_METRIC_novelty) || wants(w, RK_METRIC_avg_popularity)) {
        RK_TRY(count_items(w));
    }
    return w->groups ? allocate_groups(w) : RK_OK;
}

void rk__tally_free(rk_eval_work *w)
{
    rk__free(w->hits);
    rk__free(w->values);
    rk__free(w->gain);
    rk__free(w->ideal);
    rk__free(w->novelty);
    rk__free(w->degrees);
    rk__free(w->counts);
    rk__free(w->user_sums);
    rk__free(w->user_group_sums);
    rk__free(w->user_group_lists);
    rk__free(w->user_group_targets);
    rk__free(w->means.sums);
    rk__free(w->means.weights);
    rk__free(w->group_values);
    rk__free(w->group_targets);
    rk__free(w->group_weights);
}

/* ---- a list ---- */

/* What a list is measured by: its user's held-out items, or one of them; of a group alone. */
typedef struct aim {
    int64_t user;
    int64_t from, to; /* the places in targets->items that count */
    int64_t group;    /* -1 = all of them */
} aim;

static aim aim_of(const rk_eval_work *w, int64_t list)
{
    const int64_t user = w->row_users ? w->row_users[list] : w->users[list];
    const int64_t row = w->rows ? w->rows[list] : -1;
    return (aim){.user = user,
                 .from = row >= 0 ? row : w->targets->offsets[user],
                 .to = row >= 0 ? row + 1 : w->targets->offsets[user + 1],
                 .group = -1};
}

static bool is_of(const rk_eval_work *w, const aim *a, int32_t item)
{
    return a->group < 0 || w->groups->of[item] == a->group;
}

/* The place of the item among those that count, -1 if it is none of them. */
static int64_t find(const rk_eval_work *w, const aim *a, int32_t item)
{
    int64_t lo = a->from;
    for (int64_t hi = a->to; lo < hi;) {
        int64_t middle = lo + (hi - lo) / 2;
        if (w->targets->items[middle] < item) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < a->to && w->targets->items[lo] == item && is_of(w, a, item) ? lo : -1;
}

static double gain_at(const rk_eval_work *w, int64_t place)
{
    return exp2((double)w->row_values[place] + 1) - 1;
}

/* The k_max largest gains, the largest first. */
static void sort_gains(const rk_eval_work *w, const aim *a, double *ideal)
{
    int64_t n = 0;
    for (int64_t place = a->from; place < a->to; place++) {
        if (!is_of(w, a, w->targets->items[place])) {
            continue;
        }
        const double gain = gain_at(w, place);
        if (n == w->k_max && !(gain > ideal[n - 1])) {
            continue;
        }
        int64_t at = n < w->k_max ? n++ : n - 1;
        for (; at > 0 && ideal[at - 1] < gain; at--) {
            ideal[at] = ideal[at - 1];
        }
        ideal[at] = gain;
    }
}

/* The mean over the first k items of a list. */
static double mean_of_items(const rk_eval_work *w, rk_measure m, const int32_t *ranked)
{
    double sum = 0;
    int64_t n = 0;
    for (; n < m.k && ranked[n] >= 0; n++) {
        sum += m.metric == RK_METRIC_novelty ? (double)w->novelty[ranked[n]]
                                             : (double)w->degrees[ranked[n]];
    }
    return n > 0 ? sum / (double)n : 0;
}

/* The values of list i of the tile; returns how many held-out items it was measured by. */
static int64_t value_list(const rk_eval_work *w, const aim *a, int64_t i, double *values)
{
    const int32_t *ranked = w->items + i * w->k_max;
    uint8_t *hits = w->hits + i * w->k_max;
    rk_hits h = {.hit = hits, .n_targets = 0};
    for (int64_t place = a->from; place < a->to; place++) {
        h.n_targets += is_of(w, a, w->targets->items[place]);
    }
    if (h.n_targets == 0) {
        return 0;
    }
    for (int64_t r = 0; r < w->k_max; r++) {
        const int64_t place = ranked[r] >= 0 ? find(w, a, ranked[r]) : -1;
        hits[r] = place >= 0;
        h.n_listed += ranked[r] >= 0;
        if (w->gain) {
            w->gain[i * w->k_max + r] = place >= 0 ? gain_at(w, place) : 0;
        }
    }
    if (w->gain) {
        h.gain = w->gain + i * w->k_max;
        h.ideal = w->ideal + i * w->k_max;
        sort_gains(w, a, w->ideal + i * w->k_max);
    }
    for (int64_t v = 0; v < w->n_values; v++) {
        const rk_metric_of of = rk__metric_of(w->measures[v].metric);
        values[v] = of == RK_METRIC_OF_HITS
                        ? rk__metric_of_hits(w->measures[v], w->options->eval.style, &h)
                    : of == RK_METRIC_OF_ITEMS ? mean_of_items(w, w->measures[v], ranked)
                                               : 0;
    }
    return h.n_targets;
}

static void value_lists(rk_eval_work *w, int64_t list, int64_t i)
{
    const int64_t n_groups = w->groups ? w->groups->n : 0;
    aim a = aim_of(w, list);
    value_list(w, &a, i, w->values + i * w->n_values);
    for (int64_t g = 0; g < n_groups; g++) {
        a.group = g;
        w->group_targets[i * n_groups + g] =
            value_list(w, &a, i, w->group_values + (i * n_groups + g) * w->n_values);
    }
}

/* ---- sums ---- */

void rk__tally_user(rk_eval_work *w, int64_t user_at, int64_t v, int64_t group, int64_t n_targets,
                    double value)
{
    const bool is_one = w->rows && !rk__measure_is_of_pairs(w->measures[v]);
    const double weight =
        rk__measure_weight(w->measures[v], w->options->eval.style, is_one ? 1 : n_targets);
    if (group >= 0) {
        w->groups->values[group * w->n_values + v] += weight * value;
        w->group_weights[group * w->n_values + v] += weight;
        return;
    }
    w->means.sums[v] += weight * value;
    w->means.weights[v] += weight;
    if (w->each) {
        w->each[user_at * w->n_values + v] = value;
    }
}

static bool is_of_lists(const rk_eval_work *w, int64_t v)
{
    return !rk__measure_is_of_order(w->measures[v]);
}

/* All lists of the user have been taken. */
static void close_user(rk_eval_work *w)
{
    const int64_t user = w->users[w->user_at], n = w->n_values;
    const int64_t n_targets = rk__lists_count(w->targets, user);
    for (int64_t v = 0; v < n; v++) {
        if (is_of_lists(w, v)) {
            rk__tally_user(w, w->user_at, v, -1, n_targets, w->user_sums[v] / (double)w->n_taken);
        }
        w->user_sums[v] = 0;
    }
    for (int64_t g = 0; w->groups && g < w->groups->n; g++) {
        const int64_t lists = w->user_group_lists[g], targets = w->user_group_targets[g];
        w->groups->pairs[g] += targets;
        w->groups->users[g] += lists > 0;
        for (int64_t v = 0; v < n; v++) {
            if (lists > 0 && is_of_lists(w, v)) {
                rk__tally_user(w, w->user_at, v, g, targets,
                               w->user_group_sums[g * n + v] / (double)lists);
            }
            w->user_group_sums[g * n + v] = 0;
        }
        w->user_group_lists[g] = w->user_group_targets[g] = 0;
    }
    w->user_at++;
    w->n_taken = 0;
}

static void count_list(rk_eval_work *w, const int32_t *ranked)
{
    int64_t *counts = w->counts;
    for (int64_t v = 0; v < w->n_values; v++) {
        if (rk__metric_of(w->measures[v].metric) == RK_METRIC_OF_ALL) {
            for (int64_t r = 0; r < w->measures[v].k && ranked[r] >= 0; r++) {
                RK_ASSERT(ranked[r] < w->dataset->n_items);
                counts[ranked[r]]++;
            }
            counts += w->dataset->n_items;
        }
    }
}

static void add_list(rk_eval_work *w, int64_t list, int64_t i)
{
    const int64_t n = w->n_values, n_groups = w->groups ? w->groups->n : 0;
    for (int64_t v = 0; v < n; v++) {
        w->user_sums[v] += w->values[i * n + v];
    }
    for (int64_t g = 0; g < n_groups; g++) {
        const int64_t targets = w->group_targets[i * n_groups + g];
        w->user_group_lists[g] += targets > 0;
        w->user_group_targets[g] += targets;
        for (int64_t v = 0; targets > 0 && v < n; v++) {
            w->user_group_sums[g * n + v] += w->group_values[(i * n_groups + g) * n + v];
        }
    }
    count_list(w, w->items + i * w->k_max);
    w->n_taken++;
    bool is_last = list + 1 == w->n_lists || !w->rows;
    if (is_last || w->row_users[list + 1] != w->row_users[list]) {
        close_user(w);
    }
}

void rk__tally_lists(rk_eval_work *w, int64_t first, int64_t n, const int32_t *items)
{
    w->items = items;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        value_lists(w, first + i, i);
    }
    for (int64_t i = 0; i < n; i++) {
        add_list(w, first + i, i);
    }
}

/* ---- the end ---- */

static int ascending(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Sorts the counts. */
static double gini(int64_t *counts, int64_t n)
{
    double weighted = 0, all = 0;
    qsort(counts, (size_t)n, sizeof *counts, ascending);
    for (int64_t j = 1; j <= n; j++) {
        weighted += (double)(2 * j - n - 1) * (double)counts[j - 1];
        all += (double)counts[j - 1];
    }
    return all > 0 ? weighted / ((double)n * all) : 0;
}

double rk__tally_of_all(const rk_eval_work *w, int64_t v)
{
    const int64_t n_items = w->dataset->n_items;
    int64_t *counts = w->counts, n = 0;
    for (int64_t before = 0; before < v; before++) {
        counts += rk__metric_of(w->measures[before].metric) == RK_METRIC_OF_ALL ? n_items : 0;
    }
    if (w->measures[v].metric == RK_METRIC_gini) {
        return gini(counts, n_items);
    }
    for (int64_t i = 0; i < n_items; i++) {
        n += counts[i] > 0;
    }
    return (double)n / (double)n_items;
}

/* Sums to means; NaN for who has no value, and for what is not of held-out items. */
void rk__tally_groups(const rk_eval_work *w)
{
    const rk_eval_groups *g = w->groups;
    for (int64_t i = 0; i < g->n * w->n_values; i++) {
        const rk_measure m = w->measures[i % w->n_values];
        const bool is_mean =
            rk__metric_of(m.metric) == RK_METRIC_OF_HITS || rk__measure_is_of_order(m);
        g->values[i] =
            is_mean && w->group_weights[i] > 0 ? g->values[i] / w->group_weights[i] : (double)NAN;
    }
}
