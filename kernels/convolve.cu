/* Patches of rows that are images, and columns normalised by statistics that are there: a thread an
 * element of the result. */
#include "device.cuh"

#include "ops/normalise.h"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    patches(const float *__restrict__ x, rk_patches_attr a, float *__restrict__ y, int64_t n)
{
    rk::begin();
    const int64_t square = a.size * a.size, across = a.width - a.size + 1;
    const int64_t places = across * (a.height - a.size + 1);
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t patch = i / square, within = i % square;
        const int64_t image = patch / places, place = patch % places;
        const int64_t row = place / across + within / a.size;
        const int64_t column = place % across + within % a.size;
        y[i] = x[image * a.height * a.width + row * a.width + column];
    }
}

/* In the order of the patches. */
__global__ void __launch_bounds__(rk::BLOCK)
    patches_grad(const float *__restrict__ g, rk_patches_attr a, float *__restrict__ y, int64_t n)
{
    rk::begin();
    const int64_t square = a.size * a.size, across = a.width - a.size + 1;
    const int64_t down = a.height - a.size + 1, area = a.height * a.width;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t image = i / area, row = i % area / a.width, column = i % a.width;
        float sum = 0.0f;
        for (int64_t u = a.size - 1; u >= 0; u--) {
            for (int64_t v = a.size - 1; v >= 0; v--) {
                const int64_t r = row - u, c = column - v;
                if (r >= 0 && r < down && c >= 0 && c < across) {
                    sum += g[((image * down + r) * across + c) * square + u * a.size + v];
                }
            }
        }
        y[i] = sum;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    normalise_by(const float *__restrict__ x, const float *__restrict__ gain,
                 const float *__restrict__ shift, const double *__restrict__ statistics,
                 float *__restrict__ y, int64_t n, int64_t d)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * d;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t c = i % d;
        y[i] = rk__normalised(x[i], statistics[c], statistics[d + c]) * gain[c] + shift[c];
    }
}

rk::grid over(int64_t n)
{
    return rk::strided(n, 4 * rk::BLOCK);
}

} // namespace

cudaError_t rk_cuda_patches(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::run(call->stream, over(n), patches, rk::in(call, 0), call->node->attr.patches,
                   rk::out(call, 0), n);
}

cudaError_t rk_cuda_patches_grad(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::run(call->stream, over(n), patches_grad, rk::in(call, 0), call->node->attr.patches,
                   rk::out(call, 0), n);
}

cudaError_t rk_cuda_normalise_by(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk::run(call->stream, over(rk::elements(x)), normalise_by, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::out(call, 0), x->rows,
                   x->cols);
}
