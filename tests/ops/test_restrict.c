/*
 * Whole tables, of which rows are gathered: what is left to compute after rk__program_restrict is
 * what one would have written by hand, node for node, and the values are the same.
 */
#include "base/alloc.h"
#include "device/device.h"
#include "graph/block.h"
#include "graph/graph.h"
#include "ops/builder.h"
#include "support/support.h"

enum { N_USERS = 40, N_ITEMS = 30, N = N_USERS + N_ITEMS, DIM = 9, SLOTS = 24, OTHER_SLOTS = 8 };

typedef struct fixture {
    rk_graph graph;
    rk_block block;
    rk_store store;
    rk_program program;
    int32_t offsets, columns, scale, nodes, other_nodes, state, table, weights, factor, square,
        bias, back_edges, out, other;
    rk_graph_values values; /* of the program in hand */
    rk_row_set rows;
} fixture;

static const int32_t batch[SLOTS] = {3,  5,  3,  39, 0,  12, 40, 69, 47, 41, 40, 66,
                                     -1, -1, 47, 12, 50, 51, 52, 53, 3,  69, -1, 1};
static const int32_t other_batch[OTHER_SLOTS] = {7, 5, 60, 61, 5, 39, -1, 44};
static float factor[N], square[DIM * DIM], bias[DIM], weights[4] = {0.1f, 0.2f, 0.3f, 0.4f};

static void make_fixture(fixture *f)
{
    int32_t users[N_USERS * N_ITEMS], items[N_USERS * N_ITEMS];
    int64_t n = 0;
    *f = (fixture){0};
    for (int32_t u = 0; u < N_USERS; u++) {
        factor[u] = 1 + 0.1f * (float)u;
        for (int32_t i = 0; i < N_ITEMS; i++) {
            if ((u * 7 + i * 11) % 5 == 0 && u != 5 && i != 7) {
                users[n] = u;
                items[n++] = i;
            }
        }
    }
    for (int i = 0; i < DIM * DIM; i++) {
        square[i] = (float)(i * 7 % 11) / 10 - 0.4f;
        bias[i % DIM] = 0.3f + 0.1f * (float)(i % DIM);
    }
    assert_ok(rk__graph_build(&f->graph, users, items, n, N_USERS, N_ITEMS));
    assert_ok(rk__block_of_interactions(&f->block, &f->graph));
    const rk_graph *g = &f->graph;
    rk_store *s = &f->store;
    assert_ok(rk__store_add(s, "offsets", RK_I64, N + 1, 1, g->offsets, &f->offsets));
    assert_ok(rk__store_add(s, "columns", RK_I32, 2 * n, 1, g->columns, &f->columns));
    assert_ok(rk__store_add(s, "scale", RK_F32, N, 1, g->scale, &f->scale));
    assert_ok(rk__store_add(s, "nodes", RK_I32, SLOTS, 1, batch, &f->nodes));
    assert_ok(rk__store_add(s, "others", RK_I32, OTHER_SLOTS, 1, other_batch, &f->other_nodes));
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &f->state));
    assert_ok(rk__store_add(s, "table", RK_F32, N, DIM, NULL, &f->table));
    assert_ok(rk__store_add(s, "weights", RK_F32, 1, 4, weights, &f->weights));
    assert_ok(rk__store_add(s, "factor", RK_F32, N, 1, factor, &f->factor));
    assert_ok(rk__store_add(s, "square", RK_F32, DIM, DIM, square, &f->square));
    assert_ok(rk__store_add(s, "bias", RK_F32, 1, DIM, bias, &f->bias));
    assert_ok(rk__store_add(s, "back", RK_I32, 2 * n, 1, f->block.back_edges, &f->back_edges));
    assert_ok(rk__store_add(s, "out", RK_F32, SLOTS, DIM, NULL, &f->out));
    assert_ok(rk__store_add(s, "other", RK_F32, OTHER_SLOTS, DIM, NULL, &f->other));
}

static void free_fixture(fixture *f)
{
    rk__program_free(&f->program);
    rk__store_free(&f->store);
    rk__block_free(&f->block);
    rk__graph_free(&f->graph);
}

static rk_value begin(fixture *f)
{
    rk_program *p = &f->program;
    rk__program_init(p, &f->store, "restrict");
    f->values =
        (rk_graph_values){rk__use(p, f->offsets), rk__use(p, f->columns), rk__use(p, f->scale)};
    f->rows = rk__unique_rows(p, rk__use(p, f->nodes), N);
    return rk__use(p, f->table);
}

