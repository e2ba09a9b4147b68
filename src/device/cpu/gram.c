/*
 * C t and C q for a pair table [t; q]: the product of the small side's Gram matrix C [n,n] with the
 * 2d columns of t and q, by the micro-kernel that scores rankings (isa->scores).
 *
 * C is symmetric, so a slice of its rows is at once the panel of columns that the kernel wants. The
 * sum over n is cut into depths; a depth of the pair table is packed once for all threads, a depth
 * of a panel once by the thread that owns the panel, whose sums stay in its cache until the last
 * depth. Every cut depends on the shapes alone and every number is summed in one order.
 */
#include <string.h>

#include "device/cpu/cpu.h"

enum { DEPTH = 512, GROUP_WIDTH = 128 };

/* Sizes of one call, all fixed by the shapes and the instruction set. */
typedef struct tiling {
    int64_t n, d, columns;           /* columns: d or 2d */
    int64_t n_blocks, n_depths;      /* of isa->block_users columns; of DEPTH rows */
    int64_t group_panels, n_groups;  /* a thread works on a group of panels at a time */
    int64_t group_width, out_floats; /* columns of C in a group; one block's sums with them */
} tiling;

static tiling tiling_of(const rk_call *call)
{
    tiling t = {.n = rk__in(call, 0)->rows, .d = rk__in(call, 1)->cols};
    int64_t panel = call->isa->panel_width;
    t.columns = call->node->attr.halves * t.d;
    t.n_blocks = rk__blocks(t.columns, call->isa->block_users);
    t.n_depths = rk__blocks(t.n, DEPTH);
    t.group_panels = panel < GROUP_WIDTH ? GROUP_WIDTH / panel : 1;
    t.group_width = t.group_panels * panel;
    t.n_groups = rk__blocks(t.n, t.group_width);
    t.out_floats = call->isa->block_users * t.group_width;
    return t;
}

static int64_t packed_bytes(const rk_call *call, const tiling *t)
{
    return rk__cache_lines(t->n_depths * t->n_blocks * DEPTH * call->isa->block_users * 4);
}

/* A thread's panels, a block's fresh sums, all blocks' sums. */
static int64_t thread_bytes(const tiling *t)
{
    return rk__cache_lines(DEPTH * t->group_width * 4) + rk__cache_lines(t->out_floats * 4) +
           rk__cache_lines(t->n_blocks * t->out_floats * 4);
}

int64_t rk__cpu_scratch_gram_product(const rk_call *call)
{
    const tiling t = tiling_of(call);
    return packed_bytes(call, &t) + call->threads * thread_bytes(&t);
}

/* Rows [first, first + rows) of the columns of a block, [DEPTH][block_users]; zeros where the last
 * block has no column left. */
static void pack_block(const rk_call *call, const tiling *t, int64_t block, int64_t first,
                       int64_t rows, float *out)
{
    const float *x = call->in[1];
    int64_t width = call->isa->block_users;
    for (int64_t i = 0; i < width; i++) {
        int64_t column = block * width + i;
        bool is_used = column < t->columns;
        const float *from = x + (column < t->d ? 0 : t->n * t->d) + (is_used ? column % t->d : 0);
        for (int64_t k = 0; k < rows; k++) {
            out[k * width + i] = is_used ? from[(first + k) * t->d] : 0;
        }
    }
}

/* Rows [first, first + rows) of the columns of a group, panel by panel [rows][panel_width]. */
static void pack_panels(const rk_call *call, const tiling *t, int64_t group, int64_t first,
                        int64_t rows, float *out)
{
    const float *gram = call->in[0];
    int64_t width = call->isa->panel_width;
    for (int64_t p = 0; p < t->group_panels; p++) {
        int64_t column = group * t->group_width + p * width;
        int64_t used = t->n - column < width ? t->n - column : width;
        used = used < 0 ? 0 : used;
        const float *from = gram + first * t->n + (used > 0 ? column : 0);
        float *to = out + p * rows * width;
        for (int64_t k = 0; k < rows; k++, from += t->n, to += width) {
            if (used == 32) { /* the width of AVX-512: copied without a call */
                memcpy(to, from, 32 * sizeof *to);
                continue;
            }
            memcpy(to, from, (size_t)used * sizeof *to);
            memset(to + used, 0, (size_t)(width - used) * sizeof *to);
        }
    }
}

/* sums [n_blocks * block_users][group_width] holds columns of y: y's rows of the group from it. */
static void store_group(const rk_call *call, const tiling *t, int64_t group, const float *sums)
{
    int64_t first = group * t->group_width;
    int64_t rows = t->n - first < t->group_width ? t->n - first : t->group_width;
    for (int64_t half = 0; half < call->node->attr.halves; half++) {
        float *y = (float *)call->out[0] + (half * t->n + first) * t->d;
        const float *from = sums + half * t->d * t->group_width;
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < t->d; j++) {
                y[i * t->d + j] = from[j * t->group_width + i];
            }
        }
    }
}

static void multiply_group(const rk_call *call, const tiling *t, int64_t group, const float *packed,
                           char *scratch)
{
    float *panels = rk__cpu_take(&scratch, DEPTH * t->group_width * 4);
    float *fresh = rk__cpu_take(&scratch, t->out_floats * 4);
    float *sums = rk__cpu_take(&scratch, t->n_blocks * t->out_floats * 4);
    int64_t block_floats = DEPTH * call->isa->block_users;
    for (int64_t depth = 0; depth < t->n_depths; depth++) {
        int64_t first = depth * DEPTH, rows = t->n - first < DEPTH ? t->n - first : DEPTH;
        pack_panels(call, t, group, first, rows, panels);
        for (int64_t block = 0; block < t->n_blocks; block++) {
            float *sum = sums + block * t->out_floats;
            const float *x = packed + (depth * t->n_blocks + block) * block_floats;
            call->isa->scores(x, panels, rows, t->group_panels, depth == 0 ? sum : fresh);
            if (depth > 0) {
                call->isa->axpy(1, fresh, t->out_floats, sum);
            }
        }
    }
    store_group(call, t, group, sums);
}

void rk__cpu_gram_product(const rk_call *call)
{
    const tiling t = tiling_of(call);
    char *scratch = call->scratch;
    float *packed = rk__cpu_take(&scratch, packed_bytes(call, &t));
    int64_t block_floats = DEPTH * call->isa->block_users;
    int32_t saved = call->isa->begin_scores ? call->isa->begin_scores() : 0;
#pragma omp parallel num_threads(call->threads)
    {
        char *mine = scratch + rk__cpu_thread() * thread_bytes(&t);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < t.n_depths * t.n_blocks; i++) {
            int64_t first = i / t.n_blocks * DEPTH;
            pack_block(call, &t, i % t.n_blocks, first, t.n - first < DEPTH ? t.n - first : DEPTH,
                       packed + i * block_floats);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t group = 0; group < t.n_groups; group++) {
            multiply_group(call, &t, group, packed, mine);
        }
    }
    if (call->isa->end_scores) {
        call->isa->end_scores(saved);
    }
    if (call->node->attr.halves == 1) {
        memset((float *)call->out[0] + t.n * t.d, 0, (size_t)(t.n * t.d) * sizeof(float));
    }
}
