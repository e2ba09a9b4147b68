/*
 * A LightGCN through the Gram matrix of the graph's small side (models/lightgcn_gram.c has the
 * mathematics). Fold and unfold are half a propagation each, between that side and the other, and a
 * copy of the small side's rows; products with the Gram matrix; sums of pair tables.
 */
#include <string.h>

#include "device/cpu/csr.h"

enum {
    ROWS_PER_COPY = 256,
    ELEMENTS_PER_BLOCK = 16384,
    DEPTH = 512, /* of a product, see there */
    GROUP_WIDTH = 128,
};

/* ---- fold and unfold ---- */

/* The rows are summed by the loops of the propagations, which count rows of x as nodes. */

/* The nodes of the call's small side, and of the other. */
static rk_row_range small_side(const rk_call *call)
{
    const rk_fold_attr *a = &call->node->attr.fold;
    return (rk_row_range){a->first, a->first + a->n};
}

static rk_row_range large_side(const rk_call *call)
{
    const rk_fold_attr *a = &call->node->attr.fold;
    int64_t n_nodes = rk__in(call, 2)->rows;
    return a->first > 0 ? (rk_row_range){0, a->first} : (rk_row_range){a->n, n_nodes};
}

static void copy_rows(const rk_call *call, const float *x, int64_t n, int64_t d, float *y)
{
    RK_CPU_FOR(call, block, rk__blocks(n, ROWS_PER_COPY))
    {
        int64_t first = block * ROWS_PER_COPY;
        int64_t rows = rk__block_end(block, ROWS_PER_COPY, n) - first;
        memcpy(y + first * d, x + first * d, (size_t)(rows * d) * sizeof *y);
    }
}

/* Rows [range.first, range.end) into y; x counts nodes. */
static void propagate_range(const rk_call *call, rk_row_range range, const float *x, int64_t d,
                            float *y)
{
    const rk_csr a = rk__csr_of(call);
    const rk_source source = rk__float_source(&a, x);
    int64_t n_chunks = rk__chunk_count(&a, range);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        int64_t first = rk__chunk_start(&a, range, chunk, n_chunks);
        call->isa->propagate(&a, &source, d, 1, first,
                             rk__chunk_start(&a, range, chunk + 1, n_chunks),
                             y + (first - range.first) * d);
    }
}

void rk__cpu_fold(const rk_call *call)
{
    const rk_row_range side = small_side(call);
    const float *x = call->in[3];
    int64_t d = rk__in(call, 3)->cols, n = side.end - side.first;
    float *t = call->out[0], *q = t + n * d;
    copy_rows(call, x + side.first * d, n, d, t);
    propagate_range(call, side, x, d, q);
}

void rk__cpu_unfold(const rk_call *call)
{
    const rk_row_range side = small_side(call), large = large_side(call);
    int64_t d = rk__in(call, 3)->cols, n = side.end - side.first;
    const float *t = call->in[3], *q = t + n * d;
    float *y = call->out[0];
    copy_rows(call, t, n, d, y + side.first * d);
    propagate_range(call, large, rk__origin(q, side.first, d), d, y + large.first * d);
}

int64_t rk__cpu_scratch_fold_from_rows(const rk_call *call)
{
    return rk__cache_lines(4 * rk__bitmap_words(rk__in(call, 4)->rows)) +
           call->threads * rk__edge_bytes(rk__in(call, 3)->rows);
}

/* t[i] = x[map[first + i]], zero where that row is not in the set. */
static void scatter_side(const float *x, const int32_t *map, int64_t n, int64_t d, float *t)
{
#pragma omp for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        size_t bytes = (size_t)d * sizeof *t;
        if (map[i] >= 0) {
            memcpy(t + i * d, x + map[i] * d, bytes);
        } else {
            memset(t + i * d, 0, bytes);
        }
    }
}

void rk__cpu_fold_from_rows(const rk_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const rk_row_range side = small_side(call);
    const float *x = call->in[3];
    const int32_t *map = call->in[4];
    int64_t d = rk__in(call, 3)->cols, capacity = rk__in(call, 3)->rows;
    int64_t n = side.end - side.first, n_chunks = rk__chunk_count(&a, side);
    int64_t n_words = rk__bitmap_words(a.n);
    char *scratch = call->scratch;
    uint32_t *active = rk__cpu_take(&scratch, 4 * n_words);
    float *t = call->out[0], *q = t + n * d;
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(scratch, capacity);
        scatter_side(x, map + side.first, n, d, t);
#pragma omp for schedule(static)
        for (int64_t word = 0; word < n_words; word++) {
            active[word] = rk__bitmap_word(map, a.n, word);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t first = rk__chunk_start(&a, side, chunk, n_chunks);
            call->isa->propagate_from_rows(&a, x, d, 1, map, active, first,
                                           rk__chunk_start(&a, side, chunk + 1, n_chunks), &buffer,
                                           q + (first - side.first) * d);
        }
    }
}

