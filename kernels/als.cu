/*
 * Alternating least squares: the Gram matrix of a side, and a block for each row that is solved.
 *
 * A block's system lies in shared memory while it fits, else in scratch memory, where as many
 * blocks work as keep a device busy. Every number is summed in one order.
 */
#include "device.cuh"

namespace
{

constexpr int TILE = 32;       /* of the Gram matrix */
constexpr int64_t SHARES = 64; /* of its rows, at most */
constexpr int64_t SHARE_ROWS = 256;
constexpr int ENTRIES = 16;           /* of a list that a block holds at a time */
constexpr int64_t DECLARED = 1 << 10; /* at most, by the kernels here */
constexpr int64_t SCRATCH_BYTES = 256 << 20, MOST_BLOCKS = 512, LEAST_BLOCKS = 128;
constexpr int64_t FLAG_BYTES = 256;

/* ---- the Gram matrix of a side ---- */

int64_t share_rows(int64_t n)
{
    const int64_t rows = rk::divide_up(rk::divide_up(n, SHARES), TILE) * TILE;
    return rows > SHARE_ROWS ? rows : SHARE_ROWS;
}

/* Row of a triangle that is numbered row by row. */
__device__ __forceinline__ int row_of(int number)
{
    int row = (int)((sqrtf(8.0f * (float)number + 1.0f) - 1.0f) * 0.5f);
    while (row * (row + 1) / 2 > number) {
        row--;
    }
    while ((row + 1) * (row + 2) / 2 <= number) {
        row++;
    }
    return row;
}

/* partial [shares, d, d]: a block makes one tile of the lower triangle from one share of the rows.
 */
__global__ void __launch_bounds__(rk::BLOCK)
    gram_tiles(const float *__restrict__ table, float *__restrict__ partial, int64_t n, int64_t d,
               int64_t rows, int n_tiles)
{
    rk::begin();
    __shared__ float left[TILE][TILE + 1], right[TILE][TILE + 1];
    const int tile = (int)(blockIdx.x % n_tiles), ti = row_of(tile), tj = tile - ti * (ti + 1) / 2;
    const int64_t share = blockIdx.x / n_tiles;
    const int64_t end = (share + 1) * rows < n ? (share + 1) * rows : n;
    const int x = (int)threadIdx.x % TILE, y = (int)threadIdx.x / TILE;
    float total[TILE / rk::WARPS] = {};
    for (int64_t first = share * rows; first < end; first += TILE) {
        for (int r = y; r < TILE; r += rk::WARPS) {
            const int64_t row = first + r, i = ti * TILE + x, j = tj * TILE + x;
            left[r][x] = row < end && i < d ? table[row * d + i] : 0.0f;
            right[r][x] = row < end && j < d ? table[row * d + j] : 0.0f;
        }
        __syncthreads();
        for (int s = 0; s < TILE / rk::WARPS; s++) {
            float sum = 0.0f;
            for (int r = 0; r < TILE; r++) {
                sum += left[r][y + s * rk::WARPS] * right[r][x];
            }
            total[s] += sum;
        }
        __syncthreads();
    }
    for (int s = 0; s < TILE / rk::WARPS; s++) {
        const int64_t i = ti * TILE + y + s * rk::WARPS, j = tj * TILE + x;
        if (i < d && j < d) {
            partial[(share * d + i) * d + j] = total[s];
        }
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    gram_total(const float *__restrict__ partial, float *__restrict__ gram, int64_t d,
               int64_t shares)
{
    rk::begin();
    const int64_t e = (int64_t)blockIdx.x * rk::BLOCK + threadIdx.x;
    if (e >= d * d) {
        return;
    }
    const int64_t a = e / d, b = e % d, i = a > b ? a : b, j = a > b ? b : a;
    double sum = 0.0;
    for (int64_t share = 0; share < shares; share++) {
        sum += (double)partial[(share * d + i) * d + j];
    }
    gram[e] = (float)sum;
}

/* ---- systems ---- */

struct problem {
    const int64_t *offsets; /* of list 0 */
    const int32_t *columns;
    const float *values; /* or NULL = 1 each */
    const float *table;  /* row of column 0 */
    const float *gram;
    float *out; /* row of list 0 */
    float *scratch;
    int *failed;
    int64_t n, d, floats; /* lists; width; of a block's room */
    float gram_weight, p, q, mean;
    rk_als_attr attr;
    bool in_shared, is_fold;
};

struct list {
    const int32_t *columns;
    const float *values;
    int64_t n;
    float l2, bias_l2;
    __device__ __forceinline__ float weight(int64_t i) const
    {
        return values ? values[i] : 1.0f;
    }
};

__device__ __forceinline__ list list_of(const problem &s, int64_t row)
{
    const int64_t begin = s.offsets[row], n = s.offsets[row + 1] - begin;
    return {s.columns + begin, s.values ? s.values + begin : nullptr, n,
            (float)(s.attr.l2 * (double)n + s.attr.l2_constant),
            (float)(s.attr.bias_l2 * (double)n + s.attr.bias_l2_constant)};
}

/* What the row of entry e is multiplied with in the right side. */
__device__ __forceinline__ float right_of(const problem &s, const list &l, int64_t e)
{
    if (!s.attr.is_rating) {
        return s.p * l.weight(e);
    }
    const float rest = l.weight(e) - s.mean;
    return s.attr.has_bias ? rest - s.table[l.columns[e] * s.d + s.d - 1] : rest;
}

/* And its product with itself in the matrix. */
__device__ __forceinline__ float left_of(const problem &s, float right)
{
    return s.attr.is_rating ? 1.0f : right - s.q;
}

/* Element j of a list's row: the bias has 1 in its place. */
__device__ __forceinline__ float element_of(const problem &s, const float *row, int64_t j)
{
    return s.attr.has_bias && j == s.d - 1 ? 1.0f : row[j];
}

/* What is added to element j of the diagonal. */
__device__ __forceinline__ float ridge_of(const problem &s, const list &l, int64_t j)
{
    return s.attr.has_bias && j == s.d - 1 ? l.bias_l2 : l.l2;
}

/* Element i, j <= i of a lower triangle. */
__device__ __forceinline__ int64_t at(int64_t i, int64_t j)
{
    return i * (i + 1) / 2 + j;
}

__device__ __forceinline__ bool is_usable(float positive)
{
    return positive > 0.0f && isfinite(positive);
}

int64_t padded(int64_t d)
{
    return (d + 3) / 4 * 4;
}

/* Packed entries, their weights and coefficients, right side, 1 / diagonal, triangle. */
int64_t cholesky_floats(int64_t d)
{
    return ENTRIES * (padded(d) + 2) + 2 * d + d * (d + 1) / 2;
}

/* x, r, p, q, a sum of each warp. */
int64_t gradient_floats(int64_t d)
{
    return (4 + rk::WARPS) * d;
}

struct room {
    float *rows, *weight, *coefficient, *b, *inverse, *a;
    int64_t width;
};

/* a, b = the weighted Gram matrix and its diagonal's l2, and zeros. */
__device__ inline void begin_system(const problem &s, const room &m, const list &l)
{
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    for (int64_t i = warp; i < s.d; i += rk::WARPS) {
        for (int64_t j = lane; j <= i; j += rk::WARP) {
            const float gram = s.gram ? s.gram_weight * s.gram[i * s.d + j] : 0.0f;
            m.a[at(i, j)] = gram + (i == j ? ridge_of(s, l, j) : 0.0f);
        }
    }
    for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
        m.b[j] = 0.0f;
    }
}

/* Tiles of 4 x 4 elements, a thread each: the sum over n packed entries. */
__device__ inline void add_tiles(const problem &s, const room &m, int n)
{
    const int side = (int)(m.width / 4), n_tiles = side * (side + 1) / 2;
    for (int tile = (int)threadIdx.x; tile < n_tiles; tile += rk::BLOCK) {
        const int ti = row_of(tile), tj = tile - ti * (ti + 1) / 2;
        float sum[4][4] = {};
        for (int e = 0; e < n; e++) {
            const rk::pack<4> v = rk::load<4>(m.rows, e, m.width, ti);
            const rk::pack<4> w = rk::load<4>(m.rows, e, m.width, tj);
            const float c = m.coefficient[e], left[4] = {c * v.x, c * v.y, c * v.z, c * v.w};
            for (int i = 0; i < 4; i++) {
                sum[i][0] += left[i] * w.x;
                sum[i][1] += left[i] * w.y;
                sum[i][2] += left[i] * w.z;
                sum[i][3] += left[i] * w.w;
            }
        }
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) {
                const int64_t row = 4 * ti + i, column = 4 * tj + j;
                if (row < s.d && column <= row) {
                    m.a[at(row, column)] += sum[i][j];
                }
            }
        }
    }
}

