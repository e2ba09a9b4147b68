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
