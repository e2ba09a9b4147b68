/*
 * Alternating least squares: the Gram matrix of a side, and the rows of the other side solved one
 * by one (isa_solve.h), each by one thread in one order.
 */
#include "device/cpu/cpu.h"

enum {
    GRAM_ROWS = 256,    /* summed in float before they are added in double */
    GRAM_SHARES = 64,   /* at most */
    SHARE_ROWS = 1024,  /* at least */
    LONG_LIST = 2048,   /* these rows come first, so that none is left to one thread at the end */
    ROWS_PER_CLAIM = 8, /* rows that a thread takes at a time */
};

static int64_t width_of(int64_t d)
{
    return rk__blocks(d, RK_ALS_WIDTH) * RK_ALS_WIDTH;
}

/* ---- the Gram matrix of a side ---- */

/* The rows are cut into shares of a size that depends on their number alone. */
static int64_t share_rows(int64_t n)
{
    int64_t rows = rk__blocks(rk__blocks(n, GRAM_SHARES), GRAM_ROWS) * GRAM_ROWS;
    return rows > SHARE_ROWS ? rows : SHARE_ROWS;
}

/* A thread's packed rows and a sum of them. */
static int64_t gram_thread_bytes(int64_t width)
{
    return rk__cache_lines((GRAM_ROWS + width) * width * 4);
}

int64_t rk__cpu_scratch_side_gram(const rk_call *call)
{
    int64_t n = call->node->attr.range.n, width = width_of(rk__in(call, 0)->cols);
    return rk__blocks(n, share_rows(n)) * width * width * 8 +
           call->threads * gram_thread_bytes(width);
}

/* total [width, width] = the sum over rows [first, end) of the products of their elements. */
static void add_share(const rk_call *call, int64_t first, int64_t end, float *rows, double *total)
{
    int64_t d = rk__in(call, 0)->cols, width = width_of(d);
    const float *table = (const float *)call->in[0] + call->node->attr.range.first * d;
    float *sum = rows + GRAM_ROWS * width;
    memset(total, 0, (size_t)(width * width) * sizeof *total);
    for (; first < end; first += GRAM_ROWS) {
        int64_t n = end - first < GRAM_ROWS ? end - first : GRAM_ROWS;
        for (int64_t i = 0; i < n; i++) {
            memcpy(rows + i * width, table + (first + i) * d, (size_t)d * sizeof *rows);
            memset(rows + i * width + d, 0, (size_t)(width - d) * sizeof *rows);
        }
        memset(sum, 0, (size_t)(width * width) * sizeof *sum);
        call->isa->symmetric_update(rows, rows, n, width, sum);
        for (int64_t i = 0; i < width * width; i++) {
            total[i] += (double)sum[i];
        }
    }
}

void rk__cpu_side_gram(const rk_call *call)
{
    int64_t n = call->node->attr.range.n, d = rk__in(call, 0)->cols, width = width_of(d);
    int64_t size = share_rows(n), n_shares = rk__blocks(n, size), square = width * width;
    double *totals = call->scratch;
    char *threads = (char *)(totals + n_shares * square);
    float *gram = call->out[0];
    RK_CPU_FOR(call, share, n_shares)
    {
        char *mine = threads + rk__cpu_thread() * gram_thread_bytes(width);
        add_share(call, share * size, rk__block_end(share, size, n), (float *)(void *)mine,
                  totals + share * square);
    }
    RK_CPU_FOR(call, i, d)
    {
        for (int64_t j = i; j < d; j++) {
            double sum = 0;
            for (int64_t share = 0; share < n_shares; share++) {
                sum += totals[share * square + i * width + j];
            }
            gram[i * d + j] = gram[j * d + i] = (float)sum;
        }
    }
}

/* ---- solving ---- */

static int64_t solve_bytes(const rk_call *call)
{
    int64_t width = width_of(rk__in(call, 3)->cols);
    return rk__cache_lines(width * width * 4) +
           call->threads * rk__cache_lines(rk__als_floats(width) * 4);
}

