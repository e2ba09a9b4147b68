/*
 * Why an item is in an answer: the score taken apart into what each item of the list adds to it.
 *
 * Three kinds of model can be taken apart, each by a member of rk_model_kind:
 *   reads_lists     scores are sums over the list; what an item adds is `similar`
 *   fold_sum        the query is a weighted sum of rows of a table, so the score is the sum of the
 *                   products of those rows with the candidate's
 *   fold_equations  the query solves A x = sum_j c_j v_j, so the score of candidate v is the sum of
 *                   c_j <A^-1 v, v_j> (Hu, Koren, Volinsky, ICDM 2008, section 5)
 * Of known users the last two have a vector of their own, which is more than the sum: what is taken
 * apart is the score of somebody new with their train items, and the result says that it is
 * approximate.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"

/* The list that speaks for answers, and what each of its items adds to each of n candidates. */
typedef struct history {
    int32_t *items; /* [h], ascending; owned, as all of these */
    float *weights; /* [h] */
    double *parts;  /* [n, h] */
    int64_t h;
} history;

static void free_history(history *l)
{
    rk__free(l->items);
    rk__free(l->weights);
    rk__free(l->parts);
}

static rk_status take_history(rk_scorer *s, const rk_query *q, rk_asker asker, int64_t n,
                              history *out)
{
    const rk_lists *train = s->data.parts[RK_TRAIN];
    const rk_selection none = {0};
    const rk_model_instance *instance = &s->engine->model;
    const int32_t *items = NULL;
    const float *weights = NULL; /* 1 each */
    rk_host_tile *t = &s->tile;
    int64_t elements = 0;
    if (asker == RK_ASKER_KNOWN && q->user >= 0 && train && !instance->model->is_same_for_all) {
        bool weighs =
            instance->model->fold_equations && instance->data.train_values &&
            (instance->options->model.weigh_by == RK_WEIGH_BY_VALUE || instance->model->rates);
        out->h = rk__lists_count(train, q->user);
        const int64_t begin = out->h > 0 ? train->offsets[q->user] : 0;
        items = train->items + begin;
        weights = weighs ? instance->data.train_values + begin : NULL;
    } else if (asker == RK_ASKER_FOLDED) {
        t->size = RK_TILE_ONE;
        RK_TRY(rk__tile_fill(s, t, q, 1, &none));
        out->h = t->list_offsets[1];
        items = t->items;
        weights = t->weights;
    }
    RK_TRY(rk__mul(&elements, n, out->h, "reasons"));
    RK_TRY(rk__alloc(&out->items, out->h, sizeof *out->items, "reasons"));
    RK_TRY(rk__alloc(&out->weights, out->h, sizeof *out->weights, "reasons"));
    RK_TRY(rk__calloc(&out->parts, elements, sizeof *out->parts, "reasons"));
    for (int64_t j = 0; j < out->h; j++) {
        out->items[j] = items[j];
        out->weights[j] = weights ? weights[j] : 1;
    }
    return RK_OK;
}

/* ---- scores that are sums over the list ---- */

static rk_status parts_of_lists(rk_scorer *s, const int32_t *items, int64_t n, history *l)
{
    int64_t *offsets = NULL, elements = 0;
    int32_t *pairs = NULL;
    float *scores = NULL;
    rk_status status = RK_OK;
    rk_host_tile *t = &s->tile;
    RK_TRY(rk__mul(&elements, n, l->h, "reasons"));
    RK_TRY_GOTO(done, rk__alloc(&offsets, l->h + 1, sizeof *offsets, "reasons"));
    RK_TRY_GOTO(done, rk__alloc(&pairs, elements, sizeof *pairs, "reasons"));
    RK_TRY_GOTO(done, rk__alloc(&scores, elements, sizeof *scores, "reasons"));
    for (int64_t j = 0; j <= l->h; j++) {
        offsets[j] = j * n;
    }
    for (int64_t e = 0; e < elements; e++) {
        pairs[e] = items[e % n];
    }
    t->size = RK_TILE_PAIRS;
    for (int64_t first = 0; first < l->h; first += t->n) {
        rk__tile_fill_items(s, t, l->items + first, l->h - first, true);
        RK_TRY_GOTO(done, rk__tile_score(s, t, (rk_item_lists){offsets + first, pairs}, scores));
    }
    for (int64_t e = 0; e < elements; e++) {
        const int64_t i = e % n, j = e / n;
        l->parts[i * l->h + j] = s->cold[items[i]] ? 0 : (double)(l->weights[j] * scores[e]);
    }
done:
    rk__free(offsets);
    rk__free(pairs);
    rk__free(scores);
    return status;
}

/* ---- scores that are products with a row made of the list ---- */

