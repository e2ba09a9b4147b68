/*
 * Products of dense matrices, by the loop that scores are made with: op(w) in panels of columns,
 * op(x) in blocks of rows.
 *
 * A few rows and columns of a long sum, such as the gradient of a layer's weights, are cut into
 * pieces of the sum, which are added in their order; else every element is one chain of
 * multiply-adds. Where the cuts are depends on the shapes only.
 */
#include <string.h>

#include "device/cpu/cpu.h"

enum {
    DEPTH = 512,            /* of a piece of a sum */
    MOST_PIECES = 64,       /* of a sum */
    MOST_PARTIAL = 1 << 22, /* elements of all pieces */
    GROUP_BLOCKS = 8,       /* blocks of rows that a thread takes together */
    ROWS_PER_SUM = 256,
};

/* The sizes of a product: y [n, m] = sum over k. */
typedef struct product {
    const rk_call *call;
    const float *x, *w;
    bool transposed_x, transposed_w;
    int64_t n, m, k;
    int64_t n_panels, stride; /* panels of op(w), columns with those that fill up the last one */
    int64_t depth, n_pieces;
} product;

static product product_of(const rk_call *call)
{
    const rk_gemm_attr *a = &call->node->attr.gemm;
    const rk_tensor *x = rk__in(call, 0), *y = rk__out(call, 0);
    product p = {.call = call,
                 .x = call->in[0],
                 .w = call->in[1],
                 .transposed_x = a->transposed_x,
                 .transposed_w = a->transposed_w,
                 .n = y->rows,
                 .m = y->cols,
                 .k = a->transposed_x ? x->rows : x->cols};
    p.n_panels = rk__blocks(p.m, call->isa->panel_width);
    p.stride = p.n_panels * call->isa->panel_width;
    p.n_pieces = rk__blocks(p.k, DEPTH);
    p.n_pieces = p.n_pieces > MOST_PIECES ? MOST_PIECES : p.n_pieces;
    p.n_pieces = p.n * p.m > MOST_PARTIAL / MOST_PIECES ? 1 : p.n_pieces;
    p.depth = rk__blocks(p.k, p.n_pieces);
    p.n_pieces = rk__blocks(p.k, p.depth);
    return p;
}

/* ---- working memory ---- */

static int64_t floats(int64_t n)
{
    return rk__cache_lines(n * (int64_t)sizeof(float));
}

static int64_t block_bytes(const product *p)
{
    return floats(p->call->isa->block_users * p->depth);
}

static int64_t tile_bytes(const product *p)
{
    return floats(p->call->isa->block_users * p->stride);
}

static int64_t panel_bytes(const product *p)
{
    return floats(p->depth * p->stride);
}

/* Of a whole sum the threads share the panels; of a piece each has its own. */
int64_t rk__cpu_scratch_gemm(const rk_call *call)
{
    const product p = product_of(call);
    int64_t own = block_bytes(&p) + tile_bytes(&p);
    return p.n_pieces == 1
               ? panel_bytes(&p) + call->threads * own
               : floats(p.n_pieces * p.n * p.m) + call->threads * (own + panel_bytes(&p));
}

/* ---- packing ---- */

/* Entries [first, first + depth) of the sum of rows [row, row + n) of op(a) as out [depth][width],
 * zeros behind column n; `stride` is the length of a row of a. */
static void pack(const float *a, int64_t stride, bool transposed, int64_t first, int64_t depth,
                 int64_t row, int64_t n, int64_t width, float *out)
{
    for (int64_t j = 0; j < depth; j++) {
        float *to = out + j * width;
        if (transposed) {
            memcpy(to, a + (first + j) * stride + row, (size_t)n * sizeof *to);
        } else {
            for (int64_t i = 0; i < n; i++) {
                to[i] = a[(row + i) * stride + first + j];
            }
        }
        memset(to + n, 0, (size_t)(width - n) * sizeof *to);
    }
}

/* A panel of op(w): its columns are the rows of op(w)^T. */
static void pack_panel(const product *p, int64_t panel, int64_t first, int64_t depth, float *panels)
{
    const int64_t width = p->call->isa->panel_width;
    const int64_t column = panel * width, rest = p->m - column;
    pack(p->w, p->transposed_w ? p->k : p->m, !p->transposed_w, first, depth, column,
         rest < width ? rest : width, width, panels + panel * width * depth);
}

/* ---- products ---- */

/* What a thread works in. */
typedef struct room {
    float *block, *tile;
} room;

/* Rows of a block of op(x) times the panels, of entries [first, first + depth) of the sum, into
 * room.tile [rows, stride]; how many rows. */
static int64_t multiply_block(const product *p, int64_t block, int64_t first, int64_t depth,
                              const float *panels, room r)
{
    const int64_t width = p->call->isa->block_users, row = block * width;
    const int64_t n = p->n - row < width ? p->n - row : width;
    pack(p->x, p->transposed_x ? p->n : p->k, p->transposed_x, first, depth, row, n, width,
         r.block);
    p->call->isa->scores(r.block, panels, depth, p->n_panels, r.tile);
    return n;
}

