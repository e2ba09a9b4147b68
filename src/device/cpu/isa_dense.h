/* Element-wise loops; plain enough that the compiler makes vectors of them. */
#ifndef RK_DEVICE_CPU_ISA_DENSE_H
#define RK_DEVICE_CPU_ISA_DENSE_H

#include <math.h>

#include "device/cpu/isa.h"
#include "device/cpu/isa_vector.h"

static void combine(const float *const *tables, const float *weights, int32_t n_tables, int64_t n,
                    float *y)
{
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        vec sum[4];
        for (int v = 0; v < 4; v++) {
            sum[v] = vec_load(tables[0] + i + v * LANES) * weights[0];
        }
        for (int32_t k = 1; k < n_tables; k++) {
            for (int v = 0; v < 4; v++) {
                sum[v] += vec_load(tables[k] + i + v * LANES) * weights[k];
            }
        }
        for (int v = 0; v < 4; v++) {
            vec_store(y + i + v * LANES, sum[v]);
        }
    }
    for (; i < n; i++) {
        float sum = tables[0][i] * weights[0];
        for (int32_t k = 1; k < n_tables; k++) {
            sum += tables[k][i] * weights[k];
        }
        y[i] = sum;
    }
}

static float dot(const float *a, const float *b, int64_t n)
{
    vec sum = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        sum += vec_load(a + i) * vec_load(b + i);
    }
    float total = vec_sum(sum);
    for (; i < n; i++) {
        total += a[i] * b[i];
    }
    return total;
}

/* Columns [j, j + n_vectors * LANES) of the sum of n rows; the rows to come are fetched ahead. */
INLINE void gather_columns(const float *table, int64_t d, const int32_t *rows, int64_t n, int64_t j,
                           float *sum, const int n_vectors)
{
    enum { ROWS_AHEAD = 16, LINE_FLOATS = 16 };
    vec total[4];
    for (int v = 0; v < n_vectors; v++) {
        total[v] = (vec){0};
    }
    for (int64_t i = 0; i < n; i++) {
        if (i + ROWS_AHEAD < n) {
            const float *ahead = table + rows[i + ROWS_AHEAD] * d + j;
            for (int f = 0; f < n_vectors * LANES; f += LINE_FLOATS) {
                __builtin_prefetch(ahead + f);
            }
        }
        const float *row = table + rows[i] * d + j;
        for (int v = 0; v < n_vectors; v++) {
            total[v] += vec_load(row + v * LANES);
        }
    }
    for (int v = 0; v < n_vectors; v++) {
        vec_store(sum + j + v * LANES, total[v]);
    }
}

static void gather(const float *table, int64_t d, const int32_t *rows, int64_t n, float *sum)
{
    int64_t j = 0;
    for (; j + 4 * LANES <= d; j += 4 * LANES) {
        gather_columns(table, d, rows, n, j, sum, 4);
    }
    for (; j + 2 * LANES <= d; j += 2 * LANES) {
        gather_columns(table, d, rows, n, j, sum, 2);
    }
    for (; j + LANES <= d; j += LANES) {
        gather_columns(table, d, rows, n, j, sum, 1);
    }
}

/* Enough chains to hide the latency of a fused instruction in both of its units. */
enum { MULTIPLY_VECTORS = 12 };
static float multiply(int64_t n)
{
    vec sum[MULTIPLY_VECTORS], total = {0};
    for (int v = 0; v < MULTIPLY_VECTORS; v++) {
        sum[v] = (vec){0} + (float)(v + 1);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int v = 0; v < MULTIPLY_VECTORS; v++) {
            sum[v] = sum[v] * 0.999f + 0.001f;
        }
    }
    for (int v = 0; v < MULTIPLY_VECTORS; v++) {
        total += sum[v];
    }
    return vec_sum(total);
}

static void axpy(float w, const float *x, int64_t n, float *y)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec_store(y + i, vec_load(y + i) + vec_load(x + i) * w);
    }
    for (; i < n; i++) {
        y[i] += x[i] * w;
    }
}

static void adam(const rk_adam_scalars *scalars, int64_t n, const float *restrict gradient,
                 float *restrict parameter, float *restrict m, float *restrict v)
{
    const rk_adam_scalars s = *scalars;
    for (int64_t i = 0; i < n; i++) {
        float g = gradient[i] + s.weight_decay * parameter[i];
        float first = s.beta1 * m[i] + s.rest1 * g;
        float second = s.beta2 * v[i] + s.rest2 * (g * g);
        m[i] = first;
        v[i] = second;
        parameter[i] -= s.step_size * first / (sqrtf(second) * s.root_correction + s.epsilon);
    }
}

static void sgd(float learning_rate, float weight_decay, int64_t n, const float *restrict gradient,
                float *restrict parameter)
{
    for (int64_t i = 0; i < n; i++) {
        parameter[i] -= learning_rate * (gradient[i] + weight_decay * parameter[i]);
    }
}

#endif
