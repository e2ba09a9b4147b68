/* The users and items of a batch as tables of their own, and the scores of its pairs. */
#include <string.h>

#include "device/cpu/cpu.h"
#include "ops/slot_loss.h"

/* ---- slots ---- */

void rk__cpu_gather_slots(const rk_call *call)
{
    const rk_slots_attr *a = &call->node->attr.slots;
    const float *x = call->in[0];
    const int32_t *slot_row = call->in[1];
    const int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    const int64_t items = n / a->batch; /* of a triplet */
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        const int64_t slot = a->of_items ? rk__item_slot(a->batch, items, r / items, r % items) : r;
        const int32_t row = slot_row[slot];
        if (row < 0) {
            rk__zero_row(y + r * d, d);
        } else {
            memcpy(y + r * d, x + row * d, (size_t)d * sizeof *y);
        }
    }
}

/* The row of g that a slot's gradient is, -1 if it is another kind's. */
static int64_t row_of_slot(const rk_slots_attr *a, int64_t items, int64_t slot)
{
    if (slot < a->batch) {
        return a->of_items ? -1 : slot;
    }
    return a->of_items ? rk__slot_item(a->batch, items, slot) : -1;
}

void rk__cpu_sum_slots(const rk_call *call)
{
    const rk_slots_attr *a = &call->node->attr.slots;
    const float *g = call->in[0];
    const int32_t *segments = call->in[2], *order = call->in[3];
    const int64_t count = *(const int32_t *)call->in[4],
                  items = rk__in(call, 3)->rows / a->batch - 1;
    const int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        rk__zero_row(y + r * d, d);
        for (int32_t i = segments[r]; r < count && i < segments[r + 1]; i++) {
            const int64_t from = row_of_slot(a, items, order[i]);
            if (from >= 0) {
                call->isa->axpy(1, g + from * d, d, y + r * d);
            }
        }
    }
}

/* ---- a row for several ---- */

void rk__cpu_repeat_rows(const rk_call *call)
{
    const float *x = call->in[0];
    const int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    const int64_t times = call->node->attr.times;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        memcpy(y + r * d, x + r / times * d, (size_t)d * sizeof *y);
    }
}

void rk__cpu_sum_groups(const rk_call *call)
{
    const float *x = call->in[0];
    const int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    const int64_t times = call->node->attr.times;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        memcpy(y + r * d, x + r * times * d, (size_t)d * sizeof *y);
        for (int64_t k = 1; k < times; k++) {
            call->isa->axpy(1, x + (r * times + k) * d, d, y + r * d);
        }
    }
}

/* ---- scores ---- */

void rk__cpu_slot_scores(const rk_call *call)
{
    const float *queries = call->in[0], *items = call->in[1];
    const int64_t batch = rk__out(call, 0)->rows, n = rk__out(call, 0)->cols;
    const int64_t d = rk__in(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, b, batch)
    {
        for (int64_t k = 0; k < n; k++) {
            y[b * n + k] = call->isa->dot(queries + b * d, items + (b * n + k) * d, d);
        }
    }
}

void rk__cpu_slot_queries_grad(const rk_call *call)
{
    const float *g = call->in[0], *items = call->in[1];
    const int64_t batch = rk__in(call, 0)->rows, n = rk__in(call, 0)->cols;
    const int64_t d = rk__out(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, b, batch)
    {
        rk__zero_row(y + b * d, d);
        for (int64_t k = 0; k < n; k++) {
            call->isa->axpy(g[b * n + k], items + (b * n + k) * d, d, y + b * d);
        }
    }
}

void rk__cpu_slot_items_grad(const rk_call *call)
{
    const float *g = call->in[0], *queries = call->in[1];
    const int64_t rows = rk__out(call, 0)->rows, n = rk__in(call, 0)->cols;
    const int64_t d = rk__out(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rows)
    {
        const float *query = queries + r / n * d;
        call->isa->combine(&query, &g[r], 1, d, y + r * d);
    }
}

/* ---- a tile's queries and items ---- */

/* Of the pair in row r: the number of its item, -1 if there is none. */
static int64_t item_of_pair(const int32_t *items, int64_t r, int64_t n, int64_t used)
{
    if (r / n >= used) {
        return -1;
    }
    return items ? items[r] : r % n;
}

void rk__cpu_pair_rows(const rk_call *call)
{
    const rk_pair_rows_attr *a = &call->node->attr.pair_rows;
    const int64_t width = rk__in(call, 0)->cols, d = a->n_columns;
    const int64_t rows = rk__out(call, 0)->rows, n = rows / rk__in(call, 0)->rows;
    const float *queries = (const float *)call->in[0] + a->first_column;
    const float *table = (const float *)call->in[1] + a->first_column;
    const int64_t used = *(const int32_t *)call->in[3];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rows)
    {
        const int64_t item = item_of_pair(call->in[2], r, n, used);
        const float *query = queries + r / n * width;
        const float *row = table + (a->items.first + item) * width;
        float *to = y + r * d;
        if (item < 0) {
            rk__zero_row(to, d);
        } else if (a->multiplies) {
            for (int64_t c = 0; c < d; c++) {
                to[c] = query[c] * row[c];
            }
        } else {
            for (int64_t c = 0; c < d; c++) {
                to[c] = query[c] + row[c];
            }
        }
    }
}
