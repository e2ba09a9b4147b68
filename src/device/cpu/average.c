/* Scores of several models on one scale. A thread takes queries; sums are in double. */
#include <math.h>

#include "device/cpu/strips.h"
#include "ops/score_rank.h"

/* y = (x - mean) / sd; zeros where that is noise. */
static void standardise(const float *x, int64_t n, float *y)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i];
    }
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    }
    const double sd = sqrt(squares / (double)n);
    const double factor = sd <= RK_FLAT_SCORES * fabs(mean) ? 0 : 1 / sd;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)(((double)x[i] - mean) * factor);
    }
}

void rk__cpu_standardise_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    const int64_t used = rk__used_queries(call->in[1], scores->rows), n = scores->cols;
    RK_CPU_FOR(call, t, scores->rows)
    {
        float *y = (float *)call->out[0] + t * n;
        if (t < used) {
            standardise((const float *)call->in[0] + t * n, n, y);
        } else {
            rk__zero_row(y, n);
        }
    }
}

/* ---- ranks ---- */

/* Keys are sorted digit by digit, the least first. */
enum { DIGIT_BITS = 11, N_DIGITS = 1 << DIGIT_BITS, DIGITS = 3 };
_Static_assert(DIGIT_BITS *DIGITS >= 32, "all bits of a key");

typedef struct keyed {
    uint32_t key;
    int32_t item;
} keyed;

static int64_t thread_bytes(int64_t n)
{
    return 2 * rk__cache_lines(n * (int64_t)sizeof(keyed)) +
           rk__cache_lines(DIGITS * N_DIGITS * (int64_t)sizeof(int32_t));
}

int64_t rk__cpu_scratch_rank_scores(const rk_call *call)
{
    return call->threads * thread_bytes(rk__in(call, 0)->cols);
}

static uint32_t digit_of(uint32_t key, int d)
{
    return key >> (d * DIGIT_BITS) & (N_DIGITS - 1u);
}

/* Into `out`, by digit d; count: of its values, which it is changed by. */
static void sort_by_digit(const keyed *in, int64_t n, int d, int32_t *count, keyed *out)
{
    int32_t before = 0;
    for (int v = 0; v < N_DIGITS; v++) {
        int32_t own = count[v];
        count[v] = before;
        before += own;
    }
    for (int64_t i = 0; i < n; i++) {
        out[count[digit_of(in[i].key, d)]++] = in[i];
    }
}

/* False: one of the scores is no number. */
static bool take_keys(const float *x, int64_t n, keyed *keys, int32_t *counts)
{
    memset(counts, 0, DIGITS * N_DIGITS * sizeof *counts);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        if (isnan(x[i])) {
            return false;
        }
        memcpy(&bits, &x[i], sizeof bits);
        keys[i] = (keyed){rk__score_key(bits), (int32_t)i};
        for (int d = 0; d < DIGITS; d++) {
            counts[(uint32_t)d * N_DIGITS + digit_of(keys[i].key, d)]++;
        }
    }
    return true;
}

static void rank_row(const rk_rank_attr *a, const float *x, int64_t n, char *scratch, float *y)
{
    keyed *from = rk__cpu_take(&scratch, n * (int64_t)sizeof *from);
    keyed *to = rk__cpu_take(&scratch, n * (int64_t)sizeof *to);
    int32_t *counts = rk__cpu_take(&scratch, DIGITS * N_DIGITS * (int64_t)sizeof *counts);
    if (!take_keys(x, n, from, counts)) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = NAN;
        }
        return;
    }
    for (int d = 0; d < DIGITS; d++) {
        sort_by_digit(from, n, d, counts + d * N_DIGITS, to);
        keyed *other = from;
        from = to;
        to = other;
    }
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && from[end].key == from[first].key; end++) {
        }
        const float value = rk__score_rank(a, first, end, n);
        for (int64_t i = first; i < end; i++) {
            y[from[i].item] = value;
        }
    }
}

void rk__cpu_rank_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    const int64_t used = rk__used_queries(call->in[1], scores->rows), n = scores->cols;
    RK_CPU_FOR(call, t, scores->rows)
    {
        float *y = (float *)call->out[0] + t * n;
        if (t < used) {
            char *mine = (char *)call->scratch + rk__cpu_thread() * thread_bytes(n);
            rank_row(&call->node->attr.rank, (const float *)call->in[0] + t * n, n, mine, y);
        } else {
            rk__zero_row(y, n);
        }
    }
}
