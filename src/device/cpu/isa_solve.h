/*
 * Small dense systems of alternating least squares: rank updates of a symmetric matrix whose sums
 * stay in registers, a Cholesky factor made of the same updates, conjugate gradients.
 *
 * Rows are packed to `width` floats, a multiple of every vector, filled up with zeros, so that no
 * loop has a remainder. Of a symmetric matrix [width,width] only the upper triangle counts, in
 * tiles that may reach below the diagonal.
 */
#ifndef RK_DEVICE_CPU_ISA_SOLVE_H
#define RK_DEVICE_CPU_ISA_SOLVE_H

#include <math.h>
#include <string.h>

#include "device/cpu/isa.h"
#include "device/cpu/isa_vector.h"

/* As many sums as hide a fused instruction's latency and leave registers for the operands. */
#if LANES == 16
enum { TILE_ROWS = 8, TILE_VECTORS = 2 };
#else
enum { TILE_ROWS = 4, TILE_VECTORS = 2 };
#endif

/* a[i][:] += or -= sum_j left[j][i] * right[j][:] for TILE_ROWS rows i and n_vectors vectors; from
 * row to row left and right move on by `width`, a does, too. */
INLINE void update_tile(const float *left, const float *right, int64_t n, int64_t width, float *a,
                        const bool subtract, const int n_vectors)
{
    vec sum[TILE_ROWS][TILE_VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < n_vectors; v++) {
            sum[i][v] = vec_load(a + i * width + v * LANES);
        }
    }
    for (int64_t j = 0; j < n; j++) {
        vec x[TILE_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < n_vectors; v++) {
            x[v] = vec_load(right + j * width + v * LANES);
        }
#pragma GCC unroll 8
        for (int i = 0; i < TILE_ROWS; i++) {
            float y = left[j * width + i];
#pragma GCC unroll 2
            for (int v = 0; v < n_vectors; v++) {
                sum[i][v] = subtract ? sum[i][v] - x[v] * y : sum[i][v] + x[v] * y;
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < n_vectors; v++) {
            vec_store(a + i * width + v * LANES, sum[i][v]);
        }
    }
}

/* Rows [row, row + TILE_ROWS) of a, from the diagonal on. */
INLINE void update_rows(const float *left, const float *right, int64_t n, int64_t width,
                        int64_t row, float *a, const bool subtract)
{
    int64_t c = row / LANES * LANES;
    float *out = a + row * width;
    for (; c + TILE_VECTORS * LANES <= width; c += TILE_VECTORS * LANES) {
        update_tile(left + row, right + c, n, width, out + c, subtract, TILE_VECTORS);
    }
    if (c < width) {
        update_tile(left + row, right + c, n, width, out + c, subtract, 1);
    }
}

static void symmetric_update(const float *left, const float *right, int64_t n, int64_t width,
                             float *a)
{
    for (int64_t row = 0; row < width; row += TILE_ROWS) {
        update_rows(left, right, n, width, row, a, false);
    }
}

/* The rows of a panel among themselves, once the rows above it are in. inverse: 1 / diagonal. */
static bool factor_panel(float *a, int64_t width, int64_t first, float *inverse)
{
    for (int64_t k = first; k < first + TILE_ROWS; k++) {
        float *row = a + k * width;
        float pivot = row[k];
        if (!(pivot > 0) || !isfinite(pivot)) {
            return false;
        }
        inverse[k] = 1 / sqrtf(pivot);
        for (int64_t c = k / LANES * LANES; c < width; c += LANES) {
            vec_store(row + c, vec_load(row + c) * inverse[k]);
        }
        for (int64_t c = k / LANES * LANES; c < k; c++) {
            row[c] = 0; /* the solves go by whole vectors */
        }
        for (int64_t i = k + 1; i < first + TILE_ROWS; i++) {
            float factor = row[i], *other = a + i * width;
            for (int64_t c = i / LANES * LANES; c < width; c += LANES) {
                vec_store(other + c, vec_load(other + c) - vec_load(row + c) * factor);
            }
        }
    }
    return true;
}

/* a = U^T U in place, then a x = b in place of b. inverse: room for `width`. */
static bool solve_cholesky(float *a, int64_t width, float *b, float *inverse)
{
    for (int64_t first = 0; first < width; first += TILE_ROWS) {
        update_rows(a, a, first, width, first, a, true);
        if (!factor_panel(a, width, first, inverse)) {
            return false;
        }
    }
    for (int64_t k = 0; k < width; k++) {
        const float *row = a + k * width;
        float y = b[k] * inverse[k];
        for (int64_t c = k / LANES * LANES; c < width; c += LANES) {
            vec_store(b + c, vec_load(b + c) - vec_load(row + c) * y);
        }
        b[k] = y;
    }
    for (int64_t k = width - 1; k >= 0; k--) {
        const float *row = a + k * width;
        int64_t c = (k / LANES + 1) * LANES;
        vec sum = {0};
        float rest = b[k];
        for (int64_t j = k + 1; j < c; j++) {
            rest -= row[j] * b[j];
        }
        for (; c < width; c += LANES) {
            sum += vec_load(row + c) * vec_load(b + c);
        }
        b[k] = (rest - vec_sum(sum)) * inverse[k];
    }
    return true;
}