/* Operations of the program, separated by blanks. */
static void expect_operations(const rk_program *p, const char *wanted)
{
    char found[1024] = "";
    for (int32_t i = 0; i < p->n_nodes; i++) {
        size_t at = strlen(found);
        snprintf(found + at, sizeof found - at, "%s%s", i ? " " : "", rk__op_name(p->nodes[i].op));
    }
    assert_string_equal(found, wanted);
}

/* Runs the program and reads the stored result [rows, DIM]. */
static void run(fixture *f, int32_t stored, int64_t rows, float *result)
{
    const rk_device *device = &rk__device_cpu;
    rk_device_context *context = NULL;
    rk_loaded *loaded = NULL;
    float table[N * DIM];
    rk_step_state state = {.seed = 5};
    for (int i = 0; i < N * DIM; i++) {
        table[i] = (float)(i * 37 % 101) / 50 - 1;
    }
    assert_ok(rk__program_verify(&f->program));
    assert_ok(rk__program_plan(&f->program));
    assert_ok(device->open(&(rk_device_options){.threads = 2, .eager = true}, &context));
    assert_ok(device->bind(context, &f->store));
    assert_ok(device->write(context, f->table, 0, N, table));
    assert_ok(device->write(context, f->state, 0, 1, &state));
    assert_ok(device->load(context, &f->program, &loaded));
    assert_ok(device->run(context, loaded, 1));
    assert_ok(device->sync(context));
    assert_ok(device->read(context, stored, 0, rows, result));
    device->close(context);
}

/* A model of the whole table, and what is to be left of it behind unique_rows. */
typedef rk_value (*model)(fixture *f, rk_value x);

static bool is_covered[RK_OP_COUNT]; /* operations whose rule for rows has been run */

static void cover(const rk_program *p)
{
    for (int32_t i = 0; i < p->n_nodes; i++) {
        is_covered[p->nodes[i].op] = true;
    }
}

static void check(model of, const char *wanted)
{
    float whole[SLOTS * DIM], restricted[SLOTS * DIM];
    for (int pass = 0; pass < 2; pass++) {
        fixture f;
        make_fixture(&f);
        rk_value final = of(&f, begin(&f));
        rk__assign(&f.program, f.out, rk__gather_rows(&f.program, final, f.rows));
        assert_ok(f.program.status);
        if (pass > 0) {
            cover(&f.program);
            assert_ok(rk__program_restrict(&f.program));
            expect_operations(&f.program, wanted);
        }
        run(&f, f.out, SLOTS, pass ? restricted : whole);
        free_fixture(&f);
    }
    for (int i = 0; i < SLOTS * DIM; i++) {
        assert_close((double)restricted[i], (double)whole[i], 1e-6, 1);
    }
}

static void layers(fixture *f, rk_value x, rk_value out[4])
{
    out[0] = x;
    for (int k = 1; k < 4; k++) {
        out[k] = rk__propagate(&f->program, f->values, out[k - 1], 1);
    }
}

static rk_value mean_of_layers(fixture *f, rk_value x)
{
    rk_value of[4];
    const float w[4] = {0.25f, 0.25f, 0.25f, 0.25f};
    layers(f, x, of);
    return rk__combine(&f->program, of, w, 4);
}

static rk_value last_layer(fixture *f, rk_value x)
{
    rk_value of[4];
    layers(f, x, of);
    return of[3];
}

static rk_value mixed_layers(fixture *f, rk_value x)
{
    rk_value of[4];
    layers(f, x, of);
    return rk__mix(&f->program, rk__use(&f->program, f->weights), of, 4);
}

static rk_value scaled_sum(fixture *f, rk_value x)
{
    rk_program *p = &f->program;
    rk_value unit = rk__unit_rows(p, rk__propagate(p, f->values, x, 1), rk__use(p, f->factor));
    rk_value scaled = rk__scale_rows(p, unit, rk__use(p, f->factor), RK_NONE, RK_NONE);
    return rk__add(p, x, scaled, 0.5f, 2);
}

static rk_value noisy_layer(fixture *f, rk_value x)
{
    rk_program *p = &f->program;
    return rk__perturb(p, rk__propagate(p, f->values, x, 2), rk__use(p, f->state), NULL,
                       (rk_perturb_attr){.epsilon = 0.1f, .layer = 1});
}

static rk_value gram_form(fixture *f, rk_value x)
{
    const rk_fold_attr side = {0, N_USERS};
    return rk__unfold(&f->program, f->values, rk__fold(&f->program, f->values, x, side), side);
}