int64_t rk__cpu_scratch_unfold_rows(const rk_call *call)
{
    return call->threads * rk__edge_bytes(0);
}

/* The first of `count` ascending rows that is not below `node`. */
static int64_t lower_bound(const int32_t *rows, int64_t count, int64_t node)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (rows[middle] < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The rows of a set ascend, so those of a side lie together: [begin, end) are the small side's. */
void rk__cpu_unfold_rows(const rk_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const rk_row_range side = small_side(call);
    const int32_t *rows = call->in[4];
    int64_t count = *(const int32_t *)call->in[5], capacity = rk__out(call, 0)->rows;
    int64_t d = rk__in(call, 3)->cols, n = side.end - side.first;
    int64_t begin = lower_bound(rows, count, side.first), end = lower_bound(rows, count, side.end);
    int64_t others = begin > 0 ? 0 : end, n_others = begin > 0 ? begin : count - end;
    int64_t n_chunks = rk__blocks(n_others, ROWS_PER_CHUNK);
    const float *t = call->in[3];
    const rk_source q = rk__float_source(&a, rk__origin(t + n * d, side.first, d));
    float *y = call->out[0];
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(call->scratch, 0);
#pragma omp for schedule(static)
        for (int64_t r = begin; r < end; r++) {
            memcpy(y + r * d, t + (rows[r] - side.first) * d, (size_t)d * sizeof *y);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t first = chunk * ROWS_PER_CHUNK, last = first + ROWS_PER_CHUNK;
            call->isa->propagate_rows(&a, &q, d, 1, rows, others + first,
                                      others + (last < n_others ? last : n_others), &buffer, y,
                                      false);
        }
    }
    memset(y + count * d, 0, (size_t)((capacity - count) * d) * sizeof *y);
}

/* ---- sums of pair tables ---- */

/* One half: sum over the tables of w[2j] * t_j + w[2j + 1] * q_j, zero weights left out. */
static int32_t half_terms(const rk_call *call, int half, const float **tables, float *weights)
{
    const float *w = call->node->attr.weight;
    int64_t elements = rk__out(call, 0)->rows / 2 * rk__out(call, 0)->cols;
    int32_t n = 0;
    for (int j = 0; j < call->node->n_inputs; j++) {
        for (int k = 0; k < 2; k++) {
            int at = 2 * j + half + k;
            if (at < RK_MAX_LAYERS && w[at] != 0) {
                tables[n] = (const float *)call->in[j] + k * elements;
                weights[n++] = w[at];
            }
        }
    }
    return n;
}

void rk__cpu_mix_pairs(const rk_call *call)
{
    int64_t elements = rk__out(call, 0)->rows / 2 * rk__out(call, 0)->cols;
    for (int half = 0; half < 2; half++) {
        const float *tables[2 * RK_MAX_LAYERS];
        float weights[2 * RK_MAX_LAYERS];
        int32_t n = half_terms(call, half, tables, weights);
        float *y = (float *)call->out[0] + half * elements;
        RK_CPU_FOR(call, block, rk__blocks(elements, ELEMENTS_PER_BLOCK))
        {
            const float *at[2 * RK_MAX_LAYERS];
            int64_t first = block * ELEMENTS_PER_BLOCK;
            int64_t size = rk__block_end(block, ELEMENTS_PER_BLOCK, elements) - first;
            for (int32_t i = 0; i < n; i++) {
                at[i] = tables[i] + first;
            }
            if (n > 0) {
                call->isa->combine(at, weights, n, size, y + first);
            } else {
                memset(y + first, 0, (size_t)size * sizeof *y);
            }
        }
    }
}

/* ---- products with the Gram matrix ---- */

/*
 * C t and C q for a pair table [t; q]: the product of the small side's Gram matrix C [n,n] with the
 * 2d columns of t and q, by the micro-kernel that scores rankings (isa->scores).
 *
 * C is symmetric, so a slice of its rows is at once the panel of columns that the kernel wants. The
 * sum over n is cut into depths; a depth of the pair table is packed once for all threads, a depth
 * of a panel once by the thread that owns the panel, whose sums stay in its cache until the last
 * depth. Every cut depends on the shapes alone and every number is summed in one order.
 */

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
    int64_t rows = rk__block_end(group, t->group_width, t->n) - first;
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
        int64_t first = depth * DEPTH, rows = rk__block_end(depth, DEPTH, t->n) - first;
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
