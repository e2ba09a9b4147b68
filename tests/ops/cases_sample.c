/* Sampling: every device draws what ops/sample_draw.h says. What that is worth as a distribution
 * is the business of test_sample.c. */
#include "ops/harness.h"
#include "ops/sample_draw.h"

static void sample(int positives, int negatives, int64_t triplets, int32_t candidates)
{
    enum { USERS = 60, ITEMS = 45, BATCH = 300, POOL = 9 };
    ops_random r = {77};
    ops_case *c = ops_begin("sample_triplets, positives %d, negatives %d, %d triplets", positives,
                            negatives, (int)triplets);
    ops_graph g = ops_make_graph(c, USERS, ITEMS, 0.3, &r);
    ops_batch b = {.batch = BATCH, .candidates = candidates, .triplets = triplets};
    rk_step_state state = ops_state(&b);
    int32_t users[USERS], pool[POOL], alias_item[ITEMS];
    int64_t edges[USERS + 1] = {0}, n = 0;
    float share[ITEMS];
    for (int32_t u = 0; u < USERS; u++) {
        int64_t degree = g.offsets[u + 1] - g.offsets[u];
        if (degree > 0 && degree < ITEMS) {
            users[n++] = u;
            edges[n] = edges[n - 1] + degree;
        }
    }
    for (int32_t i = 0; i < ITEMS; i++) {
        share[i] = (float)(i % 8) / 8;
        alias_item[i] = (i * 7 + 3) % ITEMS;
        pool[i % POOL] = i;
    }
    rk_sampler s = {.offsets = g.offsets,
                    .columns = g.columns,
                    .users = users,
                    .edge_offsets = edges,
                    .pool = pool,
                    .alias_share = share,
                    .alias_item = alias_item,
                    .positives = positives,
                    .negatives = negatives,
                    .pool_size = POOL,
                    .pool_probability = 0.5f,
                    .n_users = USERS,
                    .n_items = ITEMS,
                    .n_eligible_users = n,
                    .n_eligible_edges = edges[n],
                    .seed = state.seed,
                    .step = state.step,
                    .epoch = state.epoch,
                    .first_draw = state.step_in_epoch * BATCH};
    int64_t slots = (2 + candidates) * BATCH;
    int32_t *expected = ops_memory(c, slots, sizeof *expected);
    memset(expected, 0xff, (size_t)slots * sizeof *expected);
    for (int64_t t = 0; t < triplets; t++) {
        rk__draw_positive(&s, t, &expected[t], &expected[BATCH + t]);
        for (int64_t k = 0; k < candidates; k++) {
            int64_t at = t * candidates + k;
            expected[2 * BATCH + at] = rk__draw_negative(&s, expected[t], at);
        }
    }
    rk_graph_values graph = ops_graph_inputs(c, &g);
    rk_sample_values values = {.state = ops_variable(c, RK_STATE, 1, 1, &state),
                               .users = ops_input(c, RK_I32, n, 1, users),
                               .edge_offsets = ops_input(c, RK_I64, n + 1, 1, edges),
                               .pool = RK_NONE,
                               .alias_share = RK_NONE,
                               .alias_item = RK_NONE};
    if (negatives == RK_NEGATIVES_POPULAR_POOL) {
        values.pool = ops_input(c, RK_I32, POOL, 1, pool);
    } else if (negatives == RK_NEGATIVES_POPULARITY) {
        values.alias_share = ops_input(c, RK_F32, ITEMS, 1, share);
        values.alias_item = ops_input(c, RK_I32, ITEMS, 1, alias_item);
    }
    rk_sample_attr attr = {.batch = BATCH,
                           .positives = positives,
                           .negatives = negatives,
                           .n_candidates = candidates,
                           .pool_size = values.pool == RK_NONE ? 0 : POOL,
                           .pool_probability = 0.5f,
                           .n_users = USERS,
                           .n_items = ITEMS,
                           .n_eligible_users = n,
                           .n_eligible_edges = edges[n]};
    ops_expect_exactly(c, rk__sample_triplets(ops_program(c), graph, values, attr), expected);
    ops_run(c, 1);
}

static void sample_triplets(void)
{
    for (int positives = RK_POSITIVES_USER; positives <= RK_POSITIVES_SHUFFLE; positives++) {
        for (int negatives = 0; negatives <= RK_NEGATIVES_DYNAMIC; negatives++) {
            int32_t candidates = negatives == RK_NEGATIVES_DYNAMIC ? 5 : 1;
            sample(positives, negatives, 300, candidates);
            sample(positives, negatives, 117, candidates);
        }
    }
    sample(RK_POSITIVES_USER, RK_NEGATIVES_UNIFORM, 0, 1);
}

const ops_entry ops_cases_sample[] = {
    {RK_OP_SAMPLE_TRIPLETS, sample_triplets},
    {RK_OP_COUNT, NULL},
};