/* A layer whose function of 0 is not 0, then everything that goes by columns. */
static rk_value network(fixture *f, rk_value x)
{
    rk_program *p = &f->program;
    rk_value row = rk__use(p, f->bias);
    rk_value h = rk__gemm(p, x, rk__use(p, f->square), row);
    h = rk__activate(p, h, (rk_activate_attr){.kind = RK_ACTIVATION_SIGMOID});
    h = rk__dropout(p, h, rk__use(p, f->state), (rk_dropout_attr){.ratio = 0.5, .layer = 2});
    h = rk__scale_columns(p, rk__ratio(p, rk__multiply(p, h, x), x), row);
    rk_value parts[] = {rk__take_columns(p, h, 2, 5), rk__take_columns(p, x, 0, DIM - 5)};
    return rk__add(p, rk__join_columns(p, parts, 2), rk__place_columns(p, parts[0], 3, DIM), 1, 2);
}

/* Two layers over a block, by the mean. */
static rk_value mean_of_neighbours(fixture *f, rk_value x)
{
    rk_program *p = &f->program;
    const rk_graph_values g = f->values;
    const rk_block_values b = {.offsets = g.offsets,
                               .columns = g.columns,
                               .weights = RK_NONE,
                               .types = RK_NONE,
                               .back_offsets = g.offsets,
                               .back_columns = g.columns,
                               .back_edges = rk__use(p, f->back_edges)};
    const rk_aggregate_attr copy = {.compose = RK_COMPOSE_COPY};
    rk_aggregate_inputs in = rk__block_inputs(b);
    in.row_scale = rk__block_degrees(p, b, RK_NONE, (rk_degrees_attr){.power = -1});
    return rk__aggregate(p, b, rk__aggregate(p, b, x, in, copy), in, copy);
}

/* Attention over the graph's edges, both ways: its edges are of the table's own columns. */
static rk_value attention(fixture *f, rk_value x)
{
    rk_program *p = &f->program;
    const rk_block_values block = {
        f->values.offsets, f->values.columns,        RK_NONE, RK_NONE, f->values.offsets,
        f->values.columns, rk__use(p, f->back_edges)};
    const rk_edge_attend_attr attr = {.heads = 3, .slope = 0.2f, .dropout = 0.5, .layer = 1};
    return rk__edge_attend(p, block, rk__take_columns(p, x, 0, 3), rk__take_columns(p, x, 3, 3), x,
                           RK_NONE, rk__use(p, f->state), attr);
}

static rk_value parameter(fixture *f, rk_value x)
{
    (void)f;
    return x;
}

static void tables_are_computed_at_the_rows_that_are_read(void **state)
{
    (void)state;
    check(mean_of_layers, "unique_rows propagate propagate combine_rows propagate_rows combine");
    check(last_layer, "unique_rows propagate propagate propagate_rows");
    check(mixed_layers, "unique_rows propagate propagate combine_rows combine_rows combine_rows "
                        "propagate_rows mix");
    check(scaled_sum, "unique_rows combine_rows propagate_rows combine_rows unit_rows scale_rows "
                      "combine");
    check(noisy_layer, "unique_rows propagate_rows perturb");
    check(gram_form, "unique_rows fold unfold_rows");
    check(network, "unique_rows combine_rows gemm activate dropout multiply ratio scale_columns "
                   "take_columns take_columns join_columns place_columns combine");
    check(mean_of_neighbours, "unique_rows block_degrees aggregate aggregate");
    check(attention, "unique_rows take_columns take_columns edge_attend");
    check(parameter, "unique_rows combine_rows");
    for (int op = 0; op < RK_OP_COUNT; op++) {
        if (rk__op_info((rk_op)op)->can_restrict && !is_covered[op]) {
            fail_msg("no model here has the operation %s", rk__op_name((rk_op)op));
        }
    }
}

/* Both row sets get theirs, the layers below are computed once. */
static void two_row_sets(void **state)
{
    (void)state;
    float restricted[OTHER_SLOTS * DIM], whole[OTHER_SLOTS * DIM];
    for (int pass = 0; pass < 2; pass++) {
        fixture f;
        make_fixture(&f);
        rk_value x = begin(&f);
        rk_program *p = &f.program;
        rk_row_set others = rk__unique_rows(p, rk__use(p, f.other_nodes), N);
        rk_value final = mean_of_layers(&f, x);
        rk__assign(p, f.out, rk__gather_rows(p, final, f.rows));
        rk__assign(p, f.other, rk__gather_rows(p, final, others));
        if (pass > 0) {
            assert_ok(rk__program_restrict(p));
            expect_operations(p, "unique_rows unique_rows propagate propagate combine_rows "
                                 "propagate_rows combine combine_rows propagate_rows combine");
        }
        run(&f, f.other, OTHER_SLOTS, pass ? restricted : whole);
        free_fixture(&f);
    }
    for (int i = 0; i < OTHER_SLOTS * DIM; i++) {
        assert_close((double)restricted[i], (double)whole[i], 1e-6, 1);
    }
}

