/* Row sets and everything that moves rows between them and whole tables. */
#include <string.h>

#include "device/cpu/gathered.h"

/*
 * Counting sort of a batch's slots by node. `map` first counts the slots of each node (from -1),
 * then holds the node's index. While slots are placed, segments[r + 1] is the next free place of
 * row r and ends up as its end, which is the start of row r + 1.
 */
void rk__cpu_unique_rows(const rk_call *call)
{
    const int32_t *nodes = call->in[0];
    int32_t slots = (int32_t)rk__in(call, 0)->rows, n = (int32_t)call->node->attr.n_nodes;
    int32_t n_rows = (int32_t)rk__out(call, 0)->rows;
    int32_t *rows = call->out[0], *map = call->out[2], *slot_row = call->out[3];
    int32_t *segments = call->out[4], *order = call->out[5];
    memset(map, 0xff, (size_t)n * sizeof *map);
    for (int32_t s = 0; s < slots; s++) {
        if (nodes[s] >= 0) {
            map[nodes[s]]++;
        }
    }
    int32_t count = 0, used = 0;
    segments[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        if (map[i] >= 0) {
            rows[count] = i;
            segments[count + 1] = used;
            used += map[i] + 1;
            map[i] = count++;
        }
    }
    for (int32_t s = 0; s < slots; s++) {
        int32_t row = nodes[s] >= 0 ? map[nodes[s]] : -1;
        slot_row[s] = row;
        if (row >= 0) {
            order[segments[row + 1]++] = s;
        }
    }
    for (int32_t r = count; r < n_rows; r++) {
        rows[r] = -1;
        segments[r + 1] = used;
    }
    for (int32_t i = used; i < slots; i++) {
        order[i] = -1;
    }
    *(int32_t *)call->out[1] = count;
}

void rk__cpu_combine_rows(const rk_call *call)
{
    const int32_t *rows = call->in[0];
    int64_t count = *(const int32_t *)call->in[1];
    int64_t capacity = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    rk_gathered g = rk__gathered_of(call, 2, 0);
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, capacity)
    {
        if (r + RK_ROWS_AHEAD < count) {
            rk__prefetch_gathered(&g, rows[r + RK_ROWS_AHEAD], d);
        }
        if (r < count) {
            rk__gather_row(call->isa, &g, rows[r], d, y + r * d);
        } else {
            rk__zero_row(y + r * d, d);
        }
    }
}

/* y[r] = factor[rows ? rows[r] : r] * x[r] for r < count, zero beyond. */
void rk__cpu_scale_rows(const rk_call *call)
{
    const float *x = call->in[0], *factor = call->in[1];
    const int32_t *rows = call->in[2];
    int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    int64_t count = call->in[3] ? *(const int32_t *)call->in[3] : n;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        const float *row = x + r * d;
        if (r < count) {
            call->isa->combine(&row, &factor[rows ? rows[r] : r], 1, d, y + r * d);
        } else {
            rk__zero_row(y + r * d, d);
        }
    }
}

void rk__cpu_scatter_rows(const rk_call *call)
{
    const float *x = call->in[0];
    const int32_t *map = call->in[1];
    int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    float alpha = call->node->attr.weight[0], *y = call->out[0];
    RK_CPU_FOR_ROWS(call, i, n)
    {
        int64_t row = map[i];
        for (int64_t j = 0; j < d; j++) {
            y[i * d + j] = row >= 0 ? alpha * x[row * d + j] : 0;
        }
    }
}

void rk__cpu_scatter_add_rows(const rk_call *call)
{
    const float *x = call->in[1];
    const int32_t *rows = call->in[2];
    int64_t count = *(const int32_t *)call->in[3], d = rk__in(call, 1)->cols;
    float *y = call->out[0]; /* the table: the rows of a set are distinct, so no two threads meet */
    RK_CPU_FOR_ROWS(call, r, count)
    {
        if (r + RK_ROWS_AHEAD < count) {
            rk__cpu_prefetch(y + rows[r + RK_ROWS_AHEAD] * d, d);
        }
        call->isa->axpy(call->node->attr.weight[0], x + r * d, d, y + rows[r] * d);
    }
}
