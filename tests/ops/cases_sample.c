/* Sampling: every device draws what ops/sample_draw.h says. What that is worth as a distribution
 * is the business of test_sample.c. */
#include "ops/harness.h"
#include "ops/sample_draw.h"

/* Of the sampler's draws. */
static rk_sample_attr attr_of(const rk_sampler *s, int64_t batch, int32_t candidates, bool has_pool)
{
    return (rk_sample_attr){.batch = batch,
                            .positives = s->positives,
                            .negatives = s->negatives,
                            .n_candidates = candidates,
                            .pool_size = has_pool ? s->pool_size : 0,
                            .pool_probability = s->pool_probability,
                            .n_users = s->n_users,
                            .n_items = s->n_items,
                            .n_eligible_users = s->n_eligible_users,
                            .n_eligible_edges = s->n_eligible_edges};
}

static void sample(int positives, int negatives, int64_t triplets, int32_t candidates,
                   bool is_weighted)
{
    enum { USERS = 60, ITEMS = 45, BATCH = 300, POOL = 9 };
    ops_random r = {77};
    ops_case *c = ops_begin("sample_triplets, positives %d%s, negatives %d, %d triplets", positives,
                            is_weighted ? " by weights" : "", negatives, (int)triplets);
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
    int64_t *cumulative = ops_memory(c, edges[n] + 1, sizeof *cumulative);
    for (int64_t e = 0; e < edges[n]; e++) {
        cumulative[e + 1] = cumulative[e] + 1 + (e * e) % 1000003 * (e % 3) * 100000;
    }
    rk_sampler s = {.offsets = g.offsets,
                    .columns = g.columns,
                    .users = users,
                    .edge_offsets = edges,
                    .pool = pool,
                    .alias_share = share,
                    .alias_item = alias_item,
                    .cumulative = is_weighted ? cumulative : NULL,
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
                               .alias_item = RK_NONE,
                               .cumulative = RK_NONE};
    if (is_weighted) {
        values.cumulative = ops_input(c, RK_I64, edges[n] + 1, 1, cumulative);
    }
    if (negatives == RK_NEGATIVES_POPULAR_POOL) {
        values.pool = ops_input(c, RK_I32, POOL, 1, pool);
    } else if (negatives == RK_NEGATIVES_POPULARITY) {
        values.alias_share = ops_input(c, RK_F32, ITEMS, 1, share);
        values.alias_item = ops_input(c, RK_I32, ITEMS, 1, alias_item);
    }
    rk_sample_attr attr = attr_of(&s, BATCH, candidates, values.pool != RK_NONE);
    ops_expect_exactly(c, rk__sample_triplets(ops_program(c), graph, values, attr), expected);
    ops_run(c, 1);
}

static void sample_triplets(void)
{
    for (int positives = RK_POSITIVES_USER; positives <= RK_POSITIVES_EACH_USER; positives++) {
        for (int negatives = 0; negatives <= RK_NEGATIVES_DYNAMIC; negatives++) {
            int32_t candidates = negatives == RK_NEGATIVES_DYNAMIC ? 5 : 1;
            sample(positives, negatives, 300, candidates, false);
            sample(positives, negatives, 117, candidates, false);
            if (positives <= RK_POSITIVES_INTERACTION) { /* those that go by weights */
                sample(positives, negatives, 300, candidates, true);
            }
        }
    }
    sample(RK_POSITIVES_USER, RK_NEGATIVES_UNIFORM, 0, 1, false);
}

