/*
 * Singular vectors of a sparse matrix: products with one side's rows, an orthonormal basis, the
 * eigenvectors of a small matrix.
 *
 * Dense products over many rows go by parts of the rows whose borders depend on their number alone.
 * OpenBLAS multiplies STRIP rows at a time on one thread; strips are summed in double in their
 * order, parts likewise, so that threads change no bit and a long sum loses nothing.
 */
#include <cblas.h>

#include "device/cpu/csr.h"
#include "ops/basis_draw.h"

/* LAPACK, inside of OpenBLAS, which has no header for it everywhere. */
void dsyevd_(const char *job, const char *triangle, const int *n, double *a, const int *stride,
             double *values, double *work, const int *n_work, int *whole, const int *n_whole,
             int *info, size_t, size_t);

enum { STRIP = 1024, MOST_PARTS = 16 };

/* ---- products with the graph ---- */

int64_t rk__cpu_scratch_side_product(const rk_call *call)
{
    return call->node->in[3] == RK_NONE ? 4 * (rk__in(call, 0)->rows - 1) : 0;
}

/* Entries with values, row by row; x counts nodes. */
static void weighted_rows(const rk_call *call, const rk_csr *a, int64_t first, int64_t last,
                          const float *x, float *y)
{
    const float *values = call->in[2];
    int64_t d = rk__in(call, 4)->cols;
    for (int64_t row = first; row < last; row++, y += d) {
        rk__zero_row(y, d);
        for (int64_t e = a->offsets[row]; e < a->offsets[row + 1]; e++) {
            const float weight = a->scale[row] * values[e] * a->scale[a->columns[e]];
            call->isa->axpy(weight, x + a->columns[e] * d, d, y);
        }
    }
}

void rk__cpu_side_product(const rk_call *call)
{
    const rk_side_attr *s = &call->node->attr.side;
    const rk_row_range range = {s->first, s->first + s->n};
    int64_t d = rk__in(call, 4)->cols, n_nodes = rk__in(call, 0)->rows - 1;
    int64_t other = s->first == 0 ? s->n : 0;
    const float *x = rk__origin(call->in[4], other, d);
    float *y = call->out[0], *own = s->whole ? y + s->first * d : y;
    rk_csr a = {call->in[0], call->in[1], call->in[3], n_nodes};
    if (!a.scale) {
        float *ones = call->scratch;
        for (int64_t i = 0; i < n_nodes; i++) {
            ones[i] = 1;
        }
        a.scale = ones;
    }
    const rk_source source = rk__float_source(&a, x);
    if (s->whole) {
        memcpy(y + other * d, call->in[4], (size_t)((n_nodes - s->n) * d) * sizeof *y);
    }
    int64_t n_chunks = rk__chunk_count(&a, range);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        int64_t first = rk__chunk_start(&a, range, chunk, n_chunks);
        int64_t last = rk__chunk_start(&a, range, chunk + 1, n_chunks);
        float *to = own + (first - range.first) * d;
        if (call->in[2]) {
            weighted_rows(call, &a, first, last, x, to);
        } else {
            call->isa->propagate(&a, &source, d, 1, first, last, to);
        }
    }
}

/* ---- dense products over many rows ---- */

/* Tables of n rows with strides; a product sums over the rows. */
typedef struct tall {
    const float *x, *y; /* columns [0, n_x) and [0, n_y) of a row count */
    int64_t n, x_stride, y_stride, n_x, n_y;
} tall;

static int64_t rows_in_part(int64_t n)
{
    int64_t rows = rk__blocks(rk__blocks(n, MOST_PARTS), STRIP) * STRIP;
    return rows > 0 ? rows : STRIP;
}

static int64_t part_bytes(int64_t elements)
{
    return rk__cache_lines(elements * (int64_t)sizeof(double)) +
           rk__cache_lines(elements * (int64_t)sizeof(float));
}

static int64_t product_bytes(int64_t n, int64_t elements)
{
    return rk__blocks(n, rows_in_part(n)) * part_bytes(elements);
}

/* sum [n_x, n_y] of the part's rows; fresh: room for as many floats. */
static void multiply_part(const tall *t, int64_t part, double *sum, float *fresh)
{
    int64_t size = rows_in_part(t->n), end = rk__block_end(part, size, t->n);
    int64_t elements = t->n_x * t->n_y;
    memset(sum, 0, (size_t)elements * sizeof *sum);
    for (int64_t row = part * size; row < end; row += STRIP) {
        int rows = (int)(end - row < STRIP ? end - row : STRIP);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)t->n_x, (int)t->n_y, rows, 1,
                    t->x + row * t->x_stride, (int)t->x_stride, t->y + row * t->y_stride,
                    (int)t->y_stride, 0, fresh, (int)t->n_y);
        for (int64_t i = 0; i < elements; i++) {
            sum[i] += (double)fresh[i];
        }
    }
}

