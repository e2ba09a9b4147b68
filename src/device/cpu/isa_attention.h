/*
 * Attention over edges (ops/families/attention.c): a row of its result, and its gradients by row
 * and by column. Edges are taken RK_ATTENDED_TOGETHER at a time: the logits of all heads, which
 * also fetches the rows that are read next, their exponentials in one go, then the rows.
 */
#ifndef RK_DEVICE_CPU_ISA_ATTENTION_H
#define RK_DEVICE_CPU_ISA_ATTENTION_H

#include <math.h>

#include "device/cpu/isa.h"
#include "device/cpu/isa_vector.h"

/* Heads are often 8 wide, which is less than the longest vectors. */
enum { SHORT = LANES < 8 ? LANES : 8, SHORTS_TOGETHER = 4 };
typedef float short_vec __attribute__((vector_size(4 * SHORT)));
typedef float short_unaligned __attribute__((vector_size(4 * SHORT), aligned(4), may_alias));

INLINE short_vec short_load(const float *p)
{
    return *(const short_unaligned *)p;
}

INLINE float short_sum(short_vec v)
{
#if LANES >= 8
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
#else
    return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}

INLINE float leaky(float x, float slope)
{
    return x > 0 ? x : slope * x;
}

/* Row r of a table of rows `width` long. */
INLINE const float *row_of(const float *table, int64_t r, int64_t width)
{
    return table + r * width;
}

static void fetch_row(const float *row, int64_t d)
{
    for (int64_t j = 0; j < d; j += 16) {
        __builtin_prefetch(row + j);
    }
}

/* In place; up to 16 floats behind the last one are written, too. */
static void exponentiate(float *z, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        vec_store(z + i, vec_exp(vec_load(z + i)));
    }
}

/* As how many edge e counts. */
INLINE float count_of(const rk_edge_attention *t, int64_t e)
{
    return t->counts ? t->counts[e] : 1;
}

/* z [n, heads] = e^(leaky(fixed + the rows of gathered) - shift), shift one row for all edges, or
 * the rows `shifts` of a table. */
static void weights_of(const rk_edge_attention *t, const float *fixed, const float *gathered,
                       const int32_t *rows, int64_t n, const float *shift, const int32_t *shifts,
                       float *z)
{
    for (int64_t e = 0; e < n; e++) {
        const float *other = row_of(gathered, rows[e], t->heads);
        const float *down = shifts ? row_of(shift, shifts[e], t->heads) : shift;
        for (int64_t h = 0; h < t->heads; h++) {
            z[e * t->heads + h] = leaky(fixed[h] + other[h], t->slope) - down[h];
        }
    }
    const int64_t end = n * t->heads;
    for (int64_t i = end; i < end + 16; i++) {
        z[i] = 0;
    }
    exponentiate(z, end);
}

/* What edge number e multiplies the weight of a head with. */
INLINE float kept(const rk_edge_attention *t, int64_t e, int64_t h)
{
    return t->draw ? rk__dropout_factor(t->draw->key, t->draw->threshold, t->draw->factor,
                                        e * t->heads + h)
                   : 1;
}

/* Of its exponential, which may be infinite where the edge is not there. */
INLINE float counted(const rk_edge_attention *t, int64_t e, float exponential)
{
    const float count = count_of(t, e);
    return count == 1 ? exponential : count > 0 ? count * exponential : 0;
}

/* ---- sums of rows ---- */

/* `count` short vectors of y, from column j on, += sum over the edges of weight times row. */
INLINE void add_shorts(const float *z, const float *table, const int32_t *rows, int64_t n,
                       int64_t heads, int64_t d, int64_t j, int count, float *y)
{
    short_vec sum[SHORTS_TOGETHER];
    int64_t head[SHORTS_TOGETHER];
    for (int k = 0; k < count; k++) {
        sum[k] = short_load(y + j + SHORT * k);
        head[k] = (j + SHORT * k) / d;
    }
    for (int64_t e = 0; e < n; e++) {
        const float *row = row_of(table, rows[e], heads * d) + j, *w = z + e * heads;
        for (int k = 0; k < count; k++) {
            sum[k] += w[head[k]] * short_load(row + SHORT * k);
        }
    }
    for (int k = 0; k < count; k++) {
        *(short_unaligned *)(y + j + SHORT * k) = sum[k];
    }
}