/* Rows of items of a table [users + items, w] of the store. */
static rk_status read_rows(const rk_scorer *s, const char *table, const int32_t *items, int64_t n,
                           float **out, int64_t *width)
{
    const rk_engine *e = s->engine;
    const int32_t stored = rk__store_find(&e->store, table);
    int64_t elements = 0;
    float *rows = NULL;
    RK_ASSERT(stored >= 0 && e->store.items[stored].dtype == RK_F32);
    *width = e->store.items[stored].cols;
    RK_TRY(rk__mul(&elements, n, *width, "rows of items"));
    RK_TRY(rk__alloc(&rows, elements, sizeof *rows, "rows of items"));
    *out = rows;
    for (int64_t i = 0; i < n; i++) {
        RK_TRY(e->device->read(e->context, stored, s->nodes[items[i]], 1, rows + i * *width));
    }
    return RK_OK;
}

static double dot(const float *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)a[i] * b[i];
    }
    return sum;
}

/* by[n, w] . rows[h, w], times a factor of each row. */
static void multiply(const double *by, int64_t n, int64_t w, const float *rows,
                     const double *factor, history *l)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < l->h; j++) {
            l->parts[i * l->h + j] = factor[j] * dot(rows + j * w, by + i * w, w);
        }
    }
}

/* In place, the lower triangle of a symmetric [w, w]; false where it is not positive definite. */
static bool cholesky(double *a, int64_t w)
{
    for (int64_t i = 0; i < w; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = a[i * w + j];
            for (int64_t k = 0; k < j; k++) {
                sum -= a[i * w + k] * a[j * w + k];
            }
            if (i == j && !(sum > 0)) {
                return false;
            }
            a[i * w + j] = i == j ? sqrt(sum) : sum / a[j * w + j];
        }
    }
    return true;
}

/* x becomes A^-1 x, A by its Cholesky factor. */
static void solve(const double *a, int64_t w, double *x)
{
    for (int64_t i = 0; i < w; i++) {
        for (int64_t k = 0; k < i; k++) {
            x[i] -= a[i * w + k] * x[k];
        }
        x[i] /= a[i * w + i];
    }
    for (int64_t i = w - 1; i >= 0; i--) {
        for (int64_t k = i + 1; k < w; k++) {
            x[i] -= a[k * w + i] * x[k];
        }
        x[i] /= a[i * w + i];
    }
}

/* The equations of the list (rk_als_attr) solved for each candidate's row in x [n, w]. */
static rk_status solve_for(const rk_scorer *s, const rk_als_attr *attr, const float *rows,
                           int64_t w, const history *l, double *x, int64_t n)
{
    const rk_engine *e = s->engine;
    float *gram = NULL;
    double *a = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&gram, w * w, sizeof *gram, "the equations of a list"));
    RK_TRY_GOTO(done, rk__alloc(&a, w * w, sizeof *a, "the equations of a list"));
    if (attr->is_rating) {
        memset(gram, 0, (size_t)(w * w) * sizeof *gram);
    } else {
        RK_TRY_GOTO(
            done, e->device->read(e->context, rk__store_find(&e->store, "fold.gram"), 0, w, gram));
    }
    for (int64_t i = 0; i < w * w; i++) {
        const int64_t row = i / w, col = i % w;
        const bool is_bias = attr->has_bias && row == w - 1;
        a[i] = attr->gram_weight * (double)gram[i];
        for (int64_t j = 0; j < l->h; j++) {
            const double left = attr->is_rating ? 1 : attr->p * (double)l->weights[j] - attr->q;
            a[i] += left * (double)rows[j * w + row] * (double)rows[j * w + col];
        }
        a[i] += row != col ? 0
                : is_bias  ? attr->bias_l2 * (double)l->h + attr->bias_l2_constant
                           : attr->l2 * (double)l->h + attr->l2_constant;
    }
    bool is_definite = cholesky(a, w);
    for (int64_t i = 0; i < n; i++) {
        if (is_definite) {
            solve(a, w, x + i * w);
        } else { /* then the device's row is zeros, too */
            memset(x + i * w, 0, (size_t)w * sizeof *x);
        }
    }
done:
    rk__free(gram);
    rk__free(a);
    return status;
}

/* What each row of the list is multiplied with; of ratings with biases the rows and those of the
 * candidates get 1 in place of their bias, as the equations have it. */
static void take_factors(const rk_als_attr *attr, float *rows, float *candidates, int64_t n,
                         int64_t w, const history *l, double *factor)
{
    for (int64_t j = 0; j < l->h; j++) {
        const double bias = attr->has_bias ? (double)rows[j * w + w - 1] : 0;
        factor[j] = attr->is_rating ? (double)l->weights[j] - attr->mean - bias
                                    : attr->p * (double)l->weights[j];
    }
    for (int64_t j = 0; attr->has_bias && j < l->h; j++) {
        rows[j * w + w - 1] = 1;
    }
    for (int64_t i = 0; attr->has_bias && i < n; i++) {
        candidates[i * w + w - 1] = 1;
    }
}

