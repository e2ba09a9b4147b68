/*
 * Counter-based random numbers: every draw is a pure function of (seed, purpose, step, index).
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), from
 * Random123 on the host and from cuRAND in kernels: the same words. The mapping from words to
 * uniform, bounded and normal numbers is here, so that every device draws the same values.
 */
#ifndef RK_BASE_PHILOX_H
#define RK_BASE_PHILOX_H

/* Set by kernels/device.cuh. */
#if defined(RK_KERNEL_SOURCE)
#include <curand_philox4x32_x.h>
#else
#include <Random123/philox.h>
#endif
#include <math.h>
#include <stdint.h>

/* Functions that the host and kernels share. */
#if defined(__CUDACC__)
#define RK_SHARED static inline __device__
#else
#define RK_SHARED static inline
#endif

/* What a stream of draws is for; part of the key, so that no two purposes share numbers. */
typedef enum rk_purpose {
    RK_PURPOSE_INIT = 1,   /* initial parameters: step = parameter number, index = element block */
    RK_PURPOSE_POSITIVE,   /* training positives: step, index = triplet */
    RK_PURPOSE_NEGATIVE,   /* training negatives: step, index = candidate, attempt */
    RK_PURPOSE_SHUFFLE,    /* the epoch's permutation of interactions: step = epoch */
    RK_PURPOSE_SPLIT,      /* train / valid / test */
    RK_PURPOSE_EVAL,       /* the random subset of users of the in-training check */
    RK_PURPOSE_SYNTH,      /* the generated data set */
    RK_PURPOSE_CANDIDATES, /* drawn beside held-out rows: step = part, user; index = row, draw */
    RK_PURPOSE_NOISE = 17, /* perturbed embeddings: see ops/noise_draw.h */
    RK_PURPOSE_EDGES = 18, /* dropped edges: see ops/edge_draw.h */
    RK_PURPOSE_DROPOUT = 19, /* dropped elements: see ops/dropout_draw.h */
    RK_PURPOSE_ROWS = 24,    /* which of a positive's rows gives its fields: index = triplet */
    RK_PURPOSE_LEAKY = 50,   /* negatives in a graph: step = row, index = number */
    RK_PURPOSE_PLANES = 30,  /* normals of hyperplanes: step = plane, index = pair of elements */
    RK_PURPOSE_BASIS = 25,   /* columns of a basis: see ops/basis_draw.h */
    RK_PURPOSE_MASK = 40,    /* masked edges: see ops/edge_draw.h */
    RK_PURPOSE_SWEEP = 60,   /* values of trials: step = trial, index = axis, number of the draw */
    RK_PURPOSE_BOOTSTRAP = 16, /* users of a replicate: step = replicate, index = pair of draws */
} rk_purpose;

typedef struct rk_words {
    uint32_t v[4];
} rk_words;

/* Four words of the stream (seed, purpose) at (step, index, attempt). */
RK_SHARED rk_words rk__philox(uint64_t seed, rk_purpose purpose, uint64_t step, uint64_t index,
                              uint32_t attempt)
{
    /* 32 bits of index, attempt (20 bits) with the purpose, 64 bits of step; the high index bits
     * go to the key's second word together with the seed's. */
    const uint32_t c[4] = {(uint32_t)index, (attempt & 0xfffffu) | ((uint32_t)purpose << 20),
                           (uint32_t)step, (uint32_t)(step >> 32)};
    const uint32_t k[2] = {(uint32_t)seed,
                           (uint32_t)(seed >> 32) ^ ((uint32_t)(index >> 32) * 0x9E3779B9u)};
#if defined(RK_KERNEL_SOURCE)
    const uint4 counter = {c[0], c[1], c[2], c[3]};
    const uint2 key = {k[0], k[1]};
    const uint4 r = curand_Philox4x32_10(counter, key);
    rk_words w = {{r.x, r.y, r.z, r.w}};
#else
    const philox4x32_ctr_t counter = {{c[0], c[1], c[2], c[3]}};
    const philox4x32_key_t key = {{k[0], k[1]}};
    const philox4x32_ctr_t r = philox4x32(counter, key);
    rk_words w = {{r.v[0], r.v[1], r.v[2], r.v[3]}};
#endif
    return w;
}

/* [0, 1) with 24 bits: exact in a float. */
RK_SHARED float rk__uniform(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* [0, bound) from 64 random bits; the bias is below bound / 2^64. */
RK_SHARED uint64_t rk__bounded(uint32_t high, uint32_t low, uint64_t bound)
{
    uint64_t bits = ((uint64_t)high << 32) | low;
    return (uint64_t)(((unsigned __int128)bits * bound) >> 64);
}

/* Two standard normal numbers from two words (Box-Muller). */
RK_SHARED void rk__normal2(uint32_t a, uint32_t b, float out[2])
{
    double u = ((double)a + 0.5) * 0x1p-32, v = ((double)b + 0.5) * 0x1p-32;
    double radius = sqrt(-2.0 * log(u)), angle = 6.283185307179586 * v;
    out[0] = (float)(radius * cos(angle));
    out[1] = (float)(radius * sin(angle));
}

#endif
