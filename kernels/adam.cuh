/*
 * One element of an Adam step (Kingma & Ba 2015) as PyTorch does it, for the kernels that update:
 *   g += weight_decay * p;  m, v are the usual running means;
 *   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon),  t counting from 1.
 */
#ifndef RK_KERNELS_ADAM_CUH
#define RK_KERNELS_ADAM_CUH

#include "device.cuh"

namespace rk
{

/* What depends on the step number: two powers in double, once a step (adam_rates). */
struct adam_scalars {
    float step_size, root_correction;
};

/* What an Adam step updates, and with what; parameter NULL = none. */
struct adam_target {
    float *parameter, *m, *v;
    const adam_scalars *scalars;
    double beta1, beta2;
    float epsilon, weight_decay;
};

/* Inputs: the parameter, and from `moments` on m, v and the rates of the step. */
inline adam_target adam_target_of(const rk_call *call, const rk_adam_attr &a, int parameter,
                                  int moments)
{
    adam_target t = {};
    t.parameter = in(call, parameter);
    t.m = in(call, moments);
    t.v = in(call, moments + 1);
    t.scalars = in(call, moments + 2);
    t.beta1 = a.beta1;
    t.beta2 = a.beta2;
    t.epsilon = (float)a.epsilon;
    t.weight_decay = (float)a.weight_decay;
    return t;
}

/* The step of one element, in place. */
__device__ __forceinline__ void adam_step(const adam_target &a, adam_scalars s, float gradient,
                                          float *p, float *m, float *v)
{
    const float b1 = (float)a.beta1, b2 = (float)a.beta2;
    const float c1 = (float)(1.0 - a.beta1), c2 = (float)(1.0 - a.beta2);
    const float g = gradient + a.weight_decay * *p;
    *m = b1 * *m + c1 * g;
    *v = b2 * *v + c2 * g * g;
    *p = *p - s.step_size * *m / (sqrtf(*v) * s.root_correction + a.epsilon);
}

/* Gives the new parameter. The moments are read and written once a step: they stream past the
 * tables that are gathered (__ldcs and __stcs, evict first). */
__device__ __forceinline__ float adam_element(const adam_target &a, adam_scalars s, int64_t i,
                                              float gradient)
{
    float p = a.parameter[i], m = __ldcs(a.m + i), v = __ldcs(a.v + i);
    adam_step(a, s, gradient, &p, &m, &v);
    __stcs(a.m + i, m);
    __stcs(a.v + i, v);
    a.parameter[i] = p;
    return p;
}

/* Four of them, from a multiple of four on. */
__device__ __forceinline__ float4 adam_four(const adam_target &a, adam_scalars s, int64_t i,
                                            float4 gradient)
{
    float4 *parameter = reinterpret_cast<float4 *>(a.parameter + i);
    float4 *first = reinterpret_cast<float4 *>(a.m + i),
           *second = reinterpret_cast<float4 *>(a.v + i);
    float4 p = *parameter, m = __ldcs(first), v = __ldcs(second);
    adam_step(a, s, gradient.x, &p.x, &m.x, &v.x);
    adam_step(a, s, gradient.y, &p.y, &m.y, &v.y);
    adam_step(a, s, gradient.z, &p.z, &m.z, &v.z);
    adam_step(a, s, gradient.w, &p.w, &m.w, &v.w);
    __stcs(first, m);
    __stcs(second, v);
    *parameter = p;
    return p;
}

} // namespace rk

#endif
