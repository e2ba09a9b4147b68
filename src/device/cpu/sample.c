/* Drawing a batch: the draws themselves are in ops/sample_draw.h. */
#include "ops/sample_draw.h"

#include "device/cpu/cpu.h"

enum { TRIPLETS_PER_BLOCK = 128 };

static rk_sampler sampler_of(const rk_cpu_call *call)
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

void rk__cpu_sample_triplets(const rk_cpu_call *call)
{
    const rk_sampler sampler = sampler_of(call);
    int64_t batch = call->node->attr.sample.batch, m = call->node->attr.sample.n_candidates;
    int64_t count = rk__step_count(call->in[2]);
    int32_t *user = call->out[0], *positive = user + batch, *negative = user + 2 * batch;
    RK_CPU_FOR(call, block, rk__blocks(batch, TRIPLETS_PER_BLOCK))
    {
        int64_t end = (block + 1) * TRIPLETS_PER_BLOCK;
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < (end < batch ? end : batch); b++) {
            user[b] = positive[b] = -1;
            if (b < count) {
                rk__draw_positive(&sampler, b, &user[b], &positive[b]);
            }
            for (int64_t k = 0; k < m; k++) {
                negative[b * m + k] =
                    b < count ? rk__draw_negative(&sampler, user[b], b * m + k) : -1;
            }
        }
    }
}
