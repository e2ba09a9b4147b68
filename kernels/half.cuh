/* Rows of RK_F16 tables (ops/half_rows.h) in kernels: loaded as floats, stored by a warp. */
#ifndef RK_KERNELS_HALF_CUH
#define RK_KERNELS_HALF_CUH

#include "device.cuh"

#include <cuda_fp16.h>

namespace rk
{

/* A table that is gathered: float [N,d] with exponent NULL, or halves [N,d] with exponent[N]. */
struct gathered {
    const void *rows;
    const uint8_t *exponent;
};

__device__ __forceinline__ float factor_of(uint8_t exponent)
{
    return __uint_as_float(rk__half_factor(exponent));
}

inline gathered gathered_in(const rk_call *call, int i)
{
    const rk_tensor *t = rk__in(call, i);
    const bool is_half = t->dtype == RK_F16;
    return {call->in[i], is_half ? rk__half_exponents(call->in[i], t->rows, t->cols) : nullptr};
}

/* Eight floats, which 16 bytes of halves are loaded into. */
template <> struct alignas(16) pack<8> {
    pack<4> low, high;
    __device__ static pack zero()
    {
        return {pack<4>::zero(), pack<4>::zero()};
    }
    __device__ __forceinline__ void add_scaled(float a, pack b)
    {
        low.add_scaled(a, b.low);
        high.add_scaled(a, b.high);
    }
    __device__ __forceinline__ void scale(float a)
    {
        low.scale(a);
        high.scale(a);
    }
    __device__ __forceinline__ void add_from_lane(int distance)
    {
        low.add_from_lane(distance);
        high.add_from_lane(distance);
    }
};

__device__ __forceinline__ pack<4> four_halves(unsigned low, unsigned high)
{
    const float2 x = __half22float2(*reinterpret_cast<const __half2 *>(&low));
    const float2 y = __half22float2(*reinterpret_cast<const __half2 *>(&high));
    return {x.x, x.y, y.x, y.y};
}

/* The same of halves: eight as 16 bytes, four, or one. */
template <int VECTOR>
__device__ __forceinline__ pack<VECTOR> load_halves(const rk_half *table, int64_t row, int64_t d,
                                                    int q)
{
    if constexpr (VECTOR == 8) {
        const uint4 bits = __ldg(reinterpret_cast<const uint4 *>(table + row * d) + q);
        return {four_halves(bits.x, bits.y), four_halves(bits.z, bits.w)};
    } else if constexpr (VECTOR == 4) {
        const uint2 bits = __ldg(reinterpret_cast<const uint2 *>(table + row * d) + q);
        return four_halves(bits.x, bits.y);
    } else {
        return {__half2float(__ushort_as_half(table[row * d + q]))};
    }
}

/* A row of d values as halves with their exponent (ops/half_rows.h), by the lanes of a warp;
 * largest: of the values of this lane (lane, lane + 32, ...), as bits without the sign. */
__device__ inline void store_halves(rk_half *y, uint8_t *exponent, const float *values, int64_t d,
                                    int lane, unsigned largest)
{
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
        const unsigned other = __shfl_xor_sync(ALL_LANES, largest, distance);
        largest = other > largest ? other : largest;
    }
    uint32_t inverse_bits;
    const uint8_t of_row = rk__half_exponent(largest, &inverse_bits);
    for (int64_t j = lane; j < d; j += WARP) {
        y[j] = __half_as_ushort(__float2half_rn(values[j] * __uint_as_float(inverse_bits)));
    }
    if (lane == 0) {
        *exponent = of_row;
    }
}

} // namespace rk

#endif
