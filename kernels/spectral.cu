/*
 * Singular vectors of a sparse matrix: products with one side's rows, an orthonormal basis, what
 * comes before and after the eigenvectors of a small matrix (those: src/device/cuda/spectral.c).
 *
 * Sums over many rows are in double and go by parts of the rows, which are added in their order.
 */
#include "device.cuh"
#include "ops/basis_draw.h"

namespace
{

constexpr int TILE = 32, FEW = TILE / rk::WARPS; /* rows of a tile that a thread has */
constexpr int64_t PART_ROWS = 1024, MOST_PARTS = 64;
constexpr int64_t MOST_BLOCKS = 4096, ALIGNMENT = 256;

int64_t aligned(int64_t bytes)
{
    return rk::divide_up(bytes, ALIGNMENT) * ALIGNMENT;
}

/* ---- products with the graph ---- */

struct side {
    const int64_t *offsets;
    const int32_t *columns;
    const float *values, *scale; /* NULL = 1 */
    const float *x;              /* row 0: node `other` */
    float *y;                    /* row 0: node `first` */
    int64_t first, n, other, d;
};

/* A warp has WARP columns of a row. */
__global__ void __launch_bounds__(rk::BLOCK) side_product(side a, int64_t across)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t number = rk::number_of_warp(), row = number / across;
    const int64_t column = number % across * rk::WARP + lane;
    if (row >= a.n || column >= a.d) {
        return;
    }
    float sum = 0.0f;
    const int64_t end = a.offsets[a.first + row + 1];
    for (int64_t e = a.offsets[a.first + row]; e < end; e++) {
        const int64_t node = a.columns[e];
        const float weight = (a.scale ? a.scale[node] : 1.0f) * (a.values ? a.values[e] : 1.0f);
        sum += weight * a.x[(node - a.other) * a.d + column];
    }
    a.y[row * a.d + column] = a.scale ? a.scale[a.first + row] * sum : sum;
}

/* ---- dense products over many rows ---- */

struct tall {
    const float *x, *y; /* columns [0, n_x) and [0, n_y) of a row count */
    int64_t n, x_stride, y_stride, n_x, n_y;
};

int64_t parts_of(int64_t n)
{
    const int64_t parts = rk::divide_up(n, PART_ROWS);
    return parts < 1 ? 1 : parts < MOST_PARTS ? parts : MOST_PARTS;
}

__device__ __forceinline__ float element_of(const float *x, int64_t row, int64_t end,
                                            int64_t column, int64_t n_columns, int64_t stride)
{
    return row < end && column < n_columns ? x[row * stride + column] : 0.0f;
}