static rk_status parts_of_rows(const rk_scorer *s, const int32_t *items, int64_t n, history *l)
{
    const rk_model_instance *instance = &s->engine->model;
    const rk_model_kind *m = instance->model;
    const char *table = m->fold_table ? m->fold_table : m->embeddings;
    const rk_fold_sum sum = m->fold_sum ? m->fold_sum(instance) : (rk_fold_sum){table, 0};
    float *rows = NULL, *candidates = NULL;
    double *x = NULL, *factor = NULL, total = 0;
    int64_t w = 0, same = 0;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, read_rows(s, sum.table, l->items, l->h, &rows, &w));
    RK_TRY_GOTO(done, read_rows(s, table ? table : sum.table, items, n, &candidates, &same));
    RK_ASSERT(w == same);
    RK_TRY_GOTO(done, rk__alloc(&x, n * w, sizeof *x, "reasons"));
    RK_TRY_GOTO(done, rk__alloc(&factor, l->h, sizeof *factor, "reasons"));
    for (int64_t j = 0; j < l->h; j++) {
        total += (double)l->weights[j];
    }
    const rk_als_attr attr = m->fold_equations ? m->fold_equations(instance)
                                               : (rk_als_attr){.p = pow(total, -sum.power)};
    take_factors(&attr, rows, candidates, n, w, l, factor);
    for (int64_t i = 0; i < n * w; i++) {
        x[i] = (double)candidates[i];
    }
    if (m->fold_equations) {
        RK_TRY_GOTO(done, solve_for(s, &attr, rows, w, l, x, n));
    }
    multiply(x, n, w, rows, factor, l);
    for (int64_t e = 0; e < n * l->h; e++) {
        l->parts[e] = s->cold[items[e / l->h]] ? 0 : l->parts[e];
    }
done:
    rk__free(rows);
    rk__free(candidates);
    rk__free(x);
    rk__free(factor);
    return status;
}

/* ---- the most important ones ---- */

static int by_part(const void *left, const void *right)
{
    const rk_reason *a = left, *b = right;
    if (a->part != b->part) {
        return a->part < b->part ? 1 : -1;
    }
    return (a->item > b->item) - (a->item < b->item);
}

static rk_status choose(const history *l, int64_t n, int64_t k, rk_reason *reasons,
                        rk_explanation *out)
{
    rk_reason *all = NULL;
    RK_TRY(rk__alloc(&all, l->h, sizeof *all, "reasons"));
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < l->h; j++) {
            all[j] = (rk_reason){l->items[j], (float)l->parts[i * l->h + j]};
            sum += l->parts[i * l->h + j];
        }
        qsort(all, (size_t)l->h, sizeof *all, by_part);
        out[i].sum = (float)sum;
        for (int64_t j = 0; j < k; j++) {
            bool is_one = j < l->h && all[j].part > 0;
            reasons[i * k + j] = is_one ? all[j] : (rk_reason){-1, 0};
        }
    }
    rk__free(all);
    return RK_OK;
}

static rk_status explain(rk_scorer *s, const rk_query *query, const int32_t *items, int64_t n,
                         int64_t k, rk_reason *reasons, rk_explanation *out)
{
    const rk_model_kind *m = s->engine->model.model;
    rk_asker asker = RK_ASKER_KNOWN;
    history l = {0};
    rk_status status = RK_OK;
    if (m->has_members) {
        RK_FAIL(RK_ERR_CONFIG,
                "model %s has no reasons: its scores are no sums over the items that "
                "somebody has; ask one of its members",
                m->name);
    }
    RK_TRY(rk__query_asker(s, query, &asker, NULL));
    RK_TRY(rk__tile_check_items(s, items, n));
    RK_TRY(rk__scorer_refresh(s));
    RK_TRY_GOTO(done, take_history(s, query, asker, n, &l));
    bool by_rows = m->fold_sum || m->fold_equations;
    if (l.h > 0 && n > 0) {
        if (!by_rows && !(m->reads_lists && m->similar)) {
            status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                              "model %s has no reasons: its scores are no sums over the items that "
                              "somebody has; ask a model whose are, e.g. item_knn or ease",
                              m->name);
            goto done;
        }
        RK_TRY_GOTO(done,
                    by_rows ? parts_of_rows(s, items, n, &l) : parts_of_lists(s, items, n, &l));
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = (rk_explanation){.is_exact = l.h > 0 && !m->reads_fields &&
                                              (!by_rows || asker != RK_ASKER_KNOWN)};
    }
    status = choose(&l, n, k, reasons, out);
done:
    free_history(&l);
    return status;
}

rk_status rk__scorer_explain(rk_scorer *s, const rk_query *query, const int32_t *items, int64_t n,
                             int64_t k, rk_reason *reasons, rk_explanation *out)
{
    const rk_model_kind *m = s->engine->model.model;
    if (!m->fold_sum && !m->fold_equations && !m->reads_lists && !m->is_same_for_all) {
        RK_FAIL(RK_ERR_CONFIG,
                "model %s cannot say what its scores come from: they are no sums over the items "
                "that somebody has; ask without reasons",
                m->name);
    }
    pthread_mutex_lock(&s->lock);
    rk_status status = explain(s, query, items, n, k, reasons, out);
    pthread_mutex_unlock(&s->lock);
    return status;
}