__device__ inline void add_entries(const problem &s, const room &m, const list &l)
{
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    for (int64_t first = 0; first < l.n; first += ENTRIES) {
        const int n = l.n - first < ENTRIES ? (int)(l.n - first) : ENTRIES;
        for (int e = warp; e < n; e += rk::WARPS) {
            const float *row = s.table + l.columns[first + e] * s.d;
            for (int64_t j = lane; j < m.width; j += rk::WARP) {
                m.rows[e * m.width + j] = j < s.d ? element_of(s, row, j) : 0.0f;
            }
            if (lane == 0) {
                m.weight[e] = right_of(s, l, first + e);
                m.coefficient[e] = left_of(s, m.weight[e]);
            }
        }
        __syncthreads();
        for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
            float sum = 0.0f;
            for (int e = 0; e < n; e++) {
                sum += m.weight[e] * m.rows[e * m.width + j];
            }
            m.b[j] += sum;
        }
        add_tiles(s, m, n);
        __syncthreads();
    }
}

/* a = L L^T in place but for the diagonal, of which 1 / L_kk goes into m.inverse. */
__device__ inline bool factor(const problem &s, const room &m)
{
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    for (int64_t k = 0; k < s.d; k++) {
        const float pivot = m.a[at(k, k)];
        if (!is_usable(pivot)) {
            return false; /* all threads alike */
        }
        const float inverse = 1.0f / sqrtf(pivot);
        for (int64_t i = k + 1 + threadIdx.x; i < s.d; i += rk::BLOCK) {
            m.a[at(i, k)] *= inverse;
        }
        if (threadIdx.x == 0) {
            m.inverse[k] = inverse;
        }
        __syncthreads();
        for (int64_t i = k + 1 + warp; i < s.d; i += rk::WARPS) {
            const float f = m.a[at(i, k)];
            for (int64_t j = k + 1 + lane; j <= i; j += rk::WARP) {
                m.a[at(i, j)] -= f * m.a[at(j, k)];
            }
        }
        __syncthreads();
    }
    return true;
}