/* A block has a tile of X^T Y over the rows of one part: sums [part][n_x][n_y]. */
__global__ void __launch_bounds__(rk::BLOCK)
    multiply_parts(tall t, int64_t n_parts, double *__restrict__ sums)
{
    rk::begin();
    __shared__ float x[TILE][TILE + 1], y[TILE][TILE + 1];
    const int64_t across = (t.n_y + TILE - 1) / TILE, down = (t.n_x + TILE - 1) / TILE;
    const int64_t part = blockIdx.x / (across * down), tile = blockIdx.x % (across * down);
    const int64_t i = tile / across * TILE, j = tile % across * TILE;
    const int64_t size = (t.n + n_parts - 1) / n_parts, begin = part * size;
    const int64_t end = begin + size < t.n ? begin + size : t.n;
    const int lane = (int)threadIdx.x % TILE, warp = (int)threadIdx.x / TILE;
    double sum[FEW] = {};
    for (int64_t row = begin; row < end; row += TILE) {
        for (int r = warp; r < TILE; r += rk::WARPS) {
            x[r][lane] = element_of(t.x, row + r, end, i + lane, t.n_x, t.x_stride);
            y[r][lane] = element_of(t.y, row + r, end, j + lane, t.n_y, t.y_stride);
        }
        __syncthreads();
        for (int r = 0; r < TILE; r++) {
            for (int q = 0; q < FEW; q++) {
                sum[q] += (double)x[r][warp + q * rk::WARPS] * (double)y[r][lane];
            }
        }
        __syncthreads();
    }
    for (int q = 0; q < FEW; q++) {
        const int64_t to = i + warp + q * rk::WARPS;
        if (to < t.n_x && j + lane < t.n_y) {
            sums[(part * t.n_x + to) * t.n_y + j + lane] = sum[q];
        }
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    add_parts(const double *__restrict__ sums, int64_t n, int64_t n_parts, double *__restrict__ out)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * rk::BLOCK + threadIdx.x;
    if (i < n) {
        double sum = 0.0;
        for (int64_t part = 0; part < n_parts; part++) {
            sum += sums[part * n + i];
        }
        out[i] = sum;
    }
}

int64_t product_bytes(int64_t n, int64_t elements)
{
    return parts_of(n) * elements * (int64_t)sizeof(double);
}

/* out [n_x, n_y] = X^T Y. */
cudaError_t multiply(rk_stream *stream, const tall &t, double *sums, double *out)
{
    const int64_t n_parts = parts_of(t.n), n = t.n_x * t.n_y;
    const int64_t tiles = rk::divide_up(t.n_x, TILE) * rk::divide_up(t.n_y, TILE);
    RK_TRY_LAUNCH(rk::run(stream, {n_parts * tiles}, multiply_parts, t, n_parts, sums));
    return rk::run(stream, rk::a_thread_each(n), add_parts, sums, n, n_parts, out);
}

/* ---- the basis ---- */

__global__ void __launch_bounds__(rk::BLOCK)
    draw_columns(const rk_step_state *__restrict__ state, rk_basis_attr a, float *__restrict__ y)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < a.rows * a.columns;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t row = i / a.columns, j = i % a.columns;
        y[i] = j < a.used ? rk__basis_draw(state->seed, a.stream, row * a.used + j) : 0.0f;
    }
}

/* A block has a tile of Y - Q C; the columns of Q pass through shared memory. */
__global__ void __launch_bounds__(rk::BLOCK)
    subtract(tall t, const double *__restrict__ coefficients, float *__restrict__ y)
{
    rk::begin();
    __shared__ float q[TILE][TILE + 1];
    __shared__ double c[TILE][TILE + 1];
    const int64_t across = (t.n_y + TILE - 1) / TILE;
    const int64_t row = blockIdx.x / across * TILE, j = blockIdx.x % across * TILE;
    const int lane = (int)threadIdx.x % TILE, warp = (int)threadIdx.x / TILE;
    double sum[FEW] = {};
    for (int64_t first = 0; first < t.n_x; first += TILE) {
        for (int r = warp; r < TILE; r += rk::WARPS) {
            const bool is_in = first + r < t.n_x && j + lane < t.n_y;
            q[r][lane] = element_of(t.x, row + r, t.n, first + lane, t.n_x, t.x_stride);
            c[r][lane] = is_in ? coefficients[(first + r) * t.n_y + j + lane] : 0.0;
        }
        __syncthreads();
        for (int k = 0; k < TILE; k++) {
            for (int p = 0; p < FEW; p++) {
                sum[p] += (double)q[warp + p * rk::WARPS][k] * c[k][lane];
            }
        }
        __syncthreads();
    }
    for (int p = 0; p < FEW; p++) {
        const int64_t r = row + warp + p * rk::WARPS;
        if (r < t.n && j + lane < t.n_y) {
            float *at = y + r * t.y_stride + j + lane;
            *at = (float)((double)*at - sum[p]);
        }
    }
}

/* The upper triangle of the matrix, without what is below and left of `first`. */
__global__ void __launch_bounds__(rk::BLOCK)
    put_coefficients(const double *__restrict__ c, int64_t used, int64_t b, rk_basis_attr a,
                     double *matrix)
{
    rk::begin();
    for (int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; at < used * b;
         at += (int64_t)gridDim.x * blockDim.x) {
        const int64_t i = at / b, j = a.first + at % b;
        if (i <= j) { /* below the diagonal is the same but for rounding */
            matrix[i * a.columns + j] = c[at];
            matrix[j * a.columns + i] = c[at];
        }
    }
}

