/* Scores of a tile of queries for all items. A thread takes queries, or the strips of strips.h. */
#include "device/cpu/strips.h"

/* ---- queries ---- */

void rk__cpu_take_rows(const rk_call *call)
{
    const float *table = call->in[0];
    const int32_t *rows = call->in[1];
    float *y = call->out[0];
    int64_t d = rk__in(call, 0)->cols;
    RK_CPU_FOR_ROWS(call, t, rk__in(call, 1)->rows)
    {
        if (rows[t] < 0) {
            rk__zero_row(y + t * d, d);
        } else {
            memcpy(y + t * d, table + rows[t] * d, (size_t)d * sizeof *y);
        }
    }
}

/* Rows from `used` on. */
static void clear_unused(const rk_call *call, int64_t used)
{
    const rk_tensor *y = rk__out(call, 0);
    memset((float *)call->out[0] + used * y->cols, 0,
           (size_t)((y->rows - used) * y->cols) * sizeof(float));
}

/* ---- dot products ---- */

int64_t rk__cpu_scratch_score_dot(const rk_call *call)
{
    const rk_tensor *queries = rk__in(call, 0);
    return rk__strips_scratch(call, queries->rows, call->node->attr.range.n, queries->cols);
}

static void keep_strip(void *self, int64_t part, int64_t query, const float *scores, int64_t first,
                       int64_t n)
{
    const rk_call *call = self;
    (void)part;
    memcpy((float *)call->out[0] + query * call->node->attr.range.n + first, scores,
           (size_t)n * sizeof *scores);
}

void rk__cpu_score_dot(const rk_call *call)
{
    const rk_range_attr *items = &call->node->attr.range;
    int64_t d = rk__in(call, 0)->cols;
    const rk_strips s = {.queries = call->in[0],
                         .items = (const float *)call->in[1] + items->first * d,
                         .n_queries = rk__used_queries(call->in[2], rk__in(call, 0)->rows),
                         .n_items = items->n,
                         .d = d};
    rk__strips_run(call, &s, call->scratch, keep_strip, (void *)(uintptr_t)call);
    clear_unused(call, s.n_queries);
}

/* ---- sums over lists ---- */

typedef struct list_inputs {
    const int64_t *offsets;
    const int32_t *items;
    const float *weights;
} list_inputs;

static list_inputs lists_of(const rk_call *call, int at)
{
    return (list_inputs){call->in[at], call->in[at + 1], call->in[at + 2]};
}

/* What a sum of rows is multiplied by: total^-power; 0 where that has no value. */
static double scale_of(const list_inputs *l, int64_t t, double power)
{
    double total = 0;
    for (int64_t j = l->offsets[t]; j < l->offsets[t + 1]; j++) {
        total += (double)l->weights[j];
    }
    return power == 0 ? 1 : total > 0 ? pow(total, -power) : 0;
}

void rk__cpu_sum_lists(const rk_call *call)
{
    const list_inputs l = lists_of(call, 1);
    const rk_sum_lists_attr *a = &call->node->attr.sum_lists;
    int64_t d = rk__in(call, 0)->cols;
    const float *table = (const float *)call->in[0] + a->first * d;
    RK_CPU_FOR(call, t, rk__out(call, 0)->rows)
    {
        float *y = (float *)call->out[0] + t * d;
        const float scale = (float)scale_of(&l, t, a->power);
        rk__zero_row(y, d);
        for (int64_t j = l.offsets[t]; j < l.offsets[t + 1]; j++) {
            call->isa->axpy(l.weights[j], table + l.items[j] * d, d, y);
        }
        for (int64_t i = 0; i < d; i++) {
            y[i] *= scale;
        }
    }
}

