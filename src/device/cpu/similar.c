/*
 * Items similar to items.
 *
 * Item by item: the users of an item count, in a dense row, each of their items. Only what was met
 * is read and cleared. A thread owns the items that it works on and sums in the order of the users,
 * so that any number of threads gives the same bits.
 */
#include <string.h>

#include "device/cpu/strips.h"
#include "ops/similar_value.h"

enum { ITEMS_PER_BLOCK = 16 };

/* ---- item_neighbours ---- */

/* A call: what its threads share. */
typedef struct similar_call {
    const rk_similar_attr *attr;
    const int64_t *offsets; /* of all nodes */
    const int32_t *columns; /* nodes */
    const float *weight;    /* of users, or NULL */
    double *own, *other;    /* [I]: numbers of items, rk__similar_number */
    int64_t best;           /* K, or as many items as there are */
    int32_t *items;
    float *values;
} similar_call;

/* The scratch of a thread. */
typedef struct counter {
    int32_t *count; /* [I]: common users; zeros between items */
    double *sum;    /* [I]: their weights, zeros between items; NULL without weights */
    int32_t *met;   /* [I + 1]: the items with a count, n_met of them */
    uint64_t *keys; /* [best]: a heap of `held`, the worst on top */
    int64_t n_met, held;
} counter;

static int64_t number_of_best(const rk_similar_attr *a)
{
    return a->k < a->n_items ? a->k : a->n_items;
}

static int64_t bytes_of(int64_t n, size_t size)
{
    return rk__cache_lines(n * (int64_t)size);
}

static int64_t thread_bytes(const rk_similar_attr *a, bool has_weight)
{
    return bytes_of(a->n_items, sizeof(int32_t)) + bytes_of(a->n_items + 1, sizeof(int32_t)) +
           (has_weight ? bytes_of(a->n_items, sizeof(double)) : 0) +
           bytes_of(number_of_best(a), sizeof(uint64_t));
}

int64_t rk__cpu_scratch_item_neighbours(const rk_call *call)
{
    const rk_similar_attr *a = &call->node->attr.similar;
    return 2 * bytes_of(a->n_items, sizeof(double)) +
           call->threads * thread_bytes(a, call->node->in[2] != RK_NONE);
}

static counter take_counter(const similar_call *s, char *scratch)
{
    int64_t n = s->attr->n_items;
    counter c = {.count = rk__cpu_take(&scratch, n * (int64_t)sizeof *c.count),
                 .met = rk__cpu_take(&scratch, (n + 1) * (int64_t)sizeof *c.met),
                 .keys = rk__cpu_take(&scratch, s->best * (int64_t)sizeof *c.keys)};
    memset(c.count, 0, (size_t)n * sizeof *c.count);
    if (s->weight) {
        c.sum = rk__cpu_take(&scratch, n * (int64_t)sizeof *c.sum);
        memset(c.sum, 0, (size_t)n * sizeof *c.sum);
    }
    return c;
}

/* An item is written behind the list each time and stays there the first time it is met. */
static void count_common(const similar_call *s, int64_t item, counter *c)
{
    int64_t n_users = s->attr->n_users, node = n_users + item, n_met = 0;
    for (int64_t e = s->offsets[node]; e < s->offsets[node + 1]; e++) {
        int64_t user = s->columns[e];
        double weight = s->weight ? (double)s->weight[user] : 0;
        for (int64_t l = s->offsets[user]; l < s->offsets[user + 1]; l++) {
            int32_t other = (int32_t)(s->columns[l] - n_users);
            c->met[n_met] = other;
            n_met += c->count[other]++ == 0;
            if (s->weight) {
                c->sum[other] += weight;
            }
        }
    }
    c->n_met = n_met;
}

/* keys[0, n) is a heap but for its top, which sinks to its place. */
static void sink(uint64_t *keys, int64_t n)
{
    uint64_t key = keys[0];
    int64_t at = 0;
    for (int64_t child = 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n && keys[child + 1] < keys[child];
        if (keys[child] >= key) {
            break;
        }
        keys[at] = keys[child];
        at = child;
    }
    keys[at] = key;
}

