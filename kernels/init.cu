/*
 * Initial values of a parameter: scale * unit draw, four elements a draw (ops/init_draw.h). Every
 * element is a function of its number alone, so neither grid nor device changes it.
 */
#include "device.cuh"
#include "ops/init_draw.h"

namespace
{

/* Elements [first, end); a draw at either end may hold elements that are another block's. */
__global__ void __launch_bounds__(rk::BLOCK)
    init(float *__restrict__ parameter, int64_t first, int64_t end, int32_t kind, uint64_t seed,
         int32_t number, double scale)
{
    rk::begin();
    for (int64_t group = first / 4 + (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
         group < (end + 3) / 4; group += (int64_t)gridDim.x * blockDim.x) {
        float unit[4];
        rk__init_unit4(kind, seed, number, group, unit);
        for (int j = 0; j < 4; j++) {
            const int64_t element = 4 * group + j;
            if (element >= first && element < end) {
                parameter[element] = (float)(scale * (double)unit[j]);
            }
        }
    }
}

} // namespace

cudaError_t rk_cuda_init(float *parameter, const rk_init *how, rk_stream *stream)
{
    const int64_t groups = how->first < how->end ? (how->end + 3) / 4 - how->first / 4 : 0;
    return rk::run(stream, rk::strided(groups, rk::BLOCK), init, parameter, how->first, how->end,
                   how->kind, how->seed, how->number, how->scale);
}