/* b = A^-1 b but for a last factor of m.inverse. */
__device__ inline void substitute(const problem &s, const room &m)
{
    for (int64_t k = 0; k < s.d; k++) {
        const float y = m.b[k] * m.inverse[k];
        for (int64_t i = k + 1 + threadIdx.x; i < s.d; i += rk::BLOCK) {
            m.b[i] -= m.a[at(i, k)] * y;
        }
        __syncthreads();
    }
    for (int64_t i = threadIdx.x; i < s.d; i += rk::BLOCK) {
        m.b[i] *= m.inverse[i];
    }
    __syncthreads();
    for (int64_t k = s.d - 1; k >= 0; k--) {
        const float x = m.b[k] * m.inverse[k];
        for (int64_t i = threadIdx.x; i < k; i += rk::BLOCK) {
            m.b[i] -= m.a[at(k, i)] * x;
        }
        __syncthreads();
    }
}

/* What a row becomes that has no entries, or in a fold no solution; and who has none is told. */
__device__ inline void leave_row(const problem &s, int64_t row, bool has_failed)
{
    if (!has_failed || s.is_fold) {
        for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
            s.out[row * s.d + j] = 0.0f;
        }
    }
    if (has_failed && threadIdx.x == 0) {
        atomicOr(s.failed, 1);
    }
}

__global__ void __launch_bounds__(rk::BLOCK) solve_directly(problem s, int64_t width)
{
    rk::begin();
    RK_DYNAMIC_SHARED(float, shared);
    float *start = s.in_shared ? shared : s.scratch + blockIdx.x * s.floats;
    room m = {};
    m.width = width;
    m.rows = start;
    m.weight = m.rows + ENTRIES * width;
    m.coefficient = m.weight + ENTRIES;
    m.b = m.coefficient + ENTRIES;
    m.inverse = m.b + s.d;
    m.a = m.inverse + s.d;
    for (int64_t row = blockIdx.x; row < s.n; row += gridDim.x) {
        const list l = list_of(s, row);
        if (l.n == 0) {
            leave_row(s, row, false);
            continue;
        }
        begin_system(s, m, l);
        __syncthreads();
        add_entries(s, m, l);
        if (factor(s, m)) {
            substitute(s, m);
            for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
                s.out[row * s.d + j] = m.b[j] * m.inverse[j];
            }
        } else {
            leave_row(s, row, true);
        }
        __syncthreads();
    }
}

/* ---- conjugate gradients ---- */

struct vectors {
    float *x, *r, *p, *q, *part; /* part: [WARPS, d] */
};