/* ---- the rows of a list ---- */

enum { LIST_ROWS = 128 }; /* packed at a time */

static void pack_row(const rk_als_system *s, int32_t column, float *out)
{
    const float *row = s->table + (s->first_row + column) * s->d;
    memcpy(out, row, (size_t)s->d * sizeof *out);
    memset(out + s->d, 0, (size_t)(s->width - s->d) * sizeof *out);
    if (s->has_bias) {
        out[s->d - 1] = 1;
    }
}

static void fetch_ahead(const rk_als_system *s, const rk_als_list *list, int64_t i)
{
    enum { AHEAD = 8, LINE_FLOATS = 16 };
    if (i + AHEAD < list->n) {
        const float *row = s->table + (s->first_row + list->columns[i + AHEAD]) * s->d;
        for (int64_t j = 0; j < s->d; j += LINE_FLOATS) {
            __builtin_prefetch(row + j);
        }
    }
}

static float weight_of(const rk_als_list *list, int64_t i)
{
    return list->values ? list->values[i] : 1;
}

/* What an entry's row is multiplied with in the right side. */
static float right_of(const rk_als_system *s, const rk_als_list *list, int64_t i)
{
    if (!s->is_rating) {
        return s->p * weight_of(list, i);
    }
    const float *row = s->table + (s->first_row + list->columns[i]) * s->d;
    const float rest = list->values[i] - s->mean;
    return s->has_bias ? rest - row[s->d - 1] : rest;
}

/* And its product with itself in the matrix. */
static float left_of(const rk_als_system *s, float right)
{
    return s->is_rating ? 1 : right - s->q;
}

/* Entries [first, end), at most LIST_ROWS: the rows as they are and times their coefficients; what
 * they add to b. */
static void pack_scaled(const rk_als_system *s, const rk_als_list *list, int64_t first, int64_t end,
                        float *rows, float *scaled, float *b)
{
    int64_t width = s->width;
    for (int64_t i = first; i < end; i++, rows += width, scaled += width) {
        float w = right_of(s, list, i), coefficient = left_of(s, w);
        fetch_ahead(s, list, i);
        pack_row(s, list->columns[i], rows);
        for (int64_t c = 0; c < width; c += LANES) {
            vec x = vec_load(rows + c);
            vec_store(scaled + c, x * coefficient);
            vec_store(b + c, vec_load(b + c) + x * w);
        }
    }
}

/* ---- Cholesky ---- */

static bool solve_directly(const rk_als_system *s, const rk_als_list *list, float *x,
                           float *scratch)
{
    int64_t width = s->width;
    float *a = scratch, *b = a + width * width, *inverse = b + width;
    float *rows = inverse + width, *scaled = rows + LIST_ROWS * width;
    memcpy(a, s->gram, (size_t)(width * width) * sizeof *a);
    memset(b, 0, (size_t)width * sizeof *b);
    for (int64_t k = 0; k < width; k++) {
        a[k * width + k] += k < s->d ? list->l2 : 1;
    }
    if (s->has_bias) {
        a[(s->d - 1) * (width + 1)] = list->bias_l2; /* there is no Gram matrix */
    }
    for (int64_t first = 0; first < list->n; first += LIST_ROWS) {
        int64_t end = first + LIST_ROWS < list->n ? first + LIST_ROWS : list->n;
        pack_scaled(s, list, first, end, rows, scaled, b);
        symmetric_update(scaled, rows, end - first, width, a);
    }
    if (!solve_cholesky(a, width, b, inverse)) {
        return false;
    }
    memcpy(x, b, (size_t)s->d * sizeof *x);
    return true;
}

/* ---- conjugate gradients ---- */

INLINE float dot_packed(const float *a, const float *b, int64_t width)
{
    vec sum = {0};
    for (int64_t c = 0; c < width; c += LANES) {
        sum += vec_load(a + c) * vec_load(b + c);
    }
    return vec_sum(sum);
}

/* y = l2 x + gram x, l2 of the list. The matrix is symmetric: its rows times the elements of x,
 * four vectors of y at a time. */
static void multiply_gram(const rk_als_system *s, const rk_als_list *list, const float *x, float *y)
{
    int64_t width = s->width;
    const float l2 = list->l2;
    if (s->is_rating) { /* there is no Gram matrix */
        for (int64_t c = 0; c < width; c += LANES) {
            vec_store(y + c, vec_load(x + c) * l2);
        }
        if (s->has_bias) {
            y[s->d - 1] = list->bias_l2 * x[s->d - 1];
        }
        return;
    }
    for (int64_t c = 0; c < width; c += 4 * LANES) {
        int64_t n = (width - c) / LANES < 4 ? (width - c) / LANES : 4;
        const float *column = s->gram + c;
        vec sum[4];
        for (int v = 0; v < 4; v++) {
            sum[v] = v < n ? vec_load(x + c + v * LANES) * l2 : (vec){0};
        }
        for (int64_t k = 0; n == 4 && k < s->d; k++) {
#pragma GCC unroll 4
            for (int v = 0; v < 4; v++) {
                sum[v] += vec_load(column + k * width + v * LANES) * x[k];
            }
        }
        for (int64_t k = 0; n < 4 && k < s->d; k++) {
            for (int v = 0; v < n; v++) {
                sum[v] += vec_load(column + k * width + v * LANES) * x[k];
            }
        }
        for (int v = 0; v < n; v++) {
            vec_store(y + c + v * LANES, sum[v]);
        }
    }
}