static void insert(counter *c, int64_t best, uint64_t key)
{
    if (c->held == best) {
        c->keys[0] = key;
        sink(c->keys, best);
        return;
    }
    int64_t at = c->held++;
    for (; at > 0 && c->keys[(at - 1) / 2] > key; at = (at - 1) / 2) {
        c->keys[at] = c->keys[(at - 1) / 2];
    }
    c->keys[at] = key;
}

/* The best of what was met; clears the counts. */
static void take_best(const similar_call *s, int64_t item, counter *c)
{
    double own = s->own[item];
    uint64_t bar = 0; /* a key must be above it */
    c->held = 0;
    for (int64_t m = 0; m < c->n_met; m++) {
        int32_t other = c->met[m];
        double common = c->count[other], together = c->sum ? c->sum[other] : common;
        float value = (float)rk__similar_value(s->attr, together, common, own, s->other[other]);
        c->count[other] = 0;
        if (c->sum) {
            c->sum[other] = 0;
        }
        if (value > 0 && (other != item || s->attr->with_self)) {
            uint64_t key = rk__similar_key(value, other);
            if (key > bar) {
                insert(c, s->best, key);
                bar = c->held == s->best ? c->keys[0] : 0;
            }
        }
    }
}

/* Heap to best-first order; -1 and 0 where there are no more. */
static void write_best(const similar_call *s, int64_t item, counter *c)
{
    int64_t k = s->attr->k, held = c->held;
    int32_t *items = s->items + item * k;
    float *values = s->values + item * k;
    for (int64_t n = held; n > 0; n--) {
        items[n - 1] = rk__similar_key_item(c->keys[0]);
        values[n - 1] = rk__similar_key_value(c->keys[0]);
        c->keys[0] = c->keys[n - 1];
        sink(c->keys, n - 1);
    }
    memset(items + held, 0xff, (size_t)(k - held) * sizeof *items);
    memset(values + held, 0, (size_t)(k - held) * sizeof *values);
}

static similar_call call_of(const rk_call *call, char **scratch)
{
    const rk_similar_attr *a = &call->node->attr.similar;
    int64_t bytes = a->n_items * (int64_t)sizeof(double);
    return (similar_call){.attr = a,
                          .offsets = call->in[0],
                          .columns = call->in[1],
                          .weight = call->in[2],
                          .own = rk__cpu_take(scratch, bytes),
                          .other = rk__cpu_take(scratch, bytes),
                          .best = number_of_best(a),
                          .items = call->out[0],
                          .values = call->out[1]};
}

void rk__cpu_item_neighbours(const rk_call *call)
{
    char *scratch = call->scratch;
    const similar_call s = call_of(call, &scratch);
    const rk_similar_attr *a = s.attr;
    const float *factor = call->in[3];
    int64_t n_blocks = rk__blocks(a->n_items, ITEMS_PER_BLOCK);
    (void)rk__cpu_leave(call, 0, a->n_items, "items");
#pragma omp parallel num_threads(call->threads)
    {
        counter c = take_counter(&s, scratch + rk__cpu_thread() * thread_bytes(a, s.weight));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < a->n_items; i++) {
            int64_t node = a->n_users + i;
            double users = (double)(s.offsets[node + 1] - s.offsets[node]);
            const float *mine = factor ? factor + i * rk__similar_factors(a) : NULL;
            s.own[i] = rk__similar_number(a, RK_SIMILAR_OWN, users, mine);
            s.other[i] = rk__similar_number(a, RK_SIMILAR_OTHER, users, mine);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t block = 0; block < n_blocks; block++) {
            int64_t end = rk__block_end(block, ITEMS_PER_BLOCK, a->n_items);
            if (rk__cpu_leave(call, block * ITEMS_PER_BLOCK, a->n_items, "items")) {
                continue;
            }
            for (int64_t i = block * ITEMS_PER_BLOCK; i < end; i++) {
                count_common(&s, i, &c);
                take_best(&s, i, &c);
                write_best(&s, i, &c);
            }
        }
    }
}

/* ---- neighbour_lists ---- */