/* <a, b> at every thread; shared: a float a warp. */
__device__ inline float dot_of(const float *a, const float *b, int64_t d, float *shared)
{
    float sum = 0.0f;
    for (int64_t j = threadIdx.x; j < d; j += rk::BLOCK) {
        sum += a[j] * b[j];
    }
    sum = rk::warp_sum(sum);
    if (threadIdx.x % rk::WARP == 0) {
        shared[threadIdx.x / rk::WARP] = sum;
    }
    __syncthreads();
    sum = 0.0f;
    for (int i = 0; i < rk::WARPS; i++) {
        sum += shared[i];
    }
    __syncthreads();
    return sum;
}

/* y = A x; residual: y = b - A x. A warp takes every eighth row of the Gram matrix and entry. */
__device__ inline void apply(const problem &s, const list &l, const float *x, float *y, float *part,
                             bool residual)
{
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    const float sign = residual ? -1.0f : 1.0f;
    float *mine = part + warp * s.d;
    for (int64_t j = lane; j < s.d; j += rk::WARP) {
        float sum = 0.0f;
        for (int64_t k = warp; s.gram && k < s.d; k += rk::WARPS) {
            sum += x[k] * s.gram[k * s.d + j];
        }
        mine[j] = sign * s.gram_weight * sum;
    }
    for (int64_t e = warp; e < l.n; e += rk::WARPS) {
        const float *row = s.table + l.columns[e] * s.d;
        const float w = right_of(s, l, e);
        float dot = rk::warp_dot(row, x, s.d, lane);
        if (s.attr.has_bias) {
            dot += (1.0f - row[s.d - 1]) * x[s.d - 1];
        }
        const float product = left_of(s, w) * dot;
        const float f = residual ? w - product : product;
        for (int64_t j = lane; j < s.d; j += rk::WARP) {
            mine[j] += f * element_of(s, row, j);
        }
    }
    __syncthreads();
    for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
        float sum = sign * ridge_of(s, l, j) * x[j];
        for (int i = 0; i < rk::WARPS; i++) {
            sum += part[i * s.d + j];
        }
        y[j] = sum;
    }
    __syncthreads();
}

/* x [d] from the present one; false where the matrix is not positive definite. */
__device__ inline bool descend(const problem &s, const list &l, const vectors &v, float *shared)
{
    constexpr float TINY = 1e-20f; /* square of a residual that is no more than rounding */
    apply(s, l, v.x, v.r, v.part, true);
    for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
        v.p[j] = v.r[j];
    }
    float square = dot_of(v.r, v.r, s.d, shared);
    for (int32_t step = 0; step < s.attr.cg_steps && !(square < TINY); step++) {
        apply(s, l, v.p, v.q, v.part, false);
        const float curvature = dot_of(v.p, v.q, s.d, shared), alpha = square / curvature;
        if (!(curvature > 0.0f) || !isfinite(alpha)) {
            return false;
        }
        for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
            v.x[j] += alpha * v.p[j];
            v.r[j] -= alpha * v.q[j];
        }
        const float next = dot_of(v.r, v.r, s.d, shared), beta = next / square;
        for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
            v.p[j] = v.r[j] + beta * v.p[j];
        }
        __syncthreads();
        square = next;
    }
    return isfinite(square);
}

__global__ void __launch_bounds__(rk::BLOCK) solve_gradients(problem s)
{
    rk::begin();
    RK_DYNAMIC_SHARED(float, shared);
    __shared__ float sums[rk::WARPS];
    float *start = s.in_shared ? shared : s.scratch + blockIdx.x * s.floats;
    const vectors v = {start, start + s.d, start + 2 * s.d, start + 3 * s.d, start + 4 * s.d};
    for (int64_t row = blockIdx.x; row < s.n; row += gridDim.x) {
        const list l = list_of(s, row);
        if (l.n == 0) {
            leave_row(s, row, false);
            continue;
        }
        for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
            v.x[j] = s.is_fold ? 0.0f : s.out[row * s.d + j];
        }
        __syncthreads();
        if (descend(s, l, v, sums)) {
            for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
                s.out[row * s.d + j] = v.x[j];
            }
        } else {
            leave_row(s, row, true);
        }
        __syncthreads();
    }
}

__global__ void note_failure(const int *failed, rk_step_state *state, double bad)
{
    rk::begin();
    if (*failed) {
        rk__note_loss(state, bad);
    }
}

/* ---- calls ---- */

int64_t floats_of(const rk_call *call)
{
    const int64_t d = rk__in(call, 3)->cols;
    const int64_t floats =
        call->node->attr.als.cg_steps > 0 ? gradient_floats(d) : cholesky_floats(d);
    return rk::divide_up(floats, 64) * 64;
}

