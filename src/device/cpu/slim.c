/*
 * Sparse linear models of items: coordinate descent on what is left of each item's column.
 *
 * A thread has a column r = x_j - X w of the users and the weights w, both dense and of zeros
 * between items; a coordinate is one sum over the users of a candidate, and one addition where its
 * weight changes. Nothing of items x items is made. An item is solved by one thread in one order,
 * so that any number of threads gives the same bits.
 */
#include <stdlib.h>
#include <string.h>

#include "device/cpu/cpu.h"
#include "ops/similar_value.h"
#include "ops/slim_step.h"

enum { ITEMS_PER_BLOCK = 4 };

/* A call: what its threads share. */
typedef struct slim_call {
    const rk_slim_attr *attr;
    const int64_t *offsets; /* of all nodes */
    const int32_t *columns; /* nodes */
    int32_t *items;
    float *values;
    int32_t *stopped;
} slim_call;

/* The scratch of a thread; everything but the list and the keys is zeros between items. */
typedef struct column {
    float *left;     /* [U]: r */
    float *weights;  /* [I]: w */
    float *gradient; /* [I]: X^T r; of the item's own users it is a number of them */
    int32_t *list;   /* [I + 1]: the candidates, n of them */
    uint64_t *keys;  /* [I] */
    int64_t n;
    int64_t item;
    double size; /* |x_j|^2 */
    int64_t passes;
    bool is_stopped; /* they were over before no step counted */
} column;

static int64_t bytes_of(int64_t n, size_t size)
{
    return rk__cache_lines(n * (int64_t)size);
}

static int64_t thread_bytes(const rk_slim_attr *a)
{
    return bytes_of(a->n_users, sizeof(float)) + 2 * bytes_of(a->n_items, sizeof(float)) +
           bytes_of(a->n_items + 1, sizeof(int32_t)) + bytes_of(a->n_items, sizeof(uint64_t));
}

int64_t rk__cpu_scratch_slim_columns(const rk_call *call)
{
    return call->threads * thread_bytes(&call->node->attr.slim);
}

static column take_column(const rk_slim_attr *a, char *scratch)
{
    memset(scratch, 0, (size_t)thread_bytes(a));
    return (column){.left = rk__cpu_take(&scratch, a->n_users * (int64_t)sizeof(float)),
                    .weights = rk__cpu_take(&scratch, a->n_items * (int64_t)sizeof(float)),
                    .gradient = rk__cpu_take(&scratch, a->n_items * (int64_t)sizeof(float)),
                    .list = rk__cpu_take(&scratch, (a->n_items + 1) * (int64_t)sizeof(int32_t)),
                    .keys = rk__cpu_take(&scratch, a->n_items * (int64_t)sizeof(uint64_t))};
}

static int ascending(const void *left, const void *right)
{
    const int32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static int best_first(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a < *b) - (*a > *b);
}

static int64_t users_of(const slim_call *s, int64_t item)
{
    const int64_t *at = s->offsets + s->attr->n_users + item;
    return at[1] - at[0];
}

/* X^T r over the users that have something left, in their order; the items that were met become the
 * list. Returns how many. */
static int64_t add_gradient(const slim_call *s, const int32_t *users, int64_t n_users, column *c)
{
    const int64_t all = s->attr->n_users;
    int32_t *met = c->list;
    int64_t n_met = 0;
    for (int64_t i = 0; i < n_users; i++) {
        int64_t user = users ? users[i] : i;
        float value = c->left[user];
        if (value == 0) {
            continue;
        }
        for (int64_t e = s->offsets[user]; e < s->offsets[user + 1]; e++) {
            int32_t item = (int32_t)(s->columns[e] - all);
            met[n_met] = item;
            n_met += c->keys[item] == 0; /* stays in the list the first time it is met */
            c->keys[item] = 1;
            c->gradient[item] += value;
        }
    }
    return n_met;
}

/* Of the items met those that have a weight, or that would take a step that counts. Returns how
 * many of the latter. */
static int64_t choose(const slim_call *s, int64_t n_met, column *c)
{
    int64_t n = 0, fresh = 0;
    for (int64_t i = 0; i < n_met; i++) {
        int32_t item = c->list[i];
        bool wants = rk__slim_wants(s->attr, (double)c->gradient[item], users_of(s, item), c->size);
        bool is_fresh = item != c->item && c->weights[item] == 0 && wants;
        c->gradient[item] = 0;
        c->keys[item] = 0;
        fresh += is_fresh;
        if (is_fresh || c->weights[item] != 0) {
            c->list[n++] = item;
        }
    }
    qsort(c->list, (size_t)n, sizeof *c->list, ascending);
    c->n = n;
    return fresh;
}

