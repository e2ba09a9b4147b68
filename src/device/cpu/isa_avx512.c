/* The table for x86-64-v4; this file alone is compiled with -march=x86-64-v4. */
#include "device/cpu/isa.h"

#if defined(__x86_64__)

#include "device/cpu/isa_aggregate.h"
#include "device/cpu/isa_attention.h"
#include "device/cpu/isa_dense.h"
#include "device/cpu/isa_dropout.h"
#include "device/cpu/isa_edges.h"
#include "device/cpu/isa_propagate.h"
#include "device/cpu/isa_score.h"
#include "device/cpu/isa_softmax.h"
#include "device/cpu/isa_solve.h"
#include "device/cpu/isa_table.h"

const rk_isa rk__isa_avx512 = {
    ISA_COMMON_FUNCTIONS,       .name = "AVX-512",      .panel_width = PANEL_WIDTH,
    .block_users = BLOCK_USERS, .scores = scores,       .above = above,
    .logits = logits,           .exponents = exponents, .few_scores = few_scores,
};

#endif