/* The factor U of gram = U^T U in the upper triangle, by one block; columns that depend on others
 * are those of the identity, depends[j] = 1. squares: room for b. */
__global__ void __launch_bounds__(rk::BLOCK)
    factor(double *gram, double *squares, int *depends, int64_t b, int fills)
{
    rk::begin();
    __shared__ int is_dependent;
    for (int64_t j = threadIdx.x; j < b; j += rk::BLOCK) {
        squares[j] = gram[j * b + j];
    }
    __syncthreads();
    for (int64_t j = 0; j < b; j++) {
        if (threadIdx.x == 0) {
            const double pivot = gram[j * b + j];
            is_dependent = !(pivot > rk__basis_least_pivot(squares[j], fills));
            depends[j] = is_dependent;
            gram[j * b + j] = is_dependent ? 1.0 : sqrt(pivot);
        }
        __syncthreads();
        const double pivot = gram[j * b + j];
        for (int64_t i = threadIdx.x; i < b; i += rk::BLOCK) {
            if (i > j) {
                gram[j * b + i] = is_dependent ? 0.0 : gram[j * b + i] / pivot;
            } else if (i < j && is_dependent) {
                gram[i * b + j] = 0.0;
            }
        }
        __syncthreads();
        const int64_t rest = is_dependent ? 0 : b - j - 1;
        for (int64_t at = threadIdx.x; at < rest * rest; at += rk::BLOCK) {
            const int64_t k = j + 1 + at / rest, i = j + 1 + at % rest;
            if (i >= k) {
                gram[k * b + i] -= gram[j * b + k] * gram[j * b + i];
            }
        }
        __syncthreads();
    }
}

struct drawn {
    const rk_step_state *state;
    int32_t stream;
    int fills;
};

/* y U^-1, a warp a row. */
__global__ void __launch_bounds__(rk::BLOCK)
    solve_rows(const double *__restrict__ u, const int *__restrict__ depends, drawn draws, float *y,
               int64_t n, int64_t b)
{
    rk::begin();
    RK_DYNAMIC_SHARED(double, shared);
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t row = rk::number_of_warp();
    double *x = shared + (threadIdx.x / rk::WARP) * b;
    if (row >= n) {
        return;
    }
    for (int64_t i = lane; i < b; i += rk::WARP) {
        x[i] = depends[i] ? 0.0 : (double)y[row * b + i];
    }
    __syncwarp();
    for (int64_t j = 0; j < b; j++) {
        const double value = x[j] / u[j * b + j];
        __syncwarp();
        for (int64_t i = lane; i < b; i += rk::WARP) {
            if (i > j) {
                x[i] -= value * u[j * b + i];
            } else if (i == j) {
                x[i] = value;
            }
        }
        __syncwarp();
    }
    const double length = 1.0 / sqrt((double)n);
    for (int64_t i = lane; i < b; i += rk::WARP) {
        const bool is_drawn = depends[i] && draws.fills;
        y[row * b + i] =
            (float)(is_drawn ? length * (double)rk__basis_draw(draws.state->seed, draws.stream,
                                                               row * b + i)
                             : x[i]);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    put_columns(const float *__restrict__ x, int64_t n, int64_t b, int64_t width,
                float *__restrict__ y)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * b;
         i += (int64_t)gridDim.x * blockDim.x) {
        y[i / b * width + i % b] = x[i];
    }
}

/* ---- eigenvalues ---- */

__global__ void __launch_bounds__(rk::BLOCK)
    leading_part(const double *__restrict__ matrix, int64_t width, double *__restrict__ out,
                 int64_t n)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * n;
         i += (int64_t)gridDim.x * blockDim.x) {
        out[i] = matrix[i / n * width + i % n];
    }
}

/* Does component i lie before component j, by size and then by number? */
__device__ __forceinline__ bool is_larger(double a, int i, double b, int j)
{
    return a > b || (a == b && i < j);
}