/* y = alpha * sum + bias, rows from `count` on zeros. */
static void write_row(const product *p, int64_t row, const float *sum)
{
    const rk_call *call = p->call;
    const float *bias = call->in[2], alpha = call->node->attr.gemm.alpha;
    const int64_t count = call->in[3] ? *(const int32_t *)call->in[3] : p->n;
    float *y = (float *)call->out[0] + row * p->m;
    if (row >= count) {
        rk__zero_row(y, p->m);
    } else if (bias) {
        for (int64_t c = 0; c < p->m; c++) {
            y[c] = alpha * sum[c] + bias[c];
        }
    } else {
        for (int64_t c = 0; c < p->m; c++) {
            y[c] = alpha * sum[c];
        }
    }
}

static room take_room(const product *p, char **scratch)
{
    float *block = rk__cpu_take(scratch, block_bytes(p));
    return (room){block, rk__cpu_take(scratch, tile_bytes(p))};
}

static void multiply_whole(const product *p)
{
    const rk_call *call = p->call;
    char *scratch = call->scratch;
    float *panels = rk__cpu_take(&scratch, panel_bytes(p));
    const int64_t own = block_bytes(p) + tile_bytes(p);
    const int64_t n_blocks = rk__blocks(p->n, call->isa->block_users);
    RK_CPU_FOR(call, panel, p->n_panels)
    {
        pack_panel(p, panel, 0, p->k, panels);
    }
    RK_CPU_FOR(call, group, rk__blocks(n_blocks, GROUP_BLOCKS))
    {
        char *mine = scratch + rk__cpu_thread() * own;
        const room r = take_room(p, &mine);
        const int64_t end = rk__block_end(group, GROUP_BLOCKS, n_blocks);
        for (int64_t block = group * GROUP_BLOCKS; block < end; block++) {
            const int64_t n = multiply_block(p, block, 0, p->k, panels, r);
            for (int64_t i = 0; i < n; i++) {
                write_row(p, block * call->isa->block_users + i, r.tile + i * p->stride);
            }
        }
    }
}

/* partial [n, m]: a piece of the sums. */
static void multiply_piece(const product *p, int64_t piece, char *scratch, float *partial)
{
    const int64_t first = piece * p->depth;
    const int64_t depth = rk__block_end(piece, p->depth, p->k) - first;
    const room r = take_room(p, &scratch);
    float *panels = rk__cpu_take(&scratch, panel_bytes(p));
    for (int64_t panel = 0; panel < p->n_panels; panel++) {
        pack_panel(p, panel, first, depth, panels);
    }
    for (int64_t block = 0; block < rk__blocks(p->n, p->call->isa->block_users); block++) {
        const int64_t n = multiply_block(p, block, first, depth, panels, r);
        for (int64_t i = 0; i < n; i++) {
            memcpy(partial + (block * p->call->isa->block_users + i) * p->m, r.tile + i * p->stride,
                   (size_t)p->m * sizeof *partial);
        }
    }
}

static void multiply_in_pieces(const product *p)
{
    const rk_call *call = p->call;
    char *scratch = call->scratch;
    const int64_t size = p->n * p->m;
    float *partial = rk__cpu_take(&scratch, floats(p->n_pieces * size));
    const int64_t own = block_bytes(p) + tile_bytes(p) + panel_bytes(p);
    RK_CPU_FOR(call, piece, p->n_pieces)
    {
        multiply_piece(p, piece, scratch + rk__cpu_thread() * own, partial + piece * size);
    }
    RK_CPU_FOR_ROWS(call, row, p->n)
    {
        float *sum = partial + row * p->m;
        for (int64_t piece = 1; piece < p->n_pieces; piece++) {
            call->isa->axpy(1, partial + piece * size + row * p->m, p->m, sum);
        }
        write_row(p, row, sum);
    }
}

void rk__cpu_gemm(const rk_call *call)
{
    const product p = product_of(call);
    int32_t saved = call->isa->begin_scores ? call->isa->begin_scores() : 0;
    if (p.n_pieces == 1) {
        multiply_whole(&p);
    } else {
        multiply_in_pieces(&p);
    }
    if (call->isa->end_scores) {
        call->isa->end_scores(saved);
    }
}

/* ---- sums ---- */

int64_t rk__cpu_scratch_column_sums(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk__blocks(x->rows, ROWS_PER_SUM) * x->cols * (int64_t)sizeof(double);
}

void rk__cpu_column_sums(const rk_call *call)
{
    const float *x = call->in[0];
    const int64_t n = rk__in(call, 0)->rows, m = rk__in(call, 0)->cols;
    const int64_t n_blocks = rk__blocks(n, ROWS_PER_SUM);
    double *partial = call->scratch;
    float *y = call->out[0];
    RK_CPU_FOR(call, block, n_blocks)
    {
        double *sum = partial + block * m;
        memset(sum, 0, (size_t)m * sizeof *sum);
        for (int64_t r = block * ROWS_PER_SUM; r < rk__block_end(block, ROWS_PER_SUM, n); r++) {
            for (int64_t c = 0; c < m; c++) {
                sum[c] += (double)x[r * m + c];
            }
        }
    }
    for (int64_t c = 0; c < m; c++) {
        double sum = 0;
        for (int64_t block = 0; block < n_blocks; block++) {
            sum += partial[block * m + c];
        }
        y[c] = (float)sum;
    }
}
