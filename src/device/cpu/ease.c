/*
 * EASE: the Gram matrix of a side, its inverse, the item weights.
 *
 * The inverse works on tiles of the lower triangle. Every tile is computed by OpenBLAS on one
 * thread in one order, so that threads change no bit, which OpenBLAS's own threads do not promise.
 */
#include <cblas.h>

#include "device/cpu/cpu.h"

/* LAPACK, inside of OpenBLAS, which has no header for it everywhere. Column-major: the upper
 * triangle there is our lower one. The lengths of the texts are Fortran's. */
void spotrf_(const char *triangle, const int *n, float *a, const int *stride, int *info, size_t);
void strtri_(const char *triangle, const char *diagonal, const int *n, float *a, const int *stride,
             int *info, size_t, size_t);
void slauum_(const char *triangle, const int *n, float *a, const int *stride, int *info, size_t);

enum { TILE = 512, SQUARE = 64 };

/* ---- the Gram matrix ---- */

/* A thread writes a row once, while it is in its cache. */
void rk__cpu_count_gram(const rk_call *call)
{
    const rk_ridge_attr *a = &call->node->attr.ridge;
    const int64_t *offsets = call->in[0];
    const int32_t *columns = call->in[1];
    (void)rk__cpu_leave(call, 0, a->n, "rows");
    RK_CPU_FOR(call, node, a->n)
    {
        float *row = (float *)call->out[0] + node * a->n;
        if (rk__cpu_leave(call, node, a->n, "rows")) {
            continue;
        }
        rk__zero_row(row, a->n);
        for (int64_t e = offsets[a->first + node]; e < offsets[a->first + node + 1]; e++) {
            int64_t between = columns[e];
            for (int64_t f = offsets[between]; f < offsets[between + 1]; f++) {
                row[columns[f] - a->first] += 1;
            }
        }
        row[node] += (float)a->ridge;
    }
}

/* ---- the inverse ---- */

typedef struct tiles {
    float *a; /* [n, n] */
    int64_t n, count;
} tiles;

static float *tile_at(const tiles *t, int64_t i, int64_t j)
{
    return t->a + i * TILE * t->n + j * TILE;
}

static int tile_size(const tiles *t, int64_t i)
{
    return (int)(rk__block_end(i, TILE, t->n) - i * TILE);
}

/* c_ij += sign * op(tile ik or ki) op(tile jk or kj), `inner` long. */
static void add_product(const tiles *t, int64_t i, int64_t j, const float *left, bool left_turned,
                        const float *right, bool right_turned, int inner, float sign)
{
    int n = (int)t->n;
    cblas_sgemm(CblasRowMajor, left_turned ? CblasTrans : CblasNoTrans,
                right_turned ? CblasTrans : CblasNoTrans, tile_size(t, i), tile_size(t, j), inner,
                sign, left, n, right, n, 1, tile_at(t, i, j), n);
}

/* L of the diagonal tile; false where it has none. */
static bool factor_tile(const tiles *t, int64_t k)
{
    int size = tile_size(t, k), n = (int)t->n, info = 0;
    float *a = tile_at(t, k, k);
    spotrf_("U", &size, a, &n, &info, 1);
    for (int64_t i = 0; i < size && info == 0; i++) {
        float pivot = a[i * t->n + i];
        info = !(pivot > 0) || !isfinite(pivot);
    }
    return info == 0;
}

/* Row k of L^-1 and column k of L. */
static void finish_panel(const tiles *t, int64_t k, int64_t i)
{
    int size = tile_size(t, k), n = (int)t->n;
    if (i < k) {
        cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, size,
                    tile_size(t, i), 1, tile_at(t, k, k), n, tile_at(t, k, i), n);
    } else if (i > k) {
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                    tile_size(t, i), size, 1, tile_at(t, k, k), n, tile_at(t, i, k), n);
    }
}

/* What step k adds to tile i, j <= i, neither of them k. */
static void update_tile(const tiles *t, int64_t k, int64_t i, int64_t j)
{
    int inner = tile_size(t, k);
    if (i < k) { /* P_ij += X_ki^T X_kj */
        add_product(t, i, j, tile_at(t, k, i), true, tile_at(t, k, j), false, inner, 1);
    } else if (j < k) { /* the right side of X_ij -= L_ik X_kj */
        add_product(t, i, j, tile_at(t, i, k), false, tile_at(t, k, j), false, inner, -1);
    } else { /* A_ij -= L_ik L_jk^T */
        add_product(t, i, j, tile_at(t, i, k), false, tile_at(t, j, k), true, inner, -1);
    }
}

/* Tiles of row and column k once nothing else of this step reads them: X_ik begins as
 * -L_ik L_kk^-1, P_kj as X_kk^T X_kj. The diagonal tile still holds L_kk; inverted: L_kk^-1. */
static void turn_panel(const tiles *t, int64_t k, int64_t i, bool inverted)
{
    int size = tile_size(t, k), n = (int)t->n;
    if (i > k && !inverted) {
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit,
                    tile_size(t, i), size, -1, tile_at(t, k, k), n, tile_at(t, i, k), n);
    } else if (i < k && inverted) {
        cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, size,
                    tile_size(t, i), 1, tile_at(t, k, k), n, tile_at(t, k, i), n);
    }
}

static void turn_diagonal(const tiles *t, int64_t k, bool inverted)
{
    int size = tile_size(t, k), n = (int)t->n, info = 0;
    if (inverted) {
        slauum_("U", &size, tile_at(t, k, k), &n, &info, 1);
    } else {
        strtri_("U", "N", &size, tile_at(t, k, k), &n, &info, 1, 1);
    }
}