int64_t rk__cpu_scratch_als_sweep(const rk_call *call)
{
    return solve_bytes(call);
}

int64_t rk__cpu_scratch_als_fold(const rk_call *call)
{
    return solve_bytes(call);
}

/* Makes the weighted Gram matrix in the first part of the scratch. */
static rk_als_system system_of(const rk_call *call, int64_t first_row)
{
    const rk_als_attr *a = &call->node->attr.als;
    int64_t d = rk__in(call, 3)->cols, width = width_of(d);
    const float *gram = call->in[4];
    float *weighted = call->scratch;
    memset(weighted, 0, (size_t)(width * width) * sizeof *weighted);
    for (int64_t i = 0; gram && i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            weighted[i * width + j] = (float)(a->gram_weight * (double)gram[i * d + j]);
        }
    }
    return (rk_als_system){.table = call->in[3],
                           .d = d,
                           .first_row = first_row,
                           .gram = weighted,
                           .width = width,
                           .p = (float)a->p,
                           .q = (float)a->q,
                           .cg_steps = a->cg_steps,
                           .is_rating = a->is_rating,
                           .has_bias = a->has_bias,
                           .mean = (float)a->mean};
}

/* Row `row` of the lists into x; false where it has no solution. */
static bool solve_row(const rk_call *call, const rk_als_system *s, int64_t row, float *x)
{
    const rk_als_attr *a = &call->node->attr.als;
    const int64_t *offsets = call->in[0];
    const float *values = call->in[2];
    int64_t begin = offsets[row], n = offsets[row + 1] - begin;
    int64_t bytes = rk__cache_lines(rk__als_floats(s->width) * 4);
    char *mine =
        (char *)call->scratch + rk__cache_lines(s->width * s->width * 4) + rk__cpu_thread() * bytes;
    if (n == 0) {
        rk__zero_row(x, s->d);
        return true;
    }
    const rk_als_list list = {.columns = (const int32_t *)call->in[1] + begin,
                              .values = values ? values + begin : NULL,
                              .n = n,
                              .l2 = (float)(a->l2 * (double)n + a->l2_constant),
                              .bias_l2 = (float)(a->bias_l2 * (double)n + a->bias_l2_constant)};
    return call->isa->solve_list(s, &list, x, (float *)(void *)mine);
}

static bool is_long(const int64_t *offsets, int64_t row)
{
    return offsets[row + 1] - offsets[row] >= LONG_LIST;
}

void rk__cpu_als_sweep(const rk_call *call)
{
    const rk_als_attr *a = &call->node->attr.als;
    const rk_als_system s = system_of(call, 0);
    const int64_t *offsets = call->in[0];
    float *table = call->in[3];
    int64_t end = a->first + a->n;
    int failed = 0;
#pragma omp parallel num_threads(call->threads) reduction(| : failed)
    {
#pragma omp for schedule(dynamic, ROWS_PER_CLAIM) nowait
        for (int64_t row = a->first; row < end; row++) {
            if (is_long(offsets, row)) {
                failed |= !solve_row(call, &s, row, table + row * s.d);
            }
        }
#pragma omp for schedule(dynamic, ROWS_PER_CLAIM)
        for (int64_t row = a->first; row < end; row++) {
            if (!is_long(offsets, row)) {
                failed |= !solve_row(call, &s, row, table + row * s.d);
            }
        }
    }
    if (failed) {
        rk__note_loss(call->in[5], (double)NAN);
    }
}

void rk__cpu_als_fold(const rk_call *call)
{
    const rk_als_system s = system_of(call, call->node->attr.als.first);
    float *y = call->out[0];
    RK_CPU_FOR(call, row, rk__out(call, 0)->rows)
    {
        rk__zero_row(y + row * s.d, s.d);
        if (!solve_row(call, &s, row, y + row * s.d)) {
            rk__zero_row(y + row * s.d, s.d);
        }
    }
}
