#include "models/field_pairs.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "data/dataset_internal.h"

static const char what[] = "the pairs of fields";

int64_t rk__field_nodes(const rk_model_data *data)
{
    return rk__has_context_nodes(data) ? data->contexts->first[data->contexts->n]
                                       : data->n_users + data->n_items;
}

int64_t rk__field_types(const rk_model_data *data)
{
    const int64_t n = rk__has_context_nodes(data) ? data->contexts->n : 0;
    return 2 * n + n * (n - 1) / 2;
}

/* ---- rows ---- */

/* A pair as one number that sorts by type, then by its nodes. */
typedef struct pair {
    int64_t type;
    uint64_t nodes;
} pair;

typedef struct work {
    const rk_model_data *data;
    pair *pairs; /* owned */
    int64_t n;
} work;

static void add(work *w, int64_t type, int64_t a, int64_t b)
{
    w->pairs[w->n++] = (pair){type, (uint64_t)a << 32 | (uint64_t)b};
}

/* Of a user, an item and the contexts of a row. */
static void add_row(work *w, int64_t user, int64_t item, const int32_t *contexts)
{
    const int n = rk__has_context_nodes(w->data) ? w->data->contexts->n : 0;
    int64_t type = 2 * n;
    for (int f = 0; f < n; f++) {
        add(w, 2 * f, user, contexts[f]);
        add(w, 2 * f + 1, item, contexts[f]);
        for (int g = f + 1; g < n; g++) {
            add(w, type++, contexts[f], contexts[g]);
        }
    }
}

/* ---- negatives ---- */

/* Marks what the user has in any part; how many items that leaves. */
static int64_t mark(const rk_dataset *d, int64_t user, int64_t *has)
{
    int64_t left = d->n_items;
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *lists = &d->parts[part];
        for (int64_t k = 0; k < rk__lists_count(lists, user); k++) {
            const int32_t item = lists->items[lists->offsets[user] + k];
            left -= has[item] != user + 1;
            has[item] = user + 1;
        }
    }
    return left;
}

static int64_t draw(const rk_options *o, const rk_model_data *d, int64_t row, int64_t number,
                    const int64_t *has, int64_t user)
{
    int64_t item;
    uint32_t attempt = 0;
    do {
        const rk_words w = rk__philox((uint64_t)o->run.seed, RK_PURPOSE_LEAKY, (uint64_t)row,
                                      (uint64_t)number, attempt++);
        item = (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)d->n_items);
    } while (has[item] == user + 1);
    return item;
}

/* ---- all ---- */

static bool is_leaky(const rk_options *o)
{
    return o->model.compat == RK_COMPAT_LEAKY_GRAPH;
}

static int64_t n_rows_of(const rk_model_data *d)
{
    return d->contexts ? d->contexts->n_train : d->graph->n_edges;
}

static void add_rows(work *w, const rk_options *o, int64_t *has)
{
    const rk_model_data *d = w->data;
    const rk_contexts *c = d->contexts;
    const rk_graph *g = d->graph;
    for (int64_t user = 0; user < d->n_users; user++) {
        const int64_t left = has ? mark(d->dataset, user, has) : 0;
        for (int64_t e = g->offsets[user]; e < g->offsets[user + 1]; e++) {
            const int64_t end = c && c->offsets ? c->offsets[e + 1] : e + 1;
            for (int64_t row = c && c->offsets ? c->offsets[e] : e; row < end; row++) {
                const int32_t *contexts = c ? c->train + row * c->n : NULL;
                add_row(w, user, g->columns[e], contexts);
                for (int64_t k = 0; left > 0 && k < o->sampling.per_positive; k++) {
                    const int64_t item = d->n_users + draw(o, d, row, k, has, user);
                    add(w, -1, user, item);
                    add_row(w, user, item, contexts);
                }
            }
        }
    }
}

static int compare(const void *x, const void *y)
{
    const pair *a = x, *b = y;
    return a->type != b->type    ? (a->type > b->type) - (a->type < b->type)
           : a->nodes > b->nodes ? 1
                                 : -(a->nodes < b->nodes);
}

static rk_status keep_each_once(work *w, rk_field_pairs *out)
{
    int64_t n = 0;
    qsort(w->pairs, (size_t)w->n, sizeof *w->pairs, compare);
    for (int64_t i = 0; i < w->n; i++) {
        if (i == 0 || compare(&w->pairs[i - 1], &w->pairs[i]) != 0) {
            w->pairs[n++] = w->pairs[i];
        }
    }
    out->n = n;
    RK_TRY(rk__alloc(&out->a, n, sizeof *out->a, what));
    RK_TRY(rk__alloc(&out->b, n, sizeof *out->b, what));
    RK_TRY(rk__alloc(&out->type, n, sizeof *out->type, what));
    for (int64_t i = 0; i < n; i++) {
        out->a[i] = (int32_t)(w->pairs[i].nodes >> 32);
        out->b[i] = (int32_t)(uint32_t)w->pairs[i].nodes;
        out->type[i] = (int32_t)w->pairs[i].type;
    }
    return RK_OK;
}

rk_status rk__field_pairs(rk_field_pairs *out, const rk_options *o, const rk_model_data *data)
{
    const int64_t each = rk__field_types(data),
                  copies = 1 + (is_leaky(o) ? o->sampling.per_positive : 0);
    rk_status status = RK_OK;
    int64_t most = 0, *has = NULL;
    work w = {.data = data};
    *out = (rk_field_pairs){.n_types = each};
    if (each == 0 && !is_leaky(o)) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__mul(&most, n_rows_of(data), copies * (each + is_leaky(o)), what));
    RK_TRY_GOTO(done, rk__alloc(&w.pairs, most, sizeof *w.pairs, what));
    if (is_leaky(o)) {
        RK_TRY_GOTO(done, rk__calloc(&has, data->n_items, sizeof *has, what));
    }
    add_rows(&w, o, has);
    status = keep_each_once(&w, out);
done:
    rk__free(has);
    rk__free(w.pairs);
    if (status != RK_OK) {
        rk__field_pairs_free(out);
    }
    return status;
}

void rk__field_pairs_free(rk_field_pairs *p)
{
    rk__free(p->a);
    rk__free(p->b);
    rk__free(p->type);
    *p = (rk_field_pairs){0};
}