/* out [n_x, n_y] = X^T Y. */
static void multiply(const rk_call *call, const tall *t, char *scratch, double *out)
{
    int64_t elements = t->n_x * t->n_y, n_parts = rk__blocks(t->n, rows_in_part(t->n));
    RK_CPU_FOR(call, part, n_parts)
    {
        char *mine = scratch + part * part_bytes(elements);
        double *sum = rk__cpu_take(&mine, elements * (int64_t)sizeof *sum);
        multiply_part(t, part, sum, rk__cpu_take(&mine, elements * (int64_t)sizeof(float)));
    }
    RK_CPU_FOR_ROWS(call, x, t->n_x)
    {
        for (int64_t i = x * t->n_y; i < (x + 1) * t->n_y; i++) {
            out[i] = 0;
            for (int64_t part = 0; part < n_parts; part++) {
                out[i] += ((const double *)(void *)(scratch + part * part_bytes(elements)))[i];
            }
        }
    }
}

/* OpenBLAS's own threads would change bits. */
static int on_one_thread(void)
{
    int threads = openblas_get_num_threads();
    openblas_set_num_threads(1);
    return threads;
}

/* ---- the basis ---- */

void rk__cpu_draw_columns(const rk_call *call)
{
    const rk_basis_attr *a = &call->node->attr.basis;
    const rk_step_state *state = call->in[0];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, row, a->rows)
    {
        for (int64_t j = 0; j < a->columns; j++) {
            y[row * a->columns + j] =
                j < a->used ? rk__basis_draw(state->seed, a->stream, row * a->used + j) : 0;
        }
    }
}

int64_t rk__cpu_scratch_project_out(const rk_call *call)
{
    int64_t elements = call->node->attr.basis.used * rk__in(call, 1)->cols;
    return product_bytes(rk__in(call, 0)->rows, elements) +
           rk__cache_lines(elements * (int64_t)sizeof(float));
}

void rk__cpu_project_out(const rk_call *call)
{
    const int64_t used = call->node->attr.basis.used, n = rk__in(call, 0)->rows;
    const int64_t width = rk__in(call, 0)->cols, b = rk__in(call, 1)->cols;
    const float *basis = call->in[0];
    float *y = call->out[0];
    double *sums = call->out[1];
    char *scratch = call->scratch;
    float *c = rk__cpu_take(&scratch, used * b * (int64_t)sizeof *c);
    const tall t = {basis, y, n, width, b, used, b};
    int threads = on_one_thread();
    multiply(call, &t, scratch, sums);
    for (int64_t i = 0; i < used * b; i++) {
        c[i] = (float)sums[i];
    }
    RK_CPU_FOR(call, strip, rk__blocks(n, STRIP))
    {
        int64_t first = strip * STRIP;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans,
                    (int)(rk__block_end(strip, STRIP, n) - first), (int)b, (int)used, -1,
                    basis + first * width, (int)width, c, (int)b, 1, y + first * b, (int)b);
    }
    openblas_set_num_threads(threads);
}

void rk__cpu_put_coefficients(const rk_call *call)
{
    const rk_basis_attr *a = &call->node->attr.basis;
    const double *c = call->in[1];
    double *matrix = call->out[0];
    int64_t used = rk__in(call, 1)->rows, b = rk__in(call, 1)->cols;
    if (!call->in[0]) {
        memset(matrix, 0, (size_t)(a->columns * a->columns) * sizeof *matrix);
    }
    for (int64_t i = 0; i < used; i++) {
        for (int64_t j = 0; j < b; j++) {
            if (i <= a->first + j) { /* below the diagonal is the same but for rounding */
                matrix[i * a->columns + a->first + j] = c[i * b + j];
                matrix[(a->first + j) * a->columns + i] = c[i * b + j];
            }
        }
    }
}

int64_t rk__cpu_scratch_orthonormalise(const rk_call *call)
{
    int64_t b = rk__in(call, 0)->cols;
    return product_bytes(rk__in(call, 0)->rows, b * b) +
           rk__cache_lines(b * b * (int64_t)sizeof(double)) +
           rk__cache_lines(b * b * (int64_t)sizeof(float)) + rk__cache_lines(b);
}

/* The Cholesky factor of gram in its lower triangle; rows of columns that depend on others are
 * those of the identity. */
static void factor(double *gram, int64_t b, bool fills, char *depends)
{
    for (int64_t j = 0; j < b; j++) {
        double *row = gram + j * b, square = row[j];
        for (int64_t i = 0; i < j; i++) {
            const double *above = gram + i * b;
            double sum = row[i];
            for (int64_t k = 0; k < i; k++) {
                sum -= row[k] * above[k];
            }
            row[i] = depends[i] ? 0 : sum / above[i];
        }
        double pivot = square;
        for (int64_t k = 0; k < j; k++) {
            pivot -= row[k] * row[k];
        }
        depends[j] = !(pivot > rk__basis_least_pivot(square, fills));
        if (depends[j]) {
            memset(row, 0, (size_t)j * sizeof *row);
        }
        row[j] = depends[j] ? 1 : sqrt(pivot);
    }
}

