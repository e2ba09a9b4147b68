/*
 * Gradients of sums over blocks, whole and at the rows of a batch, against central differences of a
 * loss.
 */
#include "graph/block.h"
#include "support/quotients.h"

enum { ROWS = 9, COLUMNS = 7, TYPES = 3, D = 4, SUMS = 3, SIZE = 2, EDGES = 40 };
enum { B = 4, M = 1, SLOTS = (2 + M) * B, TRIPLETS = 3 };
enum { X, WEIGHTS, COEFFICIENTS, Z, N_PARAMETERS };

typedef struct fixture {
    quotients q;
    rk_block block;
    rk_aggregate_attr attr;
    int64_t n_in, n_out;
    int32_t offsets, columns, types, back_offsets, back_columns, back_edges, scale, column_scale,
        mixer;
} fixture;

static const int32_t nodes[SLOTS] = {1, 3, 1, -1, 6, 4, 6, -1, 5, 4, 0, -1};
static float scales[ROWS], mixers[SUMS * D * D];

static void make_block(fixture *f)
{
    int32_t rows[EDGES], columns[EDGES], types[EDGES];
    float weights[EDGES];
    for (int e = 0; e < EDGES; e++) {
        rows[e] = e * 5 % (ROWS - 1);
        columns[e] = e * 3 % COLUMNS;
        types[e] = e * e / 3 % TYPES;
        weights[e] = e % 5 == 0 ? 0 : 0.5f - 0.125f * (float)(e % 11);
    }
    assert_ok(rk__block_build(
        &f->block, &(rk_block_edges){ROWS, COLUMNS, EDGES, TYPES, rows, columns, weights, types}));
    for (int i = 0; i < ROWS; i++) {
        scales[i] = 1 - 0.125f * (float)i;
    }
    for (int i = 0; i < SUMS * D * D; i++) {
        mixers[i] = (float)(i * 7 % 13) / 8 - 0.75f;
    }
}

static void add_constants(fixture *f)
{
    rk_store *s = &f->q.store;
    const rk_block *b = &f->block;
    assert_ok(rk__store_add(s, "offsets", RK_I64, ROWS + 1, 1, b->offsets, &f->offsets));
    assert_ok(rk__store_add(s, "columns", RK_I32, EDGES, 1, b->columns, &f->columns));
    assert_ok(rk__store_add(s, "types", RK_I32, EDGES, 1, b->types, &f->types));
    assert_ok(rk__store_add(s, "back_offsets", RK_I64, COLUMNS + 1, 1, b->back_offsets,
                            &f->back_offsets));
    assert_ok(
        rk__store_add(s, "back_columns", RK_I32, EDGES, 1, b->back_columns, &f->back_columns));
    assert_ok(rk__store_add(s, "back_edges", RK_I32, EDGES, 1, b->back_edges, &f->back_edges));
    assert_ok(rk__store_add(s, "scale", RK_F32, f->n_out, 1, scales, &f->scale));
    assert_ok(rk__store_add(s, "column_scale", RK_F32, f->n_in, 1, scales, &f->column_scale));
    assert_ok(rk__store_add(s, "mixer", RK_F32, SUMS * D, D, mixers, &f->mixer));
}

/* The sums through a layer to rows [n_out, D]. */
static rk_value layer_of(fixture *f)
{
    rk_program *p = &f->q.program;
    const rk_block_values b = {
        .offsets = rk__use(p, f->offsets),
        .columns = rk__use(p, f->columns),
        .weights = quotients_use(&f->q, WEIGHTS),
        .types = rk__use(p, f->types),
        .back_offsets = rk__use(p, f->back_offsets),
        .back_columns = rk__use(p, f->back_columns),
        .back_edges = rk__use(p, f->back_edges),
    };
    rk_aggregate_inputs in = rk__block_inputs(b);
    in.row_scale = rk__use(p, f->scale);
    in.column_scale = rk__use(p, f->column_scale);
    in.coefficients = quotients_use(&f->q, COEFFICIENTS);
    in.z = quotients_use(&f->q, Z);
    rk_value y = rk__aggregate(p, b, quotients_use(&f->q, X), in, f->attr);
    y = rk__activate(p, y, (rk_activate_attr){.kind = RK_ACTIVATION_TANH});
    rk_value parts[SUMS] = {RK_NONE};
    const int n_parts = (int)(p->tensors[y].cols / D);
    for (int i = 0; i < n_parts; i++) {
        parts[i] = rk__take_columns(p, y, i * D, D);
    }
    for (int i = n_parts; i < SUMS; i++) {
        parts[i] = parts[0];
    }
    return rk__gemm(p, rk__join_columns(p, parts, SUMS), rk__use(p, f->mixer), RK_NONE);
}

static void check(rk_aggregate_attr attr, bool has_coefficients, bool restricts)
{
    fixture f = {.attr = attr,
                 .n_out = attr.transposed ? COLUMNS : ROWS,
                 .n_in = attr.transposed ? ROWS : COLUMNS};
    const quotients_world world = {nodes, SLOTS, f.n_out, B, TRIPLETS, 0.7f};
    const quotients_parameter parameters[N_PARAMETERS] = {
        {"x", f.n_in, D},
        {"weights", EDGES, 1},
        {"coefficients", has_coefficients ? TYPES : 0, SUMS},
        {"z", attr.compose != RK_COMPOSE_COPY ? TYPES : 0,
         attr.compose >= RK_COMPOSE_BLOCKS ? D * SIZE : D},
    };
    char name[64];
    snprintf(name, sizeof name, "compose %d, transposed %d", attr.compose, attr.transposed);
    quotients *q = &f.q;
    rk_program *p = &q->program;
    make_block(&f);
    quotients_open(q, name, &world, parameters, N_PARAMETERS);
    add_constants(&f);
    rk_row_set rows = quotients_rows(q);
    rk_value y = rk__gather_rows(p, layer_of(&f), rows);
    rk_value scores = rk__slot_scores(p, rk__gather_slots(p, y, rows, (rk_slots_attr){B, false}),
                                      rk__gather_slots(p, y, rows, (rk_slots_attr){B, true}));
    quotients_load(
        q, scores,
        (rk_slot_rule){.kind = RK_LOSS_BPR, .positive_weights = {1, 0}, .negative_weights = {1, 0}},
        restricts);
    quotients_check(q, 0);
    quotients_close(q);
    rk__block_free(&f.block);
}

static void gradients_of_sums(void **state)
{
    (void)state;
    for (int v = 0; v < 4; v++) {
        const bool transposed = v & 1, restricts = v & 2;
        check((rk_aggregate_attr){.transposed = transposed, .n_types = TYPES}, false, restricts);
        for (int32_t compose = 0; compose <= RK_COMPOSE_BLOCKS_BACK; compose++) {
            const int64_t size = compose >= RK_COMPOSE_BLOCKS ? SIZE : 0;
            const rk_aggregate_attr attr = {
                .transposed = transposed, .compose = compose, .size = size};
            check(attr, false, restricts);
            check(attr, true, restricts);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_sums),
    };
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