void rk__cpu_score_lists(const rk_call *call)
{
    const list_inputs l = lists_of(call, 0);
    const rk_rows_attr *a = &call->node->attr.rows;
    const int64_t *offsets = (const int64_t *)call->in[3] + a->first;
    const int32_t *columns = call->in[4];
    const float *values = call->in[5], *bias = call->in[6];
    int64_t used = rk__used_queries(call->in[7], rk__out(call, 0)->rows);
    RK_CPU_FOR(call, t, used)
    {
        float *y = (float *)call->out[0] + t * a->n;
        if (bias) {
            memcpy(y, bias, (size_t)a->n * sizeof *y);
        } else {
            rk__zero_row(y, a->n);
        }
        for (int64_t j = l.offsets[t]; j < l.offsets[t + 1]; j++) {
            const float weight = l.weights[j];
            int64_t end = offsets[l.items[j] + 1];
            for (int64_t e = offsets[l.items[j]]; e < end; e++) {
                y[columns[e] - a->first_column] += weight * (values ? values[e] : 1);
            }
        }
    }
    clear_unused(call, used);
}

/* Columns that a thread goes over for all lists before the next ones: of the rows that several
 * lists have, a slice is still near, and a list's sum stays in the first-level cache. */
enum { SLICE = 512 };

void rk__cpu_score_dense(const rk_call *call)
{
    const list_inputs l = lists_of(call, 0);
    int64_t n = rk__in(call, 3)->cols, used = rk__used_queries(call->in[4], rk__out(call, 0)->rows);
    RK_CPU_FOR(call, slice, rk__blocks(n, SLICE))
    {
        int64_t first = slice * SLICE, width = rk__block_end(slice, SLICE, n) - first;
        const float *matrix = (const float *)call->in[3] + first;
        for (int64_t t = 0; t < used; t++) {
            float *y = (float *)call->out[0] + t * n + first;
            rk__zero_row(y, width);
            for (int64_t j = l.offsets[t]; j < l.offsets[t + 1]; j++) {
                call->isa->axpy(l.weights[j], matrix + l.items[j] * n, width, y);
            }
        }
    }
    clear_unused(call, used);
}

/* ---- sparse products ---- */

/* Queries are taken GROUP at a time, their columns side by side, so that an entry is one vector
 * operation; items in blocks whose scores are written together. */
enum { GROUP = 16, BLOCK_ITEMS = 16, ROWS_PER_TRANSPOSITION = 1024 };

int64_t rk__cpu_scratch_score_columns(const rk_call *call)
{
    return rk__cache_lines(rk__in(call, 0)->cols * GROUP * (int64_t)sizeof(float));
}

/* out [m][GROUP] of n <= GROUP queries [n, m]; zeros behind them. */
static void transpose(const rk_call *call, const float *queries, int64_t n, int64_t m, float *out)
{
    RK_CPU_FOR(call, block, rk__blocks(m, ROWS_PER_TRANSPOSITION))
    {
        int64_t end = rk__block_end(block, ROWS_PER_TRANSPOSITION, m);
        for (int64_t j = block * ROWS_PER_TRANSPOSITION; j < end; j++) {
            for (int64_t q = 0; q < GROUP; q++) {
                out[j * GROUP + q] = q < n ? queries[q * m + j] : 0;
            }
        }
    }
}

typedef struct sparse_rows {
    const int64_t *offsets;
    const int32_t *columns;
    const float *values, *factor; /* NULL = 1 */
    int64_t n, first_column;
} sparse_rows;

/* sum[q] of `lanes` queries side by side; lanes is a constant where it is called. */
static inline __attribute__((always_inline)) void
sparse_dots(const sparse_rows *s, int64_t item, const float *queries, int lanes, float *sum)
{
    float total[GROUP] = {0};
    for (int64_t e = s->offsets[item]; e < s->offsets[item + 1]; e++) {
        const float value = s->values ? s->values[e] : 1;
        const float *x = queries + (s->columns[e] - s->first_column) * lanes;
        for (int q = 0; q < lanes; q++) {
            total[q] += value * x[q];
        }
    }
    for (int q = 0; q < lanes; q++) {
        sum[q] = s->factor ? total[q] * s->factor[item] : total[q];
    }
}

