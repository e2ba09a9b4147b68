/* Row sets and everything that moves rows between them and whole tables. */
#include <string.h>

#include "device/cpu/cpu.h"

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

/* The tables of combine_rows, the float ones first. */
typedef struct gathered {
    const float *floats[RK_MAX_INPUTS];
    const uint8_t *exponent[RK_MAX_INPUTS]; /* of the halves' rows */
    const rk_half *halves[RK_MAX_INPUTS];
    float weight[RK_MAX_INPUTS], half_weight[RK_MAX_INPUTS];
    int32_t n_floats, n_halves;
} gathered;

static gathered gathered_of(const rk_call *call)
{
    gathered g = {0};
    for (int32_t k = 0; k < call->node->n_inputs - 2; k++) {
        const rk_tensor *t = rk__in(call, 2 + k);
        if (t->dtype == RK_F16) {
            g.halves[g.n_halves] = call->in[2 + k];
            g.exponent[g.n_halves] = rk__half_exponents(call->in[2 + k], t->rows, t->cols);
            g.half_weight[g.n_halves++] = call->node->attr.weight[k];
        } else {
            g.floats[g.n_floats] = call->in[2 + k];
            g.weight[g.n_floats++] = call->node->attr.weight[k];
        }
    }
    return g;
}

static void prefetch_gathered(const gathered *g, int64_t row, int64_t d)
{
    for (int32_t k = 0; k < g->n_floats; k++) {
        rk__cpu_prefetch(g->floats[k] + row * d, d);
    }
    for (int32_t k = 0; k < g->n_halves; k++) {
        rk__cpu_prefetch((const float *)(const void *)(g->halves[k] + row * d), (d + 1) / 2);
    }
}

static void gather_row(const rk_isa *isa, const gathered *g, int64_t row, int64_t d, float *y)
{
    const float *tables[RK_MAX_INPUTS];
    for (int32_t k = 0; k < g->n_floats; k++) {
        tables[k] = g->floats[k] + row * d;
    }
    if (g->n_floats > 0) {
        isa->combine(tables, g->weight, g->n_floats, d, y);
    } else {
        rk__zero_row(y, d);
    }
    for (int32_t k = 0; k < g->n_halves; k++) {
        isa->axpy_half(g->half_weight[k] * rk__cpu_factor(g->exponent[k][row]),
                       g->halves[k] + row * d, d, y);
    }
}

void rk__cpu_combine_rows(const rk_call *call)
{
    const int32_t *rows = call->in[0];
    int64_t count = *(const int32_t *)call->in[1];
    int64_t capacity = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    gathered g = gathered_of(call);
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, capacity)
    {
        if (r + RK_ROWS_AHEAD < count) {
            prefetch_gathered(&g, rows[r + RK_ROWS_AHEAD], d);
        }
        if (r < count) {
            gather_row(call->isa, &g, rows[r], d, y + r * d);
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
