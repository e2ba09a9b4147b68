/* Drawing a batch: the draws themselves are in ops/sample_draw.h. */
#include "ops/sample_draw.h"

#include "device/cpu/cpu.h"

enum { TRIPLETS_PER_BLOCK = 128 };

static rk_sampler sampler_of(const rk_call *call)
{
    const rk_sample_attr *a = &call->node->attr.sample;
    const rk_step_state *state = call->in[2];
    return (rk_sampler){.offsets = call->in[0],
                        .columns = call->in[1],
                        .users = call->in[3],
                        .edge_offsets = call->in[4],
                        .pool = call->in[5],
                        .alias_share = call->in[6],
                        .alias_item = call->in[7],
                        .cumulative = call->in[8],
                        .positives = a->positives,
                        .negatives = a->negatives,
                        .pool_size = a->pool_size,
                        .pool_probability = a->pool_probability,
                        .n_users = a->n_users,
                        .n_items = a->n_items,
                        .n_eligible_users = a->n_eligible_users,
                        .n_eligible_edges = a->n_eligible_edges,
                        .seed = state->seed,
                        .step = state->step,
                        .epoch = state->epoch,
                        .first_draw = state->step_in_epoch * state->batch};
}

/* Triplets [first, end), at most TRIPLETS_PER_BLOCK: first where the positives are and which rows
 * the negatives are held against, then both, when the memory asked for has come. */
static void draw_block(const rk_sampler *s, int64_t first, int64_t end, int64_t batch, int64_t m,
                       int32_t *nodes)
{
    int32_t *user = nodes, *positive = user + batch, *negative = user + 2 * batch;
    int64_t place[TRIPLETS_PER_BLOCK];
    for (int64_t b = first; b < end; b++) {
        place[b - first] = rk__draw_edge(s, b, &user[b]);
        const int32_t *row = s->columns + s->offsets[user[b]];
        __builtin_prefetch(s->columns + place[b - first]);
        __builtin_prefetch(row + (s->offsets[user[b] + 1] - s->offsets[user[b]]) / 2);
    }
    for (int64_t b = first; b < end; b++) {
        positive[b] = s->columns[place[b - first]];
        for (int64_t k = 0; k < m; k++) {
            negative[b * m + k] = rk__draw_negative(s, user[b], b * m + k);
        }
    }
}

void rk__cpu_sample_triplets(const rk_call *call)
{
    const rk_sampler sampler = sampler_of(call);
    int64_t batch = call->node->attr.sample.batch, m = call->node->attr.sample.n_candidates;
    int64_t count = rk__step_count(call->in[2]);
    int32_t *nodes = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(count, TRIPLETS_PER_BLOCK))
    {
        draw_block(&sampler, block * TRIPLETS_PER_BLOCK,
                   rk__block_end(block, TRIPLETS_PER_BLOCK, count), batch, m, nodes);
    }
    for (int64_t b = count; b < batch; b++) { /* unused slots of a short batch */
        nodes[b] = nodes[batch + b] = -1;
        for (int64_t k = 0; k < m; k++) {
            nodes[2 * batch + b * m + k] = -1;
        }
    }
}

void rk__cpu_triplet_values(const rk_call *call)
{
    const int64_t *offsets = call->in[0];
    const int32_t *columns = call->in[1], *nodes = call->in[3];
    const float *values = call->in[2];
    int64_t batch = call->node->attr.batch, count = rk__step_count(call->in[4]);
    float *out = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(batch, TRIPLETS_PER_BLOCK))
    {
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            out[b] =
                b < count ? values[rk__find_edge(offsets, columns, nodes[b], nodes[batch + b])] : 0;
        }
    }
}

void rk__cpu_triplet_fields(const rk_call *call)
{
    const int64_t *offsets = call->in[0], *rows = call->in[2];
    const int32_t *columns = call->in[1], *fields = call->in[3], *nodes = call->in[4];
    const rk_step_state *state = call->in[5];
    int64_t batch = call->node->attr.batch, count = rk__step_count(state);
    int64_t n = rk__in(call, 3)->cols;
    int32_t *out = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(batch, TRIPLETS_PER_BLOCK))
    {
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            int64_t row = 0;
            if (b < count) {
                int64_t edge = rk__find_edge(offsets, columns, nodes[b], nodes[batch + b]);
                row = rk__draw_row(rows, edge, state->seed, state->step, b);
            }
            for (int64_t f = 0; f < n; f++) {
                out[b * n + f] = b < count ? fields[row * n + f] : -1;
            }
        }
    }
}