/* A block writes an eigenvector, its largest component positive, and a row of the matrix. */
__global__ void __launch_bounds__(rk::BLOCK)
    write_vectors(rk_eigenvectors r, float *__restrict__ out, float *__restrict__ out_roots,
                  double *__restrict__ matrix)
{
    rk::begin();
    __shared__ double sizes[rk::BLOCK];
    __shared__ int places[rk::BLOCK];
    const int64_t i = blockIdx.x, from = r.n - 1 - i;
    double most = -1.0;
    int place = 0;
    for (int64_t j = threadIdx.x; i < r.kept && j < r.n; j += rk::BLOCK) {
        const double size = fabs(r.vectors[from * r.n + j]);
        if (size > most) {
            most = size;
            place = (int)j;
        }
    }
    sizes[threadIdx.x] = most;
    places[threadIdx.x] = place;
    __syncthreads();
    for (int half = rk::BLOCK / 2; half > 0; half /= 2) {
        const int other = (int)threadIdx.x + half;
        if ((int)threadIdx.x < half &&
            is_larger(sizes[other], places[other], sizes[threadIdx.x], places[threadIdx.x])) {
            sizes[threadIdx.x] = sizes[other];
            places[threadIdx.x] = places[other];
        }
        __syncthreads();
    }
    for (int64_t j = threadIdx.x; j < r.width; j += rk::BLOCK) {
        if (i < r.kept) {
            const double *vector = r.vectors + from * r.n;
            const double sign = vector[places[0]] < 0.0 ? -1.0 : 1.0;
            out[i * r.width + j] = j < r.n ? (float)(sign * vector[j]) : 0.0f;
        }
        matrix[i * r.width + j] = i == j && i < r.kept ? r.values[from] : 0.0;
    }
    if (threadIdx.x == 0 && i < r.kept) {
        out_roots[i] = r.values[from] <= 0.0 ? 0.0f : (float)sqrt(r.values[from]);
    }
    if (threadIdx.x == 0 && i == 0 && (*r.info != 0 || !isfinite(r.values[r.n - 1]))) {
        rk__note_loss(r.state, r.bad);
    }
}

rk::grid an_element_each(int64_t n)
{
    return rk::strided(n, rk::BLOCK, MOST_BLOCKS);
}

} // namespace

cudaError_t rk_cuda_side_product(const rk_call *call)
{
    const rk_side_attr *s = &call->node->attr.side;
    const int64_t n_nodes = rk__in(call, 0)->rows - 1;
    side a = {};
    a.offsets = rk::in(call, 0);
    a.columns = rk::in(call, 1);
    a.values = rk::in(call, 2);
    a.scale = rk::in(call, 3);
    a.x = rk::in(call, 4);
    a.first = s->first;
    a.n = s->n;
    a.other = s->first == 0 ? s->n : 0;
    a.d = rk__in(call, 4)->cols;
    float *y = rk::out(call, 0);
    a.y = s->whole ? y + s->first * a.d : y;
    if (s->whole) {
        RK_TRY_LAUNCH(rk::copy(call->stream, y + a.other * a.d, a.x,
                               (n_nodes - s->n) * a.d * (int64_t)sizeof *y));
    }
    const int64_t across = rk::divide_up(a.d, rk::WARP);
    return rk::run(call->stream, rk::a_warp_each(a.n * across), side_product, a, across);
}

cudaError_t rk_cuda_draw_columns(const rk_call *call)
{
    const rk_basis_attr &a = call->node->attr.basis;
    return rk::run(call->stream, an_element_each(a.rows * a.columns), draw_columns, rk::in(call, 0),
                   a, rk::out(call, 0));
}

int64_t rk_cuda_scratch_project_out(const rk_call *call)
{
    return product_bytes(rk__in(call, 0)->rows,
                         call->node->attr.basis.used * rk__in(call, 1)->cols);
}