/* One coordinate; returns what the objective gains by it, times 2. */
static double step(const slim_call *s, int32_t item, column *c)
{
    const int64_t begin = s->offsets[s->attr->n_users + item], n = users_of(s, item);
    const int32_t *users = s->columns + begin;
    const float before = c->weights[item];
    double sums[4] = {0};
    int64_t e = 0;
    for (; e + 4 <= n; e += 4) {
        for (int lane = 0; lane < 4; lane++) {
            sums[lane] += (double)c->left[users[e + lane]];
        }
    }
    for (; e < n; e++) {
        sums[0] += (double)c->left[users[e]];
    }
    double product = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    const float after = rk__slim_weight(s->attr, product, n, before);
    if (after == before) {
        return 0;
    }
    const float change = after - before;
    for (e = 0; e < n; e++) {
        c->left[users[e]] -= change;
    }
    c->weights[item] = after;
    return rk__slim_gain(s->attr, n, change);
}

/* Returns the largest gain. */
static double pass(const slim_call *s, column *c, bool only_weights)
{
    double most = 0;
    for (int64_t i = 0; i < c->n; i++) {
        if (!only_weights || c->weights[c->list[i]] != 0) {
            most = fmax(most, step(s, c->list[i], c));
        }
    }
    c->passes++;
    return most;
}

/* Coordinate by coordinate until no step over the candidates counts any more. */
static void descend(const slim_call *s, column *c)
{
    const double least = s->attr->tolerance * c->size;
    c->is_stopped = true;
    while (c->passes < s->attr->passes && c->is_stopped) {
        c->is_stopped = pass(s, c, false) > least;
        while (c->is_stopped && c->passes < s->attr->passes && pass(s, c, true) > least) {
        }
    }
}

static void solve(const slim_call *s, int64_t item, column *c)
{
    const int64_t n_users = s->attr->n_users;
    const int32_t *users = s->columns + s->offsets[n_users + item];
    c->item = item;
    c->size = (double)users_of(s, item);
    c->passes = 0;
    c->is_stopped = false;
    for (int64_t e = 0; e < users_of(s, item); e++) {
        c->left[users[e]] = 1;
    }
    /* At first the gradient is at its largest everywhere if no weight is negative, so that nobody
     * joins later. */
    int64_t fresh = choose(s, add_gradient(s, users, users_of(s, item), c), c);
    while (fresh > 0) {
        descend(s, c);
        bool is_done = !s->attr->has_negative || c->passes >= s->attr->passes;
        c->is_stopped = c->is_stopped || (is_done && s->attr->has_negative);
        fresh = is_done ? 0 : choose(s, add_gradient(s, NULL, n_users, c), c);
    }
}

static void clear_users(const slim_call *s, int64_t item, float *left)
{
    const int64_t *at = s->offsets + s->attr->n_users + item;
    for (int64_t e = at[0]; e < at[1]; e++) {
        left[s->columns[e]] = 0;
    }
}

/* Items that have left the list, which only has_negative lets them, have left rounding behind. */
static void clear(const slim_call *s, int64_t item, column *c)
{
    clear_users(s, item, c->left);
    for (int64_t i = 0; i < c->n; i++) {
        c->weights[c->list[i]] = 0;
        clear_users(s, c->list[i], c->left);
    }
    if (s->attr->has_negative) {
        rk__zero_row(c->left, s->attr->n_users);
    }
}

/* The largest weights; clears the column. */
static void write_best(const slim_call *s, int64_t item, column *c)
{
    const int64_t k = s->attr->k;
    int32_t *items = s->items + item * k;
    float *values = s->values + item * k;
    int64_t n = 0;
    for (int64_t i = 0; i < c->n; i++) {
        float weight = c->weights[c->list[i]];
        if (weight != 0) {
            c->keys[n++] = rk__similar_key(fabsf(weight), c->list[i]);
        }
    }
    qsort(c->keys, (size_t)n, sizeof *c->keys, best_first);
    for (int64_t i = 0; i < k; i++) {
        items[i] = i < n ? rk__similar_key_item(c->keys[i]) : -1;
        values[i] = i < n ? c->weights[items[i]] : 0;
    }
    memset(c->keys, 0, (size_t)n * sizeof *c->keys);
    s->stopped[item] = c->is_stopped;
    clear(s, item, c);
}

void rk__cpu_slim_columns(const rk_call *call)
{
    const rk_slim_attr *a = &call->node->attr.slim;
    const slim_call s = {.attr = a,
                         .offsets = call->in[0],
                         .columns = call->in[1],
                         .items = call->out[0],
                         .values = call->out[1],
                         .stopped = call->out[2]};
    int64_t n_blocks = rk__blocks(a->n_items, ITEMS_PER_BLOCK);
    (void)rk__cpu_leave(call, 0, a->n_items, "items");
#pragma omp parallel num_threads(call->threads)
    {
        column c = take_column(a, (char *)call->scratch + rk__cpu_thread() * thread_bytes(a));
#pragma omp for schedule(dynamic, 1)
        for (int64_t block = 0; block < n_blocks; block++) {
            int64_t end = rk__block_end(block, ITEMS_PER_BLOCK, a->n_items);
            if (rk__cpu_leave(call, block * ITEMS_PER_BLOCK, a->n_items, "items")) {
                continue;
            }
            for (int64_t i = block * ITEMS_PER_BLOCK; i < end; i++) {
                solve(&s, i, &c);
                write_best(&s, i, &c);
            }
        }
    }
}
