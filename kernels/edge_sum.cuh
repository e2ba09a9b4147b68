/* The sum over the edges of a piece of a row, by the groups of lanes of a warp; propagate.cu says
 * how. */
#ifndef RK_KERNELS_EDGE_SUM_CUH
#define RK_KERNELS_EDGE_SUM_CUH

#include "half.cuh"

namespace rk
{

constexpr int AT_ONCE = 4;     /* loads of a lane that are on their way together */
constexpr int LEAST_LANES = 4; /* of a group: AT_ONCE edges of each group are 32 at most */

/* 16 bytes (or an element) of a row as they lie in memory, and the floats that they are. */
template <int VECTOR, bool HALVES> struct element;

template <> struct element<1, false> {
    using type = float;
    __device__ static type zero()
    {
        return 0.0f;
    }
    __device__ __forceinline__ static type load(const void *from)
    {
        return __ldg(static_cast<const type *>(from));
    }
    __device__ __forceinline__ static pack<1> values(type v)
    {
        return {v};
    }
};
template <> struct element<4, false> {
    using type = float4;
    __device__ static type zero()
    {
        return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
    __device__ __forceinline__ static type load(const void *from)
    {
        return __ldg(static_cast<const type *>(from));
    }
    __device__ __forceinline__ static pack<4> values(type v)
    {
        return {v.x, v.y, v.z, v.w};
    }
};
template <> struct element<1, true> {
    using type = rk_half;
    __device__ static type zero()
    {
        return 0;
    }
    __device__ __forceinline__ static type load(const void *from)
    {
        return __ldg(static_cast<const type *>(from));
    }
    __device__ __forceinline__ static pack<1> values(type v)
    {
        return {__half2float(__ushort_as_half(v))};
    }
};
template <> struct element<8, true> {
    using type = uint4;
    __device__ static type zero()
    {
        return make_uint4(0, 0, 0, 0);
    }
    __device__ __forceinline__ static type load(const void *from)
    {
        return __ldg(static_cast<const type *>(from));
    }
    __device__ __forceinline__ static pack<8> values(type v)
    {
        return {four_halves(v.x, v.y), four_halves(v.z, v.w)};
    }
};

/* What a lane takes of each edge of its group: 16 bytes (or an element) of a row of x. */
struct lane_share {
    const char *x; /* of row 0 */
    uint32_t row_bytes;
    int group, n_groups;
};

/* The sum over n <= 32 edges, one a lane: a row of x and its weight. Each round every group takes
 * AT_ONCE of them, in ascending order, and all loads leave before the first sum. Rounds are whole:
 * lanes from n on must have the row of some edge of these, whose cache line is on its way anyhow,
 * and the weight 0. (Not a branch: behind one, loads wait for sums.) */
template <int VECTOR, bool HALVES>
__device__ __forceinline__ void add_edges(pack<VECTOR> *sum, int n, int row, float weight,
                                          const lane_share &mine)
{
    using element = element<VECTOR, HALVES>;
#pragma unroll 1
    for (int at = 0; at < n; at += AT_ONCE * mine.n_groups) {
        typename element::type x[AT_ONCE];
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) {
            const int source = at + k * mine.n_groups + mine.group;
            const unsigned r = (unsigned)__shfl_sync(ALL_LANES, row, source);
            x[k] = element::load(mine.x + (uint64_t)r * mine.row_bytes);
        }
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) {
            const int source = at + k * mine.n_groups + mine.group;
            const float w = __shfl_sync(ALL_LANES, weight, source);
            sum->add_scaled(w, element::values(x[k]));
        }
    }
}

/* The edges of a piece as a lane takes them: every 32nd. Of 32 that the piece has only in part the
 * lanes behind its end take its last one. */
struct edge_list {
    const int32_t *columns;
    const float *weights; /* in the order of the edges, or NULL: gathered from scale */
    const float *scale;
    int64_t at; /* the lane's next edge */
    int left;   /* edges of the piece from the warp's next one on */

