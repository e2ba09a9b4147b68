/* What the two ways to choose candidates share (topk.cu has the method): candidates, their order,
 * masks, the margin of a score that is not exact. */
#ifndef RK_TOPK_CUH
#define RK_TOPK_CUH

#include "device.cuh"

#include <math_constants.h>

namespace rk
{

struct candidate {
    float score;
    int32_t item;
};

constexpr int32_t NO_ITEM = 0x7fffffff; /* sorts behind every item of the same score */
constexpr int32_t TOO_MANY = -1;    /* the number of candidates of a query with no room for them */
constexpr float MOST_SLACK = 1e30f; /* a margin above it says nothing; nor does NaN */

__device__ __forceinline__ bool better(candidate a, candidate b)
{
    return a.score > b.score || (a.score == b.score && a.item < b.item);
}

__device__ __forceinline__ bool better(float a, float b)
{
    return a > b;
}

/* Sorts `size` (a power of two) of them, best first. All threads of the block call it. */
template <typename T> __device__ void bitonic_sort(T *list, int size)
{
    for (int width = 2; width <= size; width *= 2) {
        for (int distance = width / 2; distance > 0; distance /= 2) {
            for (int i = (int)threadIdx.x; i < size; i += BLOCK) {
                const int partner = i ^ distance;
                if (partner > i) {
                    const T a = list[i], b = list[partner];
                    const bool descending = (i & width) == 0;
                    if (better(b, a) == descending) {
                        list[i] = b;
                        list[partner] = a;
                    }
                }
            }
            __syncthreads();
        }
    }
}

__device__ __forceinline__ bool is_in(const int32_t *sorted, int64_t begin, int64_t end,
                                      int32_t value)
{
    while (begin < end) {
        const int64_t middle = begin + (end - begin) / 2;
        const int32_t found = __ldg(sorted + middle);
        if (found == value) {
            return true;
        }
        if (found < value) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

__device__ inline bool is_masked(const rk_ranking &r, int64_t query, int32_t item)
{
    return (r.blocked && r.blocked[item]) ||
           is_in(r.mask_items, r.mask_offsets[query], r.mask_offsets[query + 1], item);
}

/* The sum of squares of a row, the same in every lane of the warp that calls it. */
__device__ inline float squares(const float *row, int64_t d)
{
    float sum = 0.0f;
    for (int64_t j = threadIdx.x % WARP; j < d; j += WARP) {
        sum += row[j] * row[j];
    }
    return warp_sum(sum);
}

/* 2 * margin of a query: by Cauchy and Schwarz, |u| |v| bounds the sum of |u_j v_j| that rounding
 * errors are relative to. Norms below 1e-15, whose squares lose digits, count as that much. */
__device__ inline float margin2(const rk_ranking &r, int64_t query)
{
    const float query_squares = squares(r.queries + query * r.d, r.d);
    const float item_squares = __int_as_float(*r.largest);
    if (!(query_squares < CUDART_INF_F)) {
        return CUDART_INF_F;
    }
    return 2.02f * r.epsilon * sqrtf(fmaxf(query_squares, 1e-30f)) *
           sqrtf(fmaxf(item_squares, 1e-30f));
}

} // namespace rk

#endif