/* y: the row of the first of the n queries. */
static void score_group(const rk_call *call, const sparse_rows *s, const float *queries, int64_t n,
                        float *y)
{
    RK_CPU_FOR(call, block, rk__blocks(s->n, 16 * BLOCK_ITEMS))
    {
        int64_t end = rk__block_end(block, 16 * BLOCK_ITEMS, s->n);
        for (int64_t first = block * 16 * BLOCK_ITEMS; first < end; first += BLOCK_ITEMS) {
            int64_t width = end - first < BLOCK_ITEMS ? end - first : BLOCK_ITEMS;
            float sums[BLOCK_ITEMS][GROUP];
            for (int64_t i = 0; i < width; i++) {
                sparse_dots(s, first + i, queries, GROUP, sums[i]);
            }
            for (int64_t q = 0; q < n; q++) {
                for (int64_t i = 0; i < width; i++) {
                    y[q * s->n + first + i] = sums[i][q];
                }
            }
        }
    }
}

static void score_one(const rk_call *call, const sparse_rows *s, const float *query, float *y)
{
    RK_CPU_FOR_ROWS(call, item, s->n)
    {
        sparse_dots(s, item, query, 1, y + item);
    }
}

void rk__cpu_score_columns(const rk_call *call)
{
    const rk_rows_attr *a = &call->node->attr.rows;
    const sparse_rows s = {(const int64_t *)call->in[1] + a->first,
                           call->in[2],
                           call->in[3],
                           call->in[4],
                           a->n,
                           a->first_column};
    int64_t m = rk__in(call, 0)->cols;
    int64_t used = rk__used_queries(call->in[5], rk__out(call, 0)->rows);
    for (int64_t first = 0; first < used; first += GROUP) {
        const float *queries = (const float *)call->in[0] + first * m;
        float *y = (float *)call->out[0] + first * a->n;
        int64_t n = used - first < GROUP ? used - first : GROUP;
        if (n == 1) {
            score_one(call, &s, queries, y);
        } else {
            transpose(call, queries, n, m, call->scratch);
            score_group(call, &s, call->scratch, n, y);
        }
    }
    clear_unused(call, used);
}

/* ---- scores that are there ---- */

void rk__cpu_add_lists(const rk_call *call)
{
    const list_inputs l = lists_of(call, 1);
    const float *factor = call->in[4];
    const float alpha = (float)call->node->attr.add_lists.alpha;
    const float beta = (float)call->node->attr.add_lists.beta;
    int64_t n = rk__in(call, 0)->cols;
    RK_CPU_FOR_ROWS(call, t, rk__in(call, 0)->rows)
    {
        float *y = (float *)call->out[0] + t * n;
        for (int64_t j = l.offsets[t]; j < l.offsets[t + 1]; j++) {
            const float by = factor ? alpha + beta * factor[l.items[j]] : alpha;
            y[l.items[j]] += l.weights[j] * by;
        }
    }
}

void rk__cpu_take_scores(const rk_call *call)
{
    const float *scores = call->in[0];
    const int32_t *items = call->in[1];
    float *y = call->out[0];
    int64_t n = rk__in(call, 0)->cols, width = rk__in(call, 1)->cols;
    RK_CPU_FOR_ROWS(call, t, rk__in(call, 1)->rows)
    {
        for (int64_t i = t * width; i < (t + 1) * width; i++) {
            y[i] = items[i] >= 0 ? scores[t * n + items[i]] : 0;
        }
    }
}

void rk__cpu_ratio(const rk_call *call)
{
    const float *a = call->in[0], *b = call->in[1];
    float *y = call->out[0];
    int64_t n = rk__in(call, 0)->cols;
    RK_CPU_FOR_ROWS(call, t, rk__in(call, 0)->rows)
    {
        for (int64_t i = t * n; i < (t + 1) * n; i++) {
            y[i] = b[i] == 0 ? 0 : a[i] / b[i];
        }
    }
}