cudaError_t rk_cuda_project_out(const rk_call *call)
{
    const rk_tensor *basis = rk__in(call, 0), *y = rk__in(call, 1);
    tall t = {};
    t.x = rk::in(call, 0);
    t.y = rk::out(call, 0);
    t.n = basis->rows;
    t.x_stride = basis->cols;
    t.y_stride = y->cols;
    t.n_x = call->node->attr.basis.used;
    t.n_y = y->cols;
    double *coefficients = rk::out(call, 1);
    RK_TRY_LAUNCH(multiply(call->stream, t, static_cast<double *>(call->scratch), coefficients));
    const int64_t tiles = rk::divide_up(t.n, TILE) * rk::divide_up(t.n_y, TILE);
    return rk::run(call->stream, {tiles}, subtract, t, coefficients, rk::out(call, 0));
}

cudaError_t rk_cuda_put_coefficients(const rk_call *call)
{
    const rk_basis_attr &a = call->node->attr.basis;
    const rk_tensor *c = rk__in(call, 1);
    if (!call->in[0]) {
        RK_TRY_LAUNCH(rk::fill(call->stream, call->out[0], 0,
                               a.columns * a.columns * (int64_t)sizeof(double)));
    }
    return rk::run(call->stream, an_element_each(rk::elements(c)), put_coefficients,
                   rk::in(call, 1), c->rows, c->cols, a, rk::out(call, 0));
}

int64_t rk_cuda_scratch_orthonormalise(const rk_call *call)
{
    const int64_t b = rk__in(call, 0)->cols;
    return aligned(b * b * (int64_t)sizeof(double)) + aligned(b * (int64_t)sizeof(double)) +
           aligned(b * (int64_t)sizeof(int)) + product_bytes(rk__in(call, 0)->rows, b * b);
}

cudaError_t rk_cuda_orthonormalise(const rk_call *call)
{
    const rk_basis_attr *a = &call->node->attr.basis;
    const int64_t n = rk__in(call, 0)->rows, b = rk__in(call, 0)->cols;
    char *scratch = static_cast<char *>(call->scratch);
    double *gram = reinterpret_cast<double *>(scratch);
    scratch += aligned(b * b * (int64_t)sizeof(double));
    double *squares = reinterpret_cast<double *>(scratch);
    scratch += aligned(b * (int64_t)sizeof(double));
    int *depends = reinterpret_cast<int *>(scratch);
    scratch += aligned(b * (int64_t)sizeof(int));
    tall t = {};
    t.x = t.y = rk::out(call, 0);
    t.n = n;
    t.x_stride = t.y_stride = t.n_x = t.n_y = b;
    drawn draws = {};
    draws.state = rk::in(call, 1);
    draws.stream = a->stream;
    draws.fills = a->fills;
    RK_TRY_LAUNCH(multiply(call->stream, t, reinterpret_cast<double *>(scratch), gram));
    RK_TRY_LAUNCH(rk::run(call->stream, {1}, factor, gram, squares, depends, b, draws.fills));
    rk::grid g = rk::a_warp_each(n);
    g.shared_bytes = rk::WARPS * b * (int64_t)sizeof(double);
    return rk::run(call->stream, g, solve_rows, gram, depends, draws, rk::out(call, 0), n, b);
}

cudaError_t rk_cuda_put_columns(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 1);
    float *y = rk::out(call, 0);
    return rk::run(call->stream, an_element_each(rk::elements(x)), put_columns, rk::in(call, 1),
                   x->rows, x->cols, rk__in(call, 0)->cols, y + call->node->attr.basis.first);
}

cudaError_t rk_cuda_ritz_begin(const double *matrix, int64_t width, double *out, int64_t n,
                               rk_stream *stream)
{
    return rk::run(stream, an_element_each(n * n), leading_part, matrix, width, out, n);
}

cudaError_t rk_cuda_ritz_end(const rk_eigenvectors *r, float *out, float *out_roots, double *matrix,
                             rk_stream *stream)
{
    return rk::run(stream, {r->width}, write_vectors, *r, out, out_roots, matrix);
}
