/*
 * The table for any processor: vectors of 4 floats (SSE2, NEON), and OpenBLAS for scores, which
 * knows more instruction sets than we compile for.
 */
#include <cblas.h>

#include "device/cpu/isa.h"
#include "device/cpu/isa_aggregate.h"
#include "device/cpu/isa_attention.h"
#include "device/cpu/isa_dense.h"
#include "device/cpu/isa_dropout.h"
#include "device/cpu/isa_edges.h"
#include "device/cpu/isa_propagate.h"
#include "device/cpu/isa_solve.h"
#include "device/cpu/isa_table.h"

enum { BLOCK_USERS = 64, PANEL_WIDTH = 512 };

#include "device/cpu/isa_softmax.h" /* goes by the width */

/* Always the same matrix shapes, so that a score does not depend on where in a tile it falls. */
static void scores(const float *block, const float *panels, int64_t d, int64_t n_panels, float *out)
{
    int64_t stride = n_panels * PANEL_WIDTH;
    for (int64_t p = 0; p < n_panels; p++) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, BLOCK_USERS, PANEL_WIDTH, (int)d, 1,
                    block, BLOCK_USERS, panels + p * PANEL_WIDTH * d, PANEL_WIDTH, 0,
                    out + p * PANEL_WIDTH, (int)stride);
    }
}

static int64_t above(const float *score, int64_t n, float threshold, int32_t *out)
{
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        out[found] = (int32_t)i;
        found += score[i] > threshold;
    }
    return found;
}

/* OpenBLAS runs on the threads of the caller's loop, not on its own: inside an OpenMP region its
 * OpenMP build would know, its pthread build would not. */
static int32_t begin_scores(void)
{
    int32_t threads = openblas_get_num_threads();
    openblas_set_num_threads(1);
    return threads;
}

static void end_scores(int32_t threads)
{
    openblas_set_num_threads(threads);
}

const rk_isa rk__isa_baseline = {
    ISA_COMMON_FUNCTIONS,
    .name = "baseline",
    .panel_width = PANEL_WIDTH,
    .block_users = BLOCK_USERS,
    .begin_scores = begin_scores,
    .scores = scores,
    .end_scores = end_scores,
    .above = above,
    .logits = logits,
    .exponents = exponents,
};