    __device__ __forceinline__ bool is_there(int lane) const
    {
        return lane < left;
    }
    __device__ __forceinline__ int column(int lane) const
    {
        return left > 0 ? __ldcs(columns + at - max(lane - left + 1, 0)) : 0;
    }
    /* Of that column; 0 behind the end. */
    __device__ __forceinline__ float weight(int lane, int column) const
    {
        return lane >= left ? 0.0f : weights ? __ldcs(weights + at) : __ldg(scale + column);
    }
    __device__ __forceinline__ void advance()
    {
        at += WARP;
        left -= WARP;
    }
};

template <int VECTOR, bool HALVES>
__device__ __forceinline__ pack<VECTOR> sum_edges(edge_list edges, const gathered &x, int first_x,
                                                  const lane_share &mine, int lane)
{
    pack<VECTOR> sum = pack<VECTOR>::zero();
    int next = edges.column(lane);
    float next_weight = edges.weight(lane, next);
#pragma unroll 1
    while (edges.left > 0) {
        const int n = min(WARP, edges.left), row = next - first_x;
        float weight = next_weight;
        edges.advance();
        next = edges.column(lane);
        next_weight = edges.weight(lane, next);
        if (HALVES) {
            weight *= factor_of(__ldg(x.exponent + row));
        }
        add_edges<VECTOR, HALVES>(&sum, n, row, weight, mine);
    }
    return sum;
}

/* Which columns are active, and where their rows of x are. */
struct column_set {
    const uint32_t *active;
    const int32_t *map;
    const float *scale;

    __device__ __forceinline__ bool has(int column) const
    {
        return __ldg(active + column / 32) >> (column % 32) & 1u;
    }
};

/* n <= 32 of the columns that wait, from number `first` on. */
template <int VECTOR>
__device__ __forceinline__ void add_waiting(pack<VECTOR> *sum, const int32_t *waiting, int first,
                                            int n, const column_set &set, const lane_share &mine,
                                            int lane)
{
    if (n == 0) {
        return;
    }
    const int column = waiting[(first + min(lane, n - 1)) % (2 * WARP)];
    __syncwarp(); /* their places are written again */
    const bool is_edge = column >= 0 && lane < n;
    const int at = column < 0 ? ~column : column, row = __ldg(set.map + at);
    add_edges<VECTOR, false>(sum, n, row, is_edge ? __ldg(set.scale + at) : 0.0f, mine);
}

/* Of each 32 edges the active ones wait in a ring until there are 32 to be fetched together. The
 * groups take those of each 32 edges from the first group on: ~ their last column fills up the last
 * round, as no edge. */
template <int VECTOR>
__device__ __forceinline__ pack<VECTOR> sum_active(edge_list edges, const column_set &set,
                                                   const lane_share &mine, int lane,
                                                   int32_t *waiting)
{
    pack<VECTOR> sum = pack<VECTOR>::zero();
    int first = 0, end = 0, next = edges.column(lane);
#pragma unroll 1
    while (edges.left > 0) {
        const int column = next;
        const bool is_active = edges.is_there(lane) && set.has(column);
        const unsigned active = __ballot_sync(ALL_LANES, is_active);
        const int n = __popc(active), filled = (n + mine.n_groups - 1) & -mine.n_groups;
        const int last = __shfl_sync(ALL_LANES, column, (WARP - 1 - __clz((int)active)) & 31);
        edges.advance();
        next = edges.column(lane);
        if (is_active) {
            const int place = end + __popc(active & ((1u << lane) - 1));
            waiting[place % (2 * WARP)] = column;
        }
        if (lane < filled - n) {
            waiting[(end + n + lane) % (2 * WARP)] = ~last;
        }
        end += filled;
        __syncwarp();
        if (end - first >= WARP) {
            add_waiting(&sum, waiting, first, WARP, set, mine, lane);
            first += WARP;
        }
    }
    add_waiting(&sum, waiting, first, end - first, set, mine, lane);
    return sum;
}

} // namespace rk

#endif