/* What the entries of a list add to y. */
typedef struct als_pass {
    const float *x;
    bool is_residual; /* y += (right - left <row, x>) row, else y += left <row, x> row */
} als_pass;

/* n entries at a time: the sums over the lanes of several overlap. */
INLINE void add_entries(const rk_als_system *s, const rk_als_list *list, int64_t i,
                        const float *row, const als_pass *pass, float *y, const int n)
{
    int64_t width = s->width;
    vec sum[4];
    float factor[4];
    for (int e = 0; e < n; e++) {
        sum[e] = (vec){0};
    }
    for (int64_t c = 0; c < width; c += LANES) {
        vec x = vec_load(pass->x + c);
#pragma GCC unroll 4
        for (int e = 0; e < n; e++) {
            sum[e] += vec_load(row + e * width + c) * x;
        }
    }
#pragma GCC unroll 4
    for (int e = 0; e < n; e++) {
        float w = right_of(s, list, i + e), product = left_of(s, w) * vec_sum(sum[e]);
        factor[e] = pass->is_residual ? w - product : product;
    }
    for (int64_t c = 0; c < width; c += LANES) {
        vec total = vec_load(y + c);
#pragma GCC unroll 4
        for (int e = 0; e < n; e++) {
            total += vec_load(row + e * width + c) * factor[e];
        }
        vec_store(y + c, total);
    }
}

/* All entries. rows: room for 2 LIST_ROWS packed rows, which stay if the list is no longer. */
static void add_list(const rk_als_system *s, const rk_als_list *list, const als_pass *pass,
                     float *rows, float *y)
{
    int64_t width = s->width, room = 2 * LIST_ROWS;
    for (int64_t first = 0; first < list->n; first += room) {
        int64_t n = list->n - first < room ? list->n - first : room, i = 0;
        for (int64_t k = 0; k < n && (pass->is_residual || list->n > room); k++) {
            fetch_ahead(s, list, first + k);
            pack_row(s, list->columns[first + k], rows + k * width);
        }
        for (; i + 4 <= n; i += 4) {
            add_entries(s, list, first + i, rows + i * width, pass, y, 4);
        }
        for (; i < n; i++) {
            add_entries(s, list, first + i, rows + i * width, pass, y, 1);
        }
    }
}

/* Hestenes & Stiefel, 1952, from the present x; r is the residual, q = A p. */
static bool solve_gradients(const rk_als_system *s, const rk_als_list *list, float *out,
                            float *scratch)
{
    const float tiny = 1e-20f; /* square of a residual that is no more than rounding */
    int64_t width = s->width;
    float *x = scratch, *r = x + width, *p = r + width, *q = p + width, *rows = q + width;
    memcpy(x, out, (size_t)s->d * sizeof *x);
    memset(x + s->d, 0, (size_t)(width - s->d) * sizeof *x);
    multiply_gram(s, list, x, q);
    memset(r, 0, (size_t)width * sizeof *r);
    add_list(s, list, &(als_pass){x, true}, rows, r);
    for (int64_t c = 0; c < width; c += LANES) {
        vec left = vec_load(r + c) - vec_load(q + c);
        vec_store(r + c, left);
        vec_store(p + c, left);
    }
    float square = dot_packed(r, r, width);
    for (int32_t step = 0; step < s->cg_steps && !(square < tiny); step++) {
        multiply_gram(s, list, p, q);
        add_list(s, list, &(als_pass){p, false}, rows, q);
        float curvature = dot_packed(p, q, width), alpha = square / curvature;
        if (!(curvature > 0) || !isfinite(alpha)) {
            return false;
        }
        for (int64_t c = 0; c < width; c += LANES) {
            vec_store(x + c, vec_load(x + c) + vec_load(p + c) * alpha);
            vec_store(r + c, vec_load(r + c) - vec_load(q + c) * alpha);
        }
        float next = dot_packed(r, r, width), beta = next / square;
        for (int64_t c = 0; c < width; c += LANES) {
            vec_store(p + c, vec_load(r + c) + vec_load(p + c) * beta);
        }
        square = next;
    }
    if (!isfinite(square)) {
        return false;
    }
    memcpy(out, x, (size_t)s->d * sizeof *out);
    return true;
}

static bool solve_list(const rk_als_system *s, const rk_als_list *list, float *x, float *scratch)
{
    return s->cg_steps > 0 ? solve_gradients(s, list, x, scratch)
                           : solve_directly(s, list, x, scratch);
}

#endif