/* y [heads * d] += sum over the edges e of z[e, h] times row rows[e] of a table, head by head. */
static void add_rows(const float *z, const float *table, const int32_t *rows, int64_t n,
                     int64_t heads, int64_t d, float *y)
{
    const int64_t width = heads * d;
    if (d % SHORT == 0) {
        int64_t j = 0;
        for (; j + SHORT * SHORTS_TOGETHER <= width; j += SHORT * SHORTS_TOGETHER) {
            add_shorts(z, table, rows, n, heads, d, j, SHORTS_TOGETHER, y);
        }
        for (; j < width; j += SHORT) {
            add_shorts(z, table, rows, n, heads, d, j, 1, y);
        }
        return;
    }
    for (int64_t e = 0; e < n; e++) {
        const float *row = row_of(table, rows[e], width);
        for (int64_t h = 0; h < heads; h++) {
            const float w = z[e * heads + h];
            for (int64_t j = h * d; j < (h + 1) * d; j++) {
                y[j] += w * row[j];
            }
        }
    }
}

/* z [n, heads] = the products of `row` and the rows of a table, head by head. */
static void multiply_rows(const float *row, const float *table, const int32_t *rows, int64_t n,
                          int64_t heads, int64_t d, float *z)
{
    for (int64_t e = 0; e < n; e++) {
        const float *other = row_of(table, rows[e], heads * d);
        for (int64_t h = 0; h < heads; h++) {
            const float *a = row + h * d, *b = other + h * d;
            int64_t j = 0;
            float sum = 0;
            if (d >= SHORT) {
                short_vec lanes = {0};
                for (; j + SHORT <= d; j += SHORT) {
                    lanes += short_load(a + j) * short_load(b + j);
                }
                sum = short_sum(lanes);
            }
            for (; j < d; j++) {
                sum += a[j] * b[j];
            }
            z[e * heads + h] = sum;
        }
    }
}

/* ---- rows and columns ---- */

static void attend_row(const rk_edge_attention *t, int64_t v, const int32_t *columns, int64_t n,
                       int64_t first, float *scratch, float *y, float *lse)
{
    const int64_t heads = t->heads, width = heads * t->d;
    float *largest = scratch, *sum = scratch + heads, *z = scratch + 2 * heads;
    const float *a = row_of(t->a, v, heads);
    for (int64_t h = 0; h < heads; h++) {
        largest[h] = -INFINITY;
        sum[h] = 0;
        lse[h] = 0;
    }
    for (int64_t j = 0; j < width; j++) {
        y[j] = 0;
    }
    int64_t n_counted = 0;
    for (int64_t e = 0; e < n; e++) {
        const float *b = row_of(t->b, columns[e], heads);
        const bool is_there = count_of(t, first + e) > 0;
        for (int64_t h = 0; h < heads && is_there; h++) {
            largest[h] = largest[h] > b[h] ? largest[h] : b[h];
        }
        n_counted += is_there;
    }
    if (n_counted == 0) {
        return;
    }
    for (int64_t h = 0; h < heads; h++) { /* the function rises, so it is that of the largest */
        largest[h] = leaky(a[h] + largest[h], t->slope);
    }
    for (int64_t e = 0; e < n; e += RK_ATTENDED_TOGETHER) {
        const int64_t m = n - e < RK_ATTENDED_TOGETHER ? n - e : RK_ATTENDED_TOGETHER;
        for (int64_t i = 0; i < m; i++) {
            fetch_row(row_of(t->x, columns[e + i], width), width);
        }
        weights_of(t, a, t->b, columns + e, m, largest, NULL, z);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t h = 0; h < heads; h++) {
                const float weight = counted(t, first + e + i, z[i * heads + h]);
                sum[h] += weight;
                z[i * heads + h] = weight * kept(t, first + e + i, h);
            }
        }
        add_rows(z, t->x, columns + e, m, heads, t->d, y);
    }
    for (int64_t h = 0; h < heads; h++) {
        const float inverse = 1 / sum[h];
        lse[h] = largest[h] + logf(sum[h]);
        for (int64_t j = h * t->d; j < (h + 1) * t->d; j++) {
            y[j] *= inverse;
        }
    }
}

