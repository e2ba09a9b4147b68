/*
 * Attention over the edges of a block (Velickovic et al., "Graph attention networks", ICLR 2018).
 * Its gradient is pulled twice, by rows for a and by columns for b and x, so that no two threads
 * write to one place; the weights of edges are computed again rather than kept.
 */
#include "device/cpu/csr.h"
#include "ops/edge_attend_inputs.h"

/* An attention, and its draw where it has one. */
typedef struct attention {
    rk_edge_attention of;
    rk_dropout_draw draw;
} attention;

static void open_attention(attention *t, const rk_call *call)
{
    const rk_edge_attend_attr *a = &call->node->attr.edge_attend;
    const rk_step_state *state = call->in[STATE];
    t->of = (rk_edge_attention){.a = call->in[OF_ROWS],
                                .b = call->in[OF_COLUMNS],
                                .x = call->in[X],
                                .counts = call->in[WEIGHTS],
                                .heads = a->heads,
                                .d = rk__in(call, X)->cols / a->heads,
                                .slope = a->slope};
    if (state) {
        t->draw = rk__dropout_at(state->seed, state->step, a->layer, a->dropout);
        t->of.draw = &t->draw;
    }
}

static int64_t thread_bytes(const rk_call *call)
{
    return rk__cache_lines(rk__attention_floats(call->node->attr.edge_attend.heads) *
                           (int64_t)sizeof(float));
}

/* ---- rows of the result, all or those of a row set, in pieces of about equal cost ---- */

typedef struct pieces {
    rk_csr rows; /* without a scale */
    int64_t n;   /* rows of the result */
    int64_t used;
    const int32_t *at; /* the row of the block that each is; NULL = itself */
    int64_t count;     /* of pieces */
} pieces;

static pieces pieces_of(const rk_call *call)
{
    pieces p = {.rows = {.offsets = call->in[OFFSETS], .n = rk__in(call, OFFSETS)->rows - 1},
                .at = call->in[ROWS]};
    if (p.at) {
        p.n = rk__in(call, ROWS)->rows;
        p.used = *(const int32_t *)call->in[COUNT];
        p.count = rk__blocks(p.n, ROWS_PER_CHUNK);
    } else {
        p.n = p.used = p.rows.n;
        p.count = rk__chunk_count(&p.rows, (rk_row_range){0, p.n});
    }
    return p;
}

static rk_row_range rows_of_piece(const pieces *p, int64_t piece)
{
    const rk_row_range all = {0, p->n};
    if (p->at) {
        return (rk_row_range){piece * ROWS_PER_CHUNK, rk__block_end(piece, ROWS_PER_CHUNK, p->n)};
    }
    return (rk_row_range){rk__chunk_start(&p->rows, all, piece, p->count),
                          rk__chunk_start(&p->rows, all, piece + 1, p->count)};
}

static float *own_scratch(const rk_call *call, char *scratch)
{
    return (float *)(void *)(scratch + rk__cpu_thread() * thread_bytes(call));
}

/* ---- the result ---- */

int64_t rk__cpu_scratch_edge_attend(const rk_call *call)
{
    return call->threads * thread_bytes(call);
}

void rk__cpu_edge_attend(const rk_call *call)
{
    attention t;
    const pieces p = pieces_of(call);
    const int32_t *columns = call->in[COLUMNS];
    const int64_t width = rk__out(call, 0)->cols, heads = rk__out(call, 1)->cols;
    float *y = call->out[0], *lse = call->out[1];
    open_attention(&t, call);
    RK_CPU_FOR(call, piece, p.count)
    {
        const rk_row_range range = rows_of_piece(&p, piece);
        float *scratch = own_scratch(call, call->scratch);
        for (int64_t r = range.first; r < range.end; r++) {
            if (r >= p.used) {
                rk__zero_row(y + r * width, width);
                rk__zero_row(lse + r * heads, heads);
                continue;
            }
            const int64_t v = p.at ? p.at[r] : r, first = p.rows.offsets[v];
            call->isa->attend_row(&t.of, v, columns + first, p.rows.offsets[v + 1] - first, first,
                                  scratch, y + r * width, lse + r * heads);
        }
    }
}

/* ---- its gradient ---- */

static int64_t sum_bytes(const rk_call *call)
{
    return rk__cache_lines(rk__cpu_elements(rk__in(call, LSE)) * (int64_t)sizeof(float));
}

int64_t rk__cpu_scratch_edge_attend_grad(const rk_call *call)
{
    return sum_bytes(call) + call->threads * thread_bytes(call);
}

/* sums, by heads: what the weights' gradients have in common, sum_e weight(e) <g, x> = <g, y>. */
static void by_rows(const rk_call *call, const attention *t, const rk_attention_gradient *of,
                    float *sums, char *scratch)
{
    const rk_csr block = {.offsets = call->in[OFFSETS], .n = rk__in(call, OFFSETS)->rows - 1};
    const rk_row_range all = {0, block.n};
    const int64_t n_chunks = rk__chunk_count(&block, all);
    const int32_t *columns = call->in[COLUMNS];
    const int64_t heads = t->of.heads, d = t->of.d;
    const float *y = call->in[Y];
    float *da = call->out[0];
    if (of->map) { /* rows that are not in use have no row of the block */
        rk__zero_row(da, rk__cpu_elements(rk__out(call, 0)));
    }
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        float *own = own_scratch(call, scratch);
        const int64_t end = rk__chunk_start(&block, all, chunk + 1, n_chunks);
        for (int64_t v = rk__chunk_start(&block, all, chunk, n_chunks); v < end; v++) {
            const int64_t r = of->map ? of->map[v] : v, first = block.offsets[v];
            for (int64_t h = r * heads; h < (r + 1) * heads && r >= 0; h++) {
                sums[h] = call->isa->dot(of->g + h * d, y + h * d, d);
            }
            if (r >= 0) {
                call->isa->attend_row_grad(&t->of, of, v, r, columns + first,
                                           block.offsets[v + 1] - first, first, own,
                                           da + r * heads);
            }
        }
    }
}

static void by_columns(const rk_call *call, const attention *t, const rk_attention_gradient *of,
                       char *scratch)
{
    const rk_csr back = {.offsets = call->in[BACK_OFFSETS], .n = rk__in(call, X)->rows};
    const rk_row_range all = {0, back.n};
    const int64_t n_chunks = rk__chunk_count(&back, all);
    const int32_t *rows = call->in[BACK_COLUMNS], *numbers = call->in[BACK_EDGES];
    const int64_t heads = t->of.heads, width = heads * t->of.d;
    float *db = call->out[1], *dx = call->out[2];
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        float *own = own_scratch(call, scratch);
        const int64_t end = rk__chunk_start(&back, all, chunk + 1, n_chunks);
        for (int64_t u = rk__chunk_start(&back, all, chunk, n_chunks); u < end; u++) {
            const int64_t first = back.offsets[u];
            call->isa->attend_column_grad(&t->of, of, u, rows + first, numbers + first,
                                          back.offsets[u + 1] - first, own, db + u * heads,
                                          dx + u * width);
        }
    }
}

void rk__cpu_edge_attend_grad(const rk_call *call)
{
    attention t;
    char *scratch = call->scratch;
    float *sums = rk__cpu_take(&scratch, sum_bytes(call));
    const rk_attention_gradient of = {
        .lse = call->in[LSE], .g = call->in[G], .sums = sums, .map = call->in[MAP]};
    open_attention(&t, call);
    by_rows(call, &t, &of, sums, scratch);
    by_columns(call, &t, &of, scratch);
}