/* Of the tile i, j <= i the upper part. */
static void mirror(const tiles *t, int64_t i, int64_t j)
{
    int64_t rows = tile_size(t, i), columns = tile_size(t, j);
    for (int64_t first = 0; first < rows; first += SQUARE) {
        for (int64_t from = 0; from < columns; from += SQUARE) {
            for (int64_t r = first; r < first + SQUARE && r < rows; r++) {
                int64_t end = i == j && r < columns ? r : columns;
                for (int64_t c = from; c < from + SQUARE && c < end; c++) {
                    tile_at(t, j, i)[c * t->n + r] = tile_at(t, i, j)[r * t->n + c];
                }
            }
        }
    }
}

/* Number of the tile (i, j <= i), row by row, back to i and j. */
static void place_of(int64_t number, int64_t *i, int64_t *j)
{
    int64_t row = (int64_t)((sqrt(8.0 * (double)number + 1) - 1) / 2);
    row -= row * (row + 1) / 2 > number;
    row += (row + 1) * (row + 2) / 2 <= number;
    *i = row;
    *j = number - row * (row + 1) / 2;
}

/*
 * A = L L^T, X = L^-1, P = X^T X in one pass over the diagonal tiles. After step k the tiles i, j
 * of the lower triangle hold: P_ij so far where i <= k, what X_ij is made of where j <= k < i, the
 * rest of A elsewhere. A step is a product for every tile.
 */
static bool invert(const rk_call *call, const tiles *t)
{
    int64_t n_tiles = t->count * (t->count + 1) / 2;
    for (int64_t k = 0; k < t->count; k++) {
        if (!factor_tile(t, k)) {
            return false;
        }
        RK_CPU_FOR(call, i, t->count)
        {
            finish_panel(t, k, i);
        }
        RK_CPU_FOR(call, number, n_tiles)
        {
            int64_t i, j;
            place_of(number, &i, &j);
            if (i != k && j != k && !rk__cpu_leave(call, k, t->count, "columns of tiles")) {
                update_tile(t, k, i, j);
            }
        }
        if (rk__cpu_leave(call, k, t->count, "columns of tiles")) {
            return true; /* nobody looks at it */
        }
        for (int inverted = 0; inverted < 2; inverted++) {
            RK_CPU_FOR(call, i, t->count)
            {
                turn_panel(t, k, i, inverted);
            }
            turn_diagonal(t, k, inverted);
        }
    }
    RK_CPU_FOR(call, number, n_tiles)
    {
        int64_t i, j;
        place_of(number, &i, &j);
        mirror(t, i, j);
    }
    return true;
}

int64_t rk__cpu_scratch_spd_inverse(const rk_call *call)
{
    return rk__in(call, 0)->rows * (int64_t)sizeof(float);
}

/* Does no row depend on the others, as far as floats can tell (RK_MOST_INFLATION)? */
static bool is_regular(const tiles *t, const float *diagonal)
{
    for (int64_t i = 0; i < t->n; i++) {
        if (!(diagonal[i] * t->a[i * t->n + i] < RK_MOST_INFLATION)) {
            return false;
        }
    }
    return true;
}

void rk__cpu_spd_inverse(const rk_call *call)
{
    int64_t n = rk__in(call, 0)->rows;
    float *diagonal = call->scratch;
    const tiles t = {call->in[0], n, rk__blocks(n, TILE)};
    int threads = openblas_get_num_threads();
    openblas_set_num_threads(1);
    for (int64_t i = 0; i < n; i++) {
        diagonal[i] = t.a[i * n + i];
    }
    bool is_definite = invert(call, &t) && is_regular(&t, diagonal);
    openblas_set_num_threads(threads);
    if (!is_definite) {
        memset(t.a, 0, (size_t)(n * n) * sizeof *t.a);
        rk__note_loss(call->in[1], (double)NAN);
    }
}

/* ---- weights ---- */

int64_t rk__cpu_scratch_ease_weights(const rk_call *call)
{
    return rk__in(call, 0)->rows * (int64_t)sizeof(float);
}

void rk__cpu_ease_weights(const rk_call *call)
{
    int64_t n = rk__in(call, 0)->rows;
    float *matrix = call->in[0], *factor = call->scratch;
    for (int64_t j = 0; j < n; j++) {
        factor[j] = -1 / matrix[j * n + j];
    }
    RK_CPU_FOR(call, i, n)
    {
        float *row = matrix + i * n;
        for (int64_t j = 0; j < n; j++) {
            row[j] *= factor[j];
        }
        row[i] = 0;
    }
}

/* The pairs of an item's users lie anywhere in a matrix of gigabytes. It is symmetric, so half of
 * them will do; the columns ascend, so that they are read forwards. */
void rk__cpu_ease_factor(const rk_call *call)
{
    const rk_ridge_attr *a = &call->node->attr.ridge;
    const int64_t *offsets = call->in[0];
    const int32_t *columns = call->in[1];
    const float *inverse = call->in[2];
    float *factor = call->out[0];
    int64_t m = rk__in(call, 2)->rows;
    (void)rk__cpu_leave(call, 0, a->n, "items");
    RK_CPU_FOR(call, item, a->n)
    {
        const int32_t *users = columns + offsets[a->first + item];
        int64_t n = offsets[a->first + item + 1] - offsets[a->first + item];
        double sum = 0;
        if (rk__cpu_leave(call, item, a->n, "items")) {
            continue;
        }
        for (int64_t u = 0; u < n; u++) {
            const float *row = inverse + users[u] * m;
            double half = 0.5 * (double)row[users[u]];
            for (int64_t v = 0; v < u; v++) {
                half += (double)row[users[v]];
            }
            sum += 2 * half;
        }
        factor[item] = (float)(-a->ridge / (1 - sum));
    }
}