static void attend_row_grad(const rk_edge_attention *t, const rk_attention_gradient *of, int64_t v,
                            int64_t r, const int32_t *columns, int64_t n, int64_t first,
                            float *scratch, float *da)
{
    const int64_t heads = t->heads, width = heads * t->d;
    const int64_t room = heads * RK_ATTENDED_TOGETHER + 16;
    float *z = scratch, *product = scratch + room;
    const float *a = row_of(t->a, v, heads), *sums = row_of(of->sums, r, heads);
    for (int64_t h = 0; h < heads; h++) {
        da[h] = 0;
    }
    for (int64_t e = 0; e < n; e += RK_ATTENDED_TOGETHER) {
        const int64_t m = n - e < RK_ATTENDED_TOGETHER ? n - e : RK_ATTENDED_TOGETHER;
        for (int64_t i = 0; i < m; i++) {
            fetch_row(row_of(t->x, columns[e + i], width), width);
        }
        weights_of(t, a, t->b, columns + e, m, row_of(of->lse, r, heads), NULL, z);
        multiply_rows(row_of(of->g, r, width), t->x, columns + e, m, heads, t->d, product);
        for (int64_t i = 0; i < m; i++) {
            const float *b = row_of(t->b, columns[e + i], heads);
            for (int64_t h = 0; h < heads; h++) {
                const int64_t at = i * heads + h;
                const float weight =
                    counted(t, first + e + i, z[at]) * (a[h] + b[h] > 0 ? 1 : t->slope);
                da[h] += weight * (kept(t, first + e + i, h) * product[at] - sums[h]);
            }
        }
    }
}

static void attend_column_grad(const rk_edge_attention *t, const rk_attention_gradient *of,
                               int64_t u, const int32_t *rows, const int32_t *numbers, int64_t n,
                               float *scratch, float *db, float *dx)
{
    const int64_t heads = t->heads, width = heads * t->d;
    const int64_t room = heads * RK_ATTENDED_TOGETHER + 16;
    float *z = scratch, *product = scratch + room;
    const float *b = row_of(t->b, u, heads), *x = row_of(t->x, u, width);
    int32_t row[RK_ATTENDED_TOGETHER], among[RK_ATTENDED_TOGETHER], number[RK_ATTENDED_TOGETHER];
    for (int64_t h = 0; h < heads; h++) {
        db[h] = 0;
    }
    for (int64_t j = 0; j < width; j++) {
        dx[j] = 0;
    }
    for (int64_t e = 0; e < n;) {
        int64_t m = 0;
        for (; e < n && m < RK_ATTENDED_TOGETHER; e++) {
            const int32_t r = of->map ? of->map[rows[e]] : rows[e];
            if (r >= 0) {
                row[m] = rows[e];
                among[m] = r;
                number[m++] = numbers[e];
                fetch_row(row_of(of->g, r, width), width);
            }
        }
        weights_of(t, b, t->a, row, m, of->lse, among, z);
        multiply_rows(x, of->g, among, m, heads, t->d, product);
        for (int64_t i = 0; i < m; i++) {
            const float *a = row_of(t->a, row[i], heads), *sums = row_of(of->sums, among[i], heads);
            for (int64_t h = 0; h < heads; h++) {
                const int64_t at = i * heads + h;
                const float factor = kept(t, number[i], h);
                const float weight = counted(t, number[i], z[at]);
                const float slope = a[h] + b[h] > 0 ? 1 : t->slope;
                db[h] += weight * slope * (factor * product[at] - sums[h]);
                z[at] = weight * factor;
            }
        }
        add_rows(z, of->g, among, m, heads, t->d, dx);
    }
}

#endif