bool fits(int64_t floats)
{
    return floats * (int64_t)sizeof(float) <= rk::SHARED_BYTES - DECLARED;
}

/* Blocks that work in scratch memory. */
int64_t blocks_of(int64_t floats, int64_t n)
{
    const int64_t room = SCRATCH_BYTES / (floats * (int64_t)sizeof(float));
    const int64_t some = room > LEAST_BLOCKS ? room : LEAST_BLOCKS;
    const int64_t most = some < MOST_BLOCKS ? some : MOST_BLOCKS;
    return n < most ? n : most;
}

int64_t scratch_of(const rk_call *call, int64_t n)
{
    const int64_t floats = floats_of(call);
    return FLAG_BYTES + (fits(floats) ? 0 : blocks_of(floats, n) * floats * (int64_t)sizeof(float));
}

problem problem_of(const rk_call *call)
{
    const rk_als_attr &a = call->node->attr.als;
    problem s = {};
    s.offsets = rk::in(call, 0);
    s.columns = rk::in(call, 1);
    s.values = rk::in(call, 2);
    s.table = rk::in(call, 3);
    s.gram = rk::in(call, 4);
    s.failed = static_cast<int *>(call->scratch);
    s.scratch = reinterpret_cast<float *>(static_cast<char *>(call->scratch) + FLAG_BYTES);
    s.d = rk__in(call, 3)->cols;
    s.floats = floats_of(call);
    s.gram_weight = (float)a.gram_weight;
    s.p = (float)a.p, s.q = (float)a.q, s.mean = (float)a.mean;
    s.attr = a;
    s.in_shared = fits(s.floats);
    return s;
}

cudaError_t solve(rk_stream *stream, const problem &s)
{
    RK_TRY_LAUNCH(rk::fill(stream, s.failed, 0, sizeof *s.failed));
    const rk::grid g = {s.in_shared ? s.n : blocks_of(s.floats, s.n), rk::BLOCK,
                        s.in_shared ? s.floats * (int64_t)sizeof(float) : 0};
    return s.attr.cg_steps > 0 ? rk::run(stream, g, solve_gradients, s)
                               : rk::run(stream, g, solve_directly, s, padded(s.d));
}

} // namespace

int64_t rk_cuda_scratch_side_gram(const rk_call *call)
{
    const int64_t n = call->node->attr.range.n, d = rk__in(call, 0)->cols;
    return rk::divide_up(n, share_rows(n)) * d * d * (int64_t)sizeof(float);
}

cudaError_t rk_cuda_side_gram(const rk_call *call)
{
    const rk_range_attr &a = call->node->attr.range;
    const int64_t d = rk__in(call, 0)->cols, rows = share_rows(a.n);
    const int64_t shares = rk::divide_up(a.n, rows), side = rk::divide_up(d, TILE);
    const int n_tiles = (int)(side * (side + 1) / 2);
    const float *table = rk::in(call, 0);
    float *partial = static_cast<float *>(call->scratch), *gram = rk::out(call, 0);
    RK_TRY_LAUNCH(rk::run(call->stream, {shares * n_tiles}, gram_tiles, table + a.first * d,
                          partial, a.n, d, rows, n_tiles));
    return rk::run(call->stream, rk::a_thread_each(d * d), gram_total, partial, gram, d, shares);
}

int64_t rk_cuda_scratch_als_sweep(const rk_call *call)
{
    return scratch_of(call, call->node->attr.als.n);
}

cudaError_t rk_cuda_als_sweep(const rk_call *call)
{
    const rk_als_attr &a = call->node->attr.als;
    problem s = problem_of(call);
    s.n = a.n;
    s.offsets += a.first;
    s.out = static_cast<float *>(call->in[3]) + a.first * s.d;
    RK_TRY_LAUNCH(solve(call->stream, s));
    return rk::run(call->stream, {1, 1}, note_failure, s.failed, rk::in(call, 5), (double)NAN);
}

int64_t rk_cuda_scratch_als_fold(const rk_call *call)
{
    return scratch_of(call, rk__out(call, 0)->rows);
}

cudaError_t rk_cuda_als_fold(const rk_call *call)
{
    problem s = problem_of(call);
    s.n = rk__out(call, 0)->rows;
    s.table += call->node->attr.als.first * s.d;
    s.out = rk::out(call, 0);
    s.is_fold = true;
    return solve(call->stream, s);
}