static void solve_strip(const rk_call *call, int64_t strip, const float *l, const char *depends)
{
    const rk_basis_attr *a = &call->node->attr.basis;
    const rk_step_state *state = call->in[1];
    int64_t n = rk__in(call, 0)->rows, b = rk__in(call, 0)->cols;
    int64_t first = strip * STRIP, last = rk__block_end(strip, STRIP, n);
    float *y = call->out[0];
    const double length = 1 / sqrt((double)n);
    for (int64_t j = 0; j < b; j++) { /* before: a column that others must not be spoilt by */
        for (int64_t row = first; depends[j] && row < last; row++) {
            y[row * b + j] = 0;
        }
    }
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                (int)(last - first), (int)b, 1, l, (int)b, y + first * b, (int)b);
    for (int64_t j = 0; j < b && a->fills; j++) {
        for (int64_t row = first; depends[j] && row < last; row++) {
            y[row * b + j] =
                (float)(length * (double)rk__basis_draw(state->seed, a->stream, row * b + j));
        }
    }
}

void rk__cpu_orthonormalise(const rk_call *call)
{
    int64_t n = rk__in(call, 0)->rows, b = rk__in(call, 0)->cols;
    const tall t = {call->out[0], call->out[0], n, b, b, b, b};
    char *scratch = call->scratch;
    double *gram = rk__cpu_take(&scratch, b * b * (int64_t)sizeof *gram);
    float *l = rk__cpu_take(&scratch, b * b * (int64_t)sizeof *l);
    char *depends = rk__cpu_take(&scratch, b);
    int threads = on_one_thread();
    multiply(call, &t, scratch, gram);
    factor(gram, b, call->node->attr.basis.fills, depends);
    for (int64_t i = 0; i < b * b; i++) {
        l[i] = (float)gram[i];
    }
    RK_CPU_FOR(call, strip, rk__blocks(n, STRIP))
    {
        solve_strip(call, strip, l, depends);
    }
    openblas_set_num_threads(threads);
}

void rk__cpu_put_columns(const rk_call *call)
{
    int64_t n = rk__in(call, 0)->rows, width = rk__in(call, 0)->cols, b = rk__in(call, 1)->cols;
    const float *x = call->in[1];
    float *y = (float *)call->out[0] + call->node->attr.basis.first;
    RK_CPU_FOR_ROWS(call, row, n)
    {
        memcpy(y + row * width, x + row * b, (size_t)b * sizeof *y);
    }
}

/* ---- eigenvalues ---- */

static int64_t work_of(int64_t n)
{
    return 1 + 6 * n + 2 * n * n;
}

int64_t rk__cpu_scratch_ritz(const rk_call *call)
{
    int64_t n = call->node->attr.basis.used;
    return rk__cache_lines((n * n + n + work_of(n)) * (int64_t)sizeof(double)) +
           (3 + 5 * n) * (int64_t)sizeof(int);
}

/* An eigenvector as floats, its largest component positive. */
static void write_vector(const double *vector, int64_t n, int64_t width, float *out)
{
    int64_t largest = 0;
    for (int64_t i = 1; i < n; i++) {
        largest = fabs(vector[i]) > fabs(vector[largest]) ? i : largest;
    }
    const double sign = vector[largest] < 0 ? -1 : 1;
    for (int64_t i = 0; i < width; i++) {
        out[i] = i < n ? (float)(sign * vector[i]) : 0;
    }
}

/* LAPACK's matrix is column-major: its rows here are the eigenvectors, values rising. */
void rk__cpu_ritz(const rk_call *call)
{
    const rk_basis_attr *attr = &call->node->attr.basis;
    const int64_t n = attr->used, width = rk__in(call, 0)->cols;
    double *matrix = call->out[2], *a = call->scratch, *values = a + n * n, *work = values + n;
    float *vectors = call->out[0], *roots = call->out[1];
    char *rest =
        (char *)call->scratch + rk__cache_lines((n * n + n + work_of(n)) * (int64_t)sizeof(double));
    int size = (int)n, n_work = (int)work_of(n), n_whole = (int)(3 + 5 * n), info = 0;
    for (int64_t i = 0; i < n * n; i++) {
        a[i] = matrix[i / n * width + i % n];
        info = isfinite(a[i]) ? info : 1;
    }
    if (info == 0) { /* LAPACK may not come back from a NaN */
        int threads = on_one_thread();
        dsyevd_("V", "L", &size, a, &size, values, work, &n_work, (int *)(void *)rest, &n_whole,
                &info, 1, 1);
        openblas_set_num_threads(threads);
    }
    if (info != 0) {
        memset(a, 0, (size_t)(n * n) * sizeof *a);
        memset(values, 0, (size_t)n * sizeof *values);
        rk__note_loss(call->in[1], (double)NAN);
    }
    memset(matrix, 0, (size_t)(width * width) * sizeof *matrix);
    for (int64_t i = 0; i < attr->kept; i++) {
        write_vector(a + (n - 1 - i) * n, n, width, vectors + i * width);
        roots[i] = values[n - 1 - i] <= 0 ? 0 : (float)sqrt(values[n - 1 - i]);
        matrix[i * width + i] = values[n - 1 - i];
    }
}
