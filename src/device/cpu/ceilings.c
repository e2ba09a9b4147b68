/*
 * What this machine can do at best: random rows read, a block copied, an empty parallel region.
 *
 * The best of PASSES passes; the table and the list of rows are made anew for each measurement,
 * by the threads that read them.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "base/timer.h"
#include "device/cpu/cpu.h"

enum {
    PASSES = 7,
    GATHERS = 1 << 20,
    ROWS_IN_SUM = 64,
    COPY_BLOCK = 1 << 20,
    MULTIPLIES = 1 << 17,
    LAUNCHES = 100,
};

/* Of several passes the one that nothing came between. */
static double least(const double seconds[PASSES])
{
    double result = seconds[0];
    for (int pass = 1; pass < PASSES; pass++) {
        result = seconds[pass] < result ? seconds[pass] : result;
    }
    return result;
}

static rk_status measure_gather(const rk_device_context *c, const rk_device_probe *what,
                                double *out)
{
    rk_status status = RK_OK;
    int64_t d = what->row_bytes / (int64_t)sizeof(float), n_floats = 0;
    int64_t n_sums = rk__blocks(what->gathers > 0 ? what->gathers : GATHERS, ROWS_IN_SUM);
    int64_t n_gathers = n_sums * ROWS_IN_SUM;
    double seconds[PASSES];
    float *table = NULL, *sums = NULL;
    int32_t *rows = NULL;
    RK_TRY(rk__mul(&n_floats, what->rows, d, "a table to gather from"));
    RK_TRY_GOTO(done, rk__alloc(&table, n_floats, sizeof *table, "a table to gather from"));
    RK_TRY_GOTO(done, rk__alloc(&rows, n_gathers, sizeof *rows, "rows to gather"));
    RK_TRY_GOTO(done, rk__alloc(&sums, c->threads * d, sizeof *sums, "sums of rows"));
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t i = 0; i < n_floats; i++) {
        table[i] = 1;
    }
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t i = 0; i < n_gathers; i++) {
        rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, 0, (uint64_t)i, 0);
        rows[i] = (int32_t)rk__bounded(w.v[0], w.v[1], (uint64_t)what->rows);
    }
    for (int pass = 0; pass < PASSES; pass++) {
        double began = rk__now();
#pragma omp parallel for schedule(static) num_threads(c->threads)
        for (int64_t i = 0; i < n_sums; i++) {
            c->isa->gather(table, d, rows + i * ROWS_IN_SUM, ROWS_IN_SUM,
                           sums + rk__cpu_thread() * d);
        }
        seconds[pass] = rk__now() - began;
    }
    if (sums[0] != (float)ROWS_IN_SUM) { /* thread 0 always has a share */
        RK_FAIL_GOTO(done, RK_ERR_INTERNAL, "%d rows of ones were read as %g", ROWS_IN_SUM,
                     (double)sums[0]);
    }
    *out = (double)n_gathers * (double)what->row_bytes / least(seconds);
done:
    rk__free(table);
    rk__free(rows);
    rk__free(sums);
    return status;
}

static rk_status measure_copy(const rk_device_context *c, int64_t bytes, double *out)
{
    rk_status status = RK_OK;
    double seconds[PASSES];
    char *from = NULL, *to = NULL;
    int64_t n_blocks = rk__blocks(bytes, COPY_BLOCK);
    RK_TRY_GOTO(done, rk__alloc(&from, bytes, 1, "a block to copy"));
    RK_TRY_GOTO(done, rk__alloc(&to, bytes, 1, "a copy of a block"));
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (int64_t block = 0; block < n_blocks; block++) {
        int64_t at = block * COPY_BLOCK, n = bytes - at < COPY_BLOCK ? bytes - at : COPY_BLOCK;
        memset(from + at, 1, (size_t)n);
        memset(to + at, 2, (size_t)n);
    }
    for (int pass = 0; pass < PASSES; pass++) {
        double began = rk__now();
#pragma omp parallel for schedule(static) num_threads(c->threads)
        for (int64_t block = 0; block < n_blocks; block++) {
            int64_t at = block * COPY_BLOCK, n = bytes - at < COPY_BLOCK ? bytes - at : COPY_BLOCK;
            memcpy(to + at, from + at, (size_t)n);
        }
        seconds[pass] = rk__now() - began;
    }
    *out = 2 * (double)bytes / least(seconds);
done:
    rk__free(from);
    rk__free(to);
    return status;
}

/* All threads at once, as processors are slower then. */
static double measure_flops(const rk_device_context *c)
{
    double seconds[PASSES], kept = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        double began = rk__now();
#pragma omp parallel num_threads(c->threads) reduction(+ : kept)
        kept += (double)c->isa->multiply(MULTIPLIES);
        seconds[pass] = rk__now() - began;
    }
    double n = (double)c->threads * c->isa->multiply_flops * MULTIPLIES;
    return kept > 0 ? n / least(seconds) : 0; /* every chain tends to 1 */
}

/* A parallel region: what an operation costs beside its work. */
static double measure_launch(const rk_device_context *c)
{
    double seconds[PASSES];
    for (int pass = 0; pass < PASSES; pass++) {
        double began = rk__now();
        int visits = 0;
        for (int i = 0; i < LAUNCHES; i++) {
#pragma omp parallel num_threads(c->threads) reduction(+ : visits)
            visits += 1;
        }
        seconds[pass] = (rk__now() - began) / (visits > 0 ? LAUNCHES : 1);
    }
    return least(seconds);
}

rk_status rk__cpu_measure(rk_device_context *c, const rk_device_probe *what,
                          rk_device_ceilings *out)
{
    RK_ASSERT(what->rows > 0 && what->rows <= INT32_MAX && what->copy_bytes > 0);
    RK_ASSERT(what->row_bytes > 0 && what->row_bytes % 64 == 0);
    RK_TRY(measure_gather(c, what, &out->gather));
    RK_TRY(measure_copy(c, what->copy_bytes, &out->copy));
    out->flops = measure_flops(c);
    out->launch = measure_launch(c);
    return RK_OK;
}