/* The sum that the values of item i's neighbours are divided by; 1 if they are not. */
static double divisor_of(const rk_call *call, int64_t i)
{
    int64_t k = rk__in(call, 0)->cols;
    const int32_t *items = (const int32_t *)call->in[0] + i * k;
    const float *values = (const float *)call->in[1] + i * k;
    double sum = 0;
    for (int64_t n = 0; n < k && call->node->attr.neighbour_lists.unit_sum; n++) {
        sum += items[n] >= 0 ? (double)values[n] : 0;
    }
    return sum > 0 ? sum : 1;
}

static float bias_of(const rk_call *call, int64_t i, double divisor)
{
    const float *mean = call->in[2];
    int64_t k = rk__in(call, 0)->cols;
    const int32_t *items = (const int32_t *)call->in[0] + i * k;
    const float *values = (const float *)call->in[1] + i * k;
    if (!mean) {
        return 0;
    }
    double sum = 0;
    for (int64_t n = 0; n < k; n++) {
        if (items[n] >= 0) {
            float value = (float)((double)values[n] / divisor);
            sum += (double)value * (double)mean[items[n]];
        }
    }
    return (float)((double)mean[i] - sum);
}

int64_t rk__cpu_scratch_neighbour_lists(const rk_call *call)
{
    return bytes_of(rk__in(call, 0)->rows, sizeof(double)) +
           bytes_of(rk__in(call, 0)->rows, sizeof(int64_t));
}

/* The rows that a thread writes: it reads all entries and takes its own, in the order in which they
 * stand. */
typedef struct share {
    int64_t first, end;
} share;

static share share_of(int64_t n)
{
    int64_t part = rk__cpu_thread(), parts = omp_get_num_threads();
    return (share){n * part / parts, n * (part + 1) / parts};
}

static bool is_mine(share s, int64_t row)
{
    return row >= s.first && row < s.end;
}

/* count[r] of the thread's rows: their entries. */
static void count_entries(const rk_call *call, share mine, int64_t *count)
{
    const int32_t *items = call->in[0];
    int64_t n = rk__in(call, 0)->rows, k = rk__in(call, 0)->cols;
    bool transposed = call->node->attr.neighbour_lists.transposed;
    int64_t begin = transposed ? 0 : mine.first * k, end = transposed ? n * k : mine.end * k;
    memset(count + mine.first, 0, (size_t)(mine.end - mine.first) * sizeof *count);
    for (int64_t e = begin; e < end; e++) {
        int64_t row = transposed ? items[e] : e / k;
        if (items[e] >= 0 && is_mine(mine, row)) {
            count[row]++;
        }
    }
}

/* place[r] of the thread's rows: where the next entry goes. */
static void place_entries(const rk_call *call, share mine, const double *divisor, int64_t *place)
{
    const int32_t *items = call->in[0];
    const float *values = call->in[1];
    int32_t *columns = call->out[1];
    float *out = call->out[2];
    int64_t n = rk__in(call, 0)->rows, k = rk__in(call, 0)->cols;
    bool transposed = call->node->attr.neighbour_lists.transposed;
    for (int64_t i = transposed ? 0 : mine.first; i < (transposed ? n : mine.end); i++) {
        for (int64_t e = i * k; e < (i + 1) * k; e++) {
            int64_t row = transposed ? items[e] : i;
            if (items[e] >= 0 && is_mine(mine, row)) {
                columns[place[row]] = (int32_t)(transposed ? i : items[e]);
                out[place[row]++] = (float)((double)values[e] / divisor[i]);
            }
        }
    }
}

void rk__cpu_neighbour_lists(const rk_call *call)
{
    char *scratch = call->scratch;
    int64_t n = rk__in(call, 0)->rows, cells = rk__cpu_elements(rk__in(call, 0));
    double *divisor = rk__cpu_take(&scratch, n * (int64_t)sizeof *divisor);
    int64_t *place = rk__cpu_take(&scratch, n * (int64_t)sizeof *place);
    int64_t *offsets = call->out[0];
    float *bias = call->out[3];
#pragma omp parallel num_threads(call->threads)
    {
        share mine = share_of(n);
        for (int64_t i = mine.first; i < mine.end; i++) {
            divisor[i] = divisor_of(call, i);
            bias[i] = bias_of(call, i, divisor[i]);
        }
        count_entries(call, mine, place);
#pragma omp barrier
#pragma omp single
        {
            offsets[0] = 0;
            for (int64_t i = 0; i < n; i++) {
                offsets[i + 1] = offsets[i] + place[i];
                place[i] = offsets[i];
            }
        }
        place_entries(call, mine, divisor, place);
    }
    int64_t rest = cells - offsets[n];
    memset((int32_t *)call->out[1] + offsets[n], 0, (size_t)rest * sizeof(int32_t));
    memset((float *)call->out[2] + offsets[n], 0, (size_t)rest * sizeof(float));
}

