/* The tensor cores, for kernels/mma.cuh: the arithmetic of a fragment, with factors cut to what
 * TF32 keeps. */
#ifndef EMU_TENSOR_H
#define EMU_TENSOR_H

#include "emu_collectives.h"

namespace emu
{

inline float cut_to_tf32(float x)
{
    return from_bits<float>((uint32_t)to_bits(x) & 0xffffe000u);
}

/* Ends the program if the device is older (device_info.cpp). */
void require_capability(int major, const char *what);

/* Lanes see each other's factors in shared memory, between two barriers of the warp. */
inline void multiply_add(float (&c)[4], const float (&a)[4], const float (&b)[2])
{
    require_capability(8, "a product in TF32");
    __shared__ float factors[1024 / warpSize][warpSize][6];
    float(*warp)[6] = factors[threadIdx.x / warpSize];
    const unsigned lane = threadIdx.x % warpSize, g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) {
        warp[lane][i] = cut_to_tf32(a[i]);
    }
    warp[lane][4] = cut_to_tf32(b[0]);
    warp[lane][5] = cut_to_tf32(b[1]);
    __syncwarp();
    for (unsigned i = 0; i < 4; i++) {
        const unsigned half = i / 2, column = 2 * t + i % 2; /* row g, or g + 8 */
        for (unsigned k = 0; k < 8; k++) {
            c[i] += warp[4 * g + k % 4][half + k / 4 * 2] * warp[4 * column + k % 4][4 + k / 4];
        }
    }
    __syncwarp();
}

} // namespace emu

#endif