/* Each positive's value by a plain search, also of users with one item and of full batches. */
static void triplet_values_of(int64_t triplets)
{
    enum { USERS = 50, ITEMS = 40, BATCH = 200, SLOTS = 3 * BATCH };
    ops_random r = {78};
    ops_case *c = ops_begin("triplet_values, %d triplets", (int)triplets);
    ops_graph g = ops_make_graph(c, USERS, ITEMS, 0.2, &r);
    ops_batch b = {.batch = BATCH, .candidates = 1, .triplets = triplets};
    rk_step_state state = ops_state(&b);
    float *values = ops_reals(c, g.n_edges, &r), *expected = ops_memory(c, BATCH, sizeof(float));
    int32_t *nodes = ops_memory(c, SLOTS, sizeof *nodes);
    memset(nodes, 0xff, SLOTS * sizeof *nodes);
    for (int64_t t = 0; t < triplets; t++) {
        int64_t edge = ops_below(&r, g.n_edges), user = 0;
        while (g.offsets[user + 1] <= edge) {
            user++;
        }
        nodes[t] = (int32_t)user;
        nodes[BATCH + t] = g.columns[edge];
        expected[t] = values[edge];
    }
    rk_value out = rk__triplet_values(
        ops_program(c), ops_graph_inputs(c, &g), ops_input(c, RK_F32, g.n_edges, 1, values),
        ops_input(c, RK_I32, SLOTS, 1, nodes), ops_variable(c, RK_STATE, 1, 1, &state), BATCH);
    ops_expect_exactly(c, out, expected);
    ops_run(c, 1);
}

static void triplet_values(void)
{
    triplet_values_of(200);
    triplet_values_of(77);
    triplet_values_of(0);
}

/* Each positive's fields by a plain search; with several rows of a pair those of the one that the
 * shared draw names (test_sample.c looks at that). */
static void triplet_fields_of(int64_t triplets, int64_t n, bool is_repeated)
{
    enum { USERS = 50, ITEMS = 40, BATCH = 150, SLOTS = 3 * BATCH };
    ops_random r = {79};
    ops_case *c = ops_begin("triplet_fields, %d triplets, %d fields%s", (int)triplets, (int)n,
                            is_repeated ? ", rows of pairs" : "");
    ops_graph g = ops_make_graph(c, USERS, ITEMS, 0.2, &r);
    ops_batch b = {.batch = BATCH, .candidates = 1, .triplets = triplets};
    rk_step_state state = ops_state(&b);
    int64_t *rows = ops_memory(c, g.n_edges + 1, sizeof *rows);
    rows[0] = 0;
    for (int64_t e = 0; e < g.n_edges; e++) {
        rows[e + 1] = rows[e] + 1 + (is_repeated ? ops_below(&r, 3) : 0);
    }
    int32_t *fields = ops_memory(c, rows[g.n_edges] * n, sizeof *fields);
    int32_t *nodes = ops_memory(c, SLOTS, sizeof *nodes);
    int32_t *expected = ops_memory(c, BATCH * n, sizeof *expected);
    for (int64_t i = 0; i < rows[g.n_edges] * n; i++) {
        fields[i] = (int32_t)ops_below(&r, 1000);
    }
    memset(nodes, 0xff, SLOTS * sizeof *nodes);
    memset(expected, 0xff, (size_t)(BATCH * n) * sizeof *expected);
    for (int64_t t = 0; t < triplets; t++) {
        int64_t edge = ops_below(&r, g.n_edges), user = 0;
        while (g.offsets[user + 1] <= edge) {
            user++;
        }
        nodes[t] = (int32_t)user;
        nodes[BATCH + t] = g.columns[edge];
        int64_t row = rk__draw_row(rows, edge, state.seed, state.step, t);
        memcpy(expected + t * n, fields + row * n, (size_t)n * sizeof *fields);
    }
    rk_value out = rk__triplet_fields(
        ops_program(c), ops_graph_inputs(c, &g),
        is_repeated ? ops_input(c, RK_I64, g.n_edges + 1, 1, rows) : RK_NONE,
        ops_input(c, RK_I32, rows[g.n_edges], n, fields), ops_input(c, RK_I32, SLOTS, 1, nodes),
        ops_variable(c, RK_STATE, 1, 1, &state), BATCH);
    ops_expect_exactly(c, out, expected);
    ops_run(c, 1);
}

static void triplet_fields(void)
{
    triplet_fields_of(150, 3, false);
    triplet_fields_of(77, 1, true);
    triplet_fields_of(0, 2, true);
}

const ops_entry ops_cases_sample[] = {
    {RK_OP_SAMPLE_TRIPLETS, sample_triplets},
    {RK_OP_TRIPLET_VALUES, triplet_values},
    {RK_OP_TRIPLET_FIELDS, triplet_fields},
    {RK_OP_COUNT, NULL},
};