/* ---- row_sums ---- */

void rk__cpu_row_sums(const rk_call *call)
{
    const rk_row_sums_attr *a = &call->node->attr.row_sums;
    const int64_t *offsets = (const int64_t *)call->in[0] + a->first;
    const float *values = call->in[2];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, a->n)
    {
        double sum = values ? 0 : (double)(offsets[r + 1] - offsets[r]);
        for (int64_t e = offsets[r]; values && e < offsets[r + 1]; e++) {
            sum += (double)values[e];
        }
        sum += a->plus;
        y[r] = (float)(a->power == 1 ? sum : sum == 0 ? 0 : pow(sum, a->power));
    }
}

/* ---- nearest_lists ---- */

int64_t rk__cpu_scratch_nearest_lists(const rk_call *call)
{
    return call->threads * bytes_of(call->node->attr.similar.k, sizeof(uint64_t));
}

/* The best rows of query t into c; self: no neighbour. */
static void nearest_of(const rk_call *call, int64_t t, int64_t self, counter *c)
{
    const rk_similar_attr *a = &call->node->attr.similar;
    const int64_t n = rk__in(call, 0)->cols, *offsets = call->in[1];
    const float *common = (const float *)call->in[0] + t * n, *sizes = call->in[3];
    const float *weights = call->in[2];
    double size = 0;
    uint64_t bar = 0; /* a key must be above it */
    for (int64_t j = offsets[t]; j < offsets[t + 1]; j++) {
        size += (double)weights[j] * (double)weights[j];
    }
    double own = rk__similar_number(a, RK_SIMILAR_OWN, size, NULL);
    c->held = 0;
    for (int64_t row = 0; row < n; row++) {
        if (!(common[row] > 0) || row == self) {
            continue;
        }
        double both = (double)common[row];
        double other = rk__similar_number(a, RK_SIMILAR_OTHER, (double)sizes[row], NULL);
        float value = (float)rk__similar_value(a, both, both, own, other);
        uint64_t key = value > 0 ? rk__similar_key(value, (int32_t)row) : 0;
        if (key > bar) {
            insert(c, a->k, key);
            bar = c->held == a->k ? c->keys[0] : 0;
        }
    }
}

void rk__cpu_nearest_lists(const rk_call *call)
{
    const int64_t k = call->node->attr.similar.k, n_queries = rk__in(call, 0)->rows;
    const int64_t used = rk__used_queries(call->in[5], n_queries);
    const int32_t *self = call->in[4];
    int64_t *offsets = call->out[0];
    int32_t *rows = call->out[1];
    float *values = call->out[2];
    RK_CPU_FOR(call, t, n_queries)
    {
        char *scratch = (char *)call->scratch + rk__cpu_thread() * bytes_of(k, sizeof(uint64_t));
        counter c = {.keys = (uint64_t *)(void *)scratch};
        if (t < used) {
            nearest_of(call, t, self ? self[t] : -1, &c);
        }
        offsets[t] = (t < used ? t : used) * k;
        memset(rows + t * k, 0, (size_t)k * sizeof *rows);
        memset(values + t * k, 0, (size_t)k * sizeof *values);
        for (int64_t i = c.held; i > 0; i--) {
            rows[t * k + i - 1] = rk__similar_key_item(c.keys[0]);
            values[t * k + i - 1] = rk__similar_key_value(c.keys[0]);
            c.keys[0] = c.keys[i - 1];
            sink(c.keys, i - 1);
        }
    }
    offsets[n_queries] = used * k;
}
