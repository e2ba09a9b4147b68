/*
 * Columns brought to a mean and a deviation of their own (Ioffe, Szegedy: "Batch normalization",
 * ICML 2015). Means first, then squares about them, both in double: blocks of rows, added in their
 * order.
 */
#include "device/cpu/cpu.h"
#include "ops/normalise.h"

enum { ROWS_PER_SUM = 256 };

/* partial [blocks, 2 d]: two sums of each column. */
static int64_t partial_bytes(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk__cache_lines(rk__blocks(x->rows, ROWS_PER_SUM) * 2 * x->cols *
                           (int64_t)sizeof(double));
}

int64_t rk__cpu_scratch_normalise_columns(const rk_call *call)
{
    return partial_bytes(call);
}

/* sum [d] = sums over the rows of x - mean, or of its square; mean NULL = 0. */
static void sum_rows(const rk_call *call, const double *mean, bool squared, double *sum)
{
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const int64_t n_blocks = rk__blocks(n, ROWS_PER_SUM);
    const float *x = call->in[0];
    double *partial = call->scratch;
    RK_CPU_FOR(call, block, n_blocks)
    {
        double *own = partial + block * d;
        memset(own, 0, (size_t)d * sizeof *own);
        for (int64_t r = block * ROWS_PER_SUM; r < rk__block_end(block, ROWS_PER_SUM, n); r++) {
            for (int64_t c = 0; c < d; c++) {
                const double away = (double)x[r * d + c] - (mean ? mean[c] : 0);
                own[c] += squared ? away * away : away;
            }
        }
    }
    memset(sum, 0, (size_t)d * sizeof *sum);
    for (int64_t block = 0; block < n_blocks; block++) {
        for (int64_t c = 0; c < d; c++) {
            sum[c] += partial[block * d + c];
        }
    }
}

void rk__cpu_normalise_columns(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const float *x = call->in[0], *gain = call->in[1], *shift = call->in[2];
    float *y = call->out[0];
    double *mean = call->out[1], *inverse = mean + d;
    sum_rows(call, NULL, false, mean);
    for (int64_t c = 0; c < d; c++) {
        mean[c] /= (double)n;
    }
    sum_rows(call, mean, true, inverse);
    for (int64_t c = 0; c < d; c++) {
        inverse[c] = rk__inverse_deviation(inverse[c] / (double)n);
    }
    RK_CPU_FOR_ROWS(call, r, n)
    {
        for (int64_t c = 0; c < d; c++) {
            y[r * d + c] = rk__normalised(x[r * d + c], mean[c], inverse[c]) * gain[c] + shift[c];
        }
    }
}

int64_t rk__cpu_scratch_normalise_columns_grad(const rk_call *call)
{
    return partial_bytes(call) +
           rk__cache_lines(2 * rk__in(call, 0)->cols * (int64_t)sizeof(double));
}

/* Of a block of rows: the sums of g, then those of g times what x became. */
static void sum_block(const rk_call *call, int64_t first, int64_t end, double *sum)
{
    const int64_t d = rk__in(call, 0)->cols;
    const float *x = call->in[0], *g = call->in[3];
    const double *mean = call->in[2], *inverse = mean + d;
    memset(sum, 0, (size_t)(2 * d) * sizeof *sum);
    for (int64_t r = first; r < end; r++) {
        for (int64_t c = 0; c < d; c++) {
            const double of_y = (double)g[r * d + c];
            sum[c] += of_y;
            sum[d + c] += of_y * (double)rk__normalised(x[r * d + c], mean[c], inverse[c]);
        }
    }
}

void rk__cpu_normalise_columns_grad(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const int64_t n_blocks = rk__blocks(n, ROWS_PER_SUM);
    const float *x = call->in[0], *gain = call->in[1], *g = call->in[3];
    const double *mean = call->in[2], *inverse = mean + d;
    float *dx = call->out[0], *of_gain = call->out[1], *of_shift = call->out[2];
    char *scratch = call->scratch;
    double *partial = rk__cpu_take(&scratch, partial_bytes(call));
    double *sum = (double *)(void *)scratch;
    RK_CPU_FOR(call, block, n_blocks)
    {
        sum_block(call, block * ROWS_PER_SUM, rk__block_end(block, ROWS_PER_SUM, n),
                  partial + block * 2 * d);
    }
    for (int64_t c = 0; c < 2 * d; c++) {
        sum[c] = 0;
        for (int64_t block = 0; block < n_blocks; block++) {
            sum[c] += partial[block * 2 * d + c];
        }
    }
    for (int64_t c = 0; c < d; c++) {
        of_shift[c] = (float)sum[c];
        of_gain[c] = (float)sum[d + c];
    }
    RK_CPU_FOR_ROWS(call, r, n)
    {
        for (int64_t c = 0; c < d; c++) {
            const float at = rk__normalised(x[r * d + c], mean[c], inverse[c]);
            dx[r * d + c] = rk__normalised_grad(g[r * d + c], at, gain[c] * (float)inverse[c],
                                                sum[c] / (double)n, sum[d + c] / (double)n);
        }
    }
}
