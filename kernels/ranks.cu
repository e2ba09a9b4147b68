/* What ranks have exchanged, made a table again: a thread an element, strided. */
#include "device.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    interleave(const float *__restrict__ blocks, float *__restrict__ all, int64_t rows,
               int64_t columns, int64_t ranks)
{
    rk::begin();
    const int64_t width = columns * ranks;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < rows * width;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t row = i / width, column = i % width;
        all[i] = blocks[(column / columns * rows + row) * columns + column % columns];
    }
}

} // namespace

cudaError_t rk_cuda_interleave_columns(const float *blocks, int64_t rows, int64_t columns,
                                       int64_t ranks, float *all, rk_stream *stream)
{
    return rk::run(stream, rk::strided(rows * columns * ranks, 4 * rk::BLOCK), interleave, blocks,
                   all, rows, columns, ranks);
}