/* A table that somebody reads as a whole stays, and rows of it are gathered. */
static void whole_where_it_is_needed(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    rk_value final = mean_of_layers(&f, begin(&f));
    rk__assign(p, f.out, rk__gather_rows(p, final, f.rows));
    rk__unit_rows(p, final, RK_NONE);
    assert_ok(rk__program_restrict(p));
    expect_operations(p, "unique_rows propagate propagate propagate combine combine_rows "
                         "unit_rows");
    assert_ok(rk__program_prune(p));
    expect_operations(p, "unique_rows propagate propagate propagate combine combine_rows");
    free_fixture(&f);
}

/* One value that two consumers want at the same rows is computed once, with another factor twice.
 * */
static void what_is_read_twice(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    rk_value y = rk__propagate(p, f.values, begin(&f), 1);
    rk_value noisy = rk__perturb(p, y, rk__use(p, f.state), NULL, (rk_perturb_attr){.layer = 1});
    rk_value sum = rk__add(p, noisy, y, 0.5f, 0.25f);
    rk__assign(
        p, f.out,
        rk__add(p, rk__gather_rows(p, noisy, f.rows), rk__gather_rows(p, sum, f.rows), 1, 1));
    assert_ok(rk__program_restrict(p));
    expect_operations(p, "unique_rows propagate_rows perturb propagate_rows combine combine");
    free_fixture(&f);
}

/* Three propagations of one table are one, but what goes into a stored tensor stays. */
static void duplicates_are_shared(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    rk_value x = begin(&f), once = rk__propagate(p, f.values, x, 1);
    rk_value again = rk__propagate(p, f.values, x, 1), other = rk__propagate(p, f.values, x, 2);
    rk_value a = rk__gather_rows(p, rk__add(p, once, again, 1, 1), f.rows);
    rk_value b = rk__gather_rows(p, rk__add(p, once, again, 1, 1), f.rows);
    rk__assign(p, f.out, rk__add(p, a, b, 1, 1));
    rk__unit_rows(p, other, RK_NONE);
    assert_ok(rk__program_share(p));
    expect_operations(p, "unique_rows propagate propagate combine combine_rows combine unit_rows");
    free_fixture(&f);
    make_fixture(&f);
    x = begin(&f);
    rk__assign(p, f.out, rk__gather_rows(p, x, f.rows));
    rk_value second = rk__gather_rows(p, x, f.rows);
    rk__unit_rows(p, second, RK_NONE);
    assert_ok(rk__program_share(p));
    expect_operations(p, "unique_rows combine_rows unit_rows");
    free_fixture(&f);
}

/* No gradient of what is no parameter, and nothing is left that nobody reads. */
static void gradients_that_nobody_needs(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    rk_value x = begin(&f), gradient = RK_NONE;
    rk_value step = rk__use(p, f.state), weight = rk__use(p, f.weights);
    rk_value tables[] = {x, rk__propagate(p, f.values, rk__unit_rows(p, x, RK_NONE), 1),
                         rk__scale_rows(p, x, rk__use(p, f.factor), RK_NONE, RK_NONE), x};
    rk_value final = rk__gather_rows(p, rk__mix(p, weight, tables, 4), f.rows);
    rk__l2_loss(p, final, f.rows, RK_NONE, step, (rk_l2_attr){.weight = 1, .batch = SLOTS / 2});
    assert_ok(rk__program_restrict(p));
    assert_ok(rk__program_backward(p, &f.table, 1, &gradient));
    for (int32_t i = 0; i < p->n_nodes; i++) {
        assert_int_not_equal(p->nodes[i].op, RK_OP_TABLE_DOTS); /* of the weights, a constant */
    }
    int32_t before = p->n_nodes;
    assert_ok(rk__program_prune(p));
    assert_true(p->n_nodes < before); /* nobody reads the gradient here */
    expect_operations(p,
                      "unique_rows unit_rows combine_rows propagate_rows scale_rows mix l2_loss");
    free_fixture(&f);
}

static void out_of_memory(void **state)
{
    (void)state;
    rk_status status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n++) {
        fixture f;
        make_fixture(&f);
        rk_value final = mixed_layers(&f, begin(&f));
        rk__gather_rows(&f.program, final, f.rows);
        assert_ok(f.program.status);
        rk__alloc_fail_after(n);
        status = rk__program_restrict(&f.program);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        free_fixture(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_computed_at_the_rows_that_are_read),
        cmocka_unit_test(two_row_sets),
        cmocka_unit_test(whole_where_it_is_needed),
        cmocka_unit_test(what_is_read_twice),
        cmocka_unit_test(duplicates_are_shared),
        cmocka_unit_test(gradients_that_nobody_needs),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("restrict", tests, NULL, NULL);
}
