/* The tensor cores' product of two small matrices in TF32. Compute capability 8.0 and newer; the
 * CPU-executed test build has a stand-in (tests/emu/include/emu_tensor.h). */
#ifndef RK_MMA_CUH
#define RK_MMA_CUH

#include "device.cuh"

namespace rk
{

/* The nearest number that TF32 holds, 10 bits behind the leading one: off by at most 2^-11 of it,
 * while a tensor core that is given more bits cuts them, which is twice as far off. A carry runs
 * into the exponent; of what is not finite it makes anything. (cvt.rna.tf32 takes four instructions
 * on 9.0.) */
__device__ __forceinline__ float to_tf32(float x)
{
    return __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u);
}

/* c [16,8] += a [16,8] b [8,8], spread over the lanes of a warp, which all call it. With
 * g = lane / 4 and t = lane % 4 this lane holds
 *     a: (g, t), (g+8, t), (g, t+4), (g+8, t+4)      b: (t, g), (t+4, g)
 *     c: (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1). */
__device__ __forceinline__ void multiply_add(float (&c)[4], const float (&a)[4],
                                             const float (&b)[2])
{
#ifdef CUDA_EMU
    emu::multiply_add(c, a, b);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
          "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#else
    __trap(); /* src/device/cuda/topk.c takes this where it exists only */
#endif
}

} // namespace rk

#endif
