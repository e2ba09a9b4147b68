/* Sums of tables and moves of rows, for the families that make them: tables, rows, gram. */
#ifndef RK_KERNELS_TABLES_CUH
#define RK_KERNELS_TABLES_CUH

#include "half.cuh"

namespace rk
{

struct tables {
    const float *x[RK_MAX_LAYERS];
    const uint8_t *exponent[RK_MAX_LAYERS]; /* where there is one, x are halves: gathered */
    float weight[RK_MAX_LAYERS];
    int32_t n;
};

/* y[r] = sum_k w_k x_k[rows[r]] for r < *count, zero beyond: [R,d]; rows and count NULL: all. */
struct table_sum {
    tables terms;
    const int32_t *rows, *count;
    float *y;
    int64_t n_rows, d;
};

/* Rows of x [n,d] to those of y that a map names, or from them. */
struct row_move {
    const float *x;
    const int32_t *map;
    float *y;
    int64_t n_rows, d;
};

/* Inputs from `first` on, with the node's weights from `weight` on. */
inline tables tables_of(const rk_call *call, int first, int weight = 0)
{
    tables t = {};
    t.n = call->node->n_inputs - first;
    for (int i = 0; i < t.n; i++) {
        const gathered x = gathered_in(call, first + i);
        t.x[i] = static_cast<const float *>(x.rows);
        t.exponent[i] = x.exponent;
        t.weight[i] = call->node->attr.weight[weight + i];
    }
    return t;
}

/* Pack q of row r of their sum. */
template <int VECTOR>
__device__ __forceinline__ pack<VECTOR> sum_pack(const tables &t, int64_t r, int64_t d, int q)
{
    pack<VECTOR> sum = pack<VECTOR>::zero();
    for (int32_t k = 0; k < t.n; k++) {
        if (t.exponent[k]) {
            const rk_half *halves = reinterpret_cast<const rk_half *>(t.x[k]);
            sum.add_scaled(t.weight[k] * factor_of(t.exponent[k][r]),
                           load_halves<VECTOR>(halves, r, d, q));
        } else {
            sum.add_scaled(t.weight[k], load<VECTOR>(t.x[k], r, d, q));
        }
    }
    return sum;
}

/* tables.cu */
cudaError_t sum_tables(rk_stream *stream, const table_sum &s);
/* y = sum_k w_k x_k over n elements. */
cudaError_t sum_tables(rk_stream *stream, const tables &terms, float *y, int64_t n);
/* rows.cu: y[r] = alpha * x[map[r]], zero where map[r] < 0. */
cudaError_t scatter_rows(rk_stream *stream, const row_move &m, float alpha);
/* y[map[r]] = x[r] where map[r] >= 0. */
cudaError_t spread_rows(rk_stream *stream, const row_move &m);

/* What a thread works on: element (row, q) of a table of `packs` packs a row. A grid covers rows
 * times packs and strides over what is left. */
#define FOR_EACH_PACK(row, q, rows, packs)                                                         \
    for (int64_t i_ = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, row = i_ / (packs),          \
                 q = i_ % (packs);                                                                 \
         i_ < (rows) * (int64_t)(packs);                                                           \
         i_ += (int64_t)gridDim.x * blockDim.x, row = i_ / (packs), q = i_ % (packs))

constexpr int64_t MOST_BLOCKS = 1 << 16; /* keep a large device busy */

inline int64_t packs_of(int64_t d)
{
    return has_vectors(d) ? d / 4 : d;
}

inline grid a_pack_each(int64_t n_rows, int64_t d)
{
    return strided(n_rows * packs_of(d), BLOCK, MOST_BLOCKS);
}

} // namespace rk

#endif
