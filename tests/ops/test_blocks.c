/*
 * Gradients of sums over blocks, whole and at the rows of a batch, against central differences of a
 * loss.
 */
#include <math.h>

#include "device/device.h"
#include "graph/block.h"
#include "ops/builder.h"
#include "support/support.h"

enum { ROWS = 9, COLUMNS = 7, TYPES = 3, D = 4, SUMS = 3, SIZE = 2, EDGES = 40 };
enum { B = 4, M = 1, SLOTS = (2 + M) * B, TRIPLETS = 3 };
enum { X, WEIGHTS, COEFFICIENTS, Z, N_PARAMETERS };

typedef struct fixture {
    rk_block block;
    rk_store store;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    rk_aggregate_attr attr;
    bool has[N_PARAMETERS];
    int used[N_PARAMETERS], n_used;
    int64_t n_in, n_out;
    int32_t offsets, columns, types, back_offsets, back_columns, back_edges, state, sums, of_nodes,
        scale, column_scale, mixer;
    int32_t values[N_PARAMETERS], gradients[N_PARAMETERS];
    int64_t rows[N_PARAMETERS], cols[N_PARAMETERS];
    float *contents[N_PARAMETERS];
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

static void add_parameter(fixture *f, int i, const char *name, int64_t rows, int64_t cols)
{
    char gradient[32];
    snprintf(gradient, sizeof gradient, "%s.gradient", name);
    f->rows[i] = rows;
    f->cols[i] = cols;
    assert_ok(rk__store_add(&f->store, name, RK_F32, rows, cols, NULL, &f->values[i]));
    assert_ok(rk__store_add(&f->store, gradient, RK_F32, rows, cols, NULL, &f->gradients[i]));
    f->contents[i] = calloc((size_t)(rows * cols), sizeof *f->contents[i]);
    for (int64_t j = 0; j < rows * cols; j++) {
        f->contents[i][j] = (float)((j * 37 + 11 * i) % 29) / 20 - 0.7f;
    }
}

static void make_store(fixture *f)
{
    rk_store *s = &f->store;
    const rk_block *b = &f->block;
    assert_ok(rk__store_add(s, "offsets", RK_I64, ROWS + 1, 1, b->offsets, &f->offsets));
    assert_ok(rk__store_add(s, "columns", RK_I32, EDGES, 1, b->columns, &f->columns));
    assert_ok(rk__store_add(s, "types", RK_I32, EDGES, 1, b->types, &f->types));
    assert_ok(rk__store_add(s, "back_offsets", RK_I64, COLUMNS + 1, 1, b->back_offsets,
                            &f->back_offsets));
    assert_ok(
        rk__store_add(s, "back_columns", RK_I32, EDGES, 1, b->back_columns, &f->back_columns));
    assert_ok(rk__store_add(s, "back_edges", RK_I32, EDGES, 1, b->back_edges, &f->back_edges));
    assert_ok(rk__store_add(s, "nodes", RK_I32, SLOTS, 1, nodes, &f->of_nodes));
    assert_ok(rk__store_add(s, "scale", RK_F32, f->n_out, 1, scales, &f->scale));
    assert_ok(rk__store_add(s, "column_scale", RK_F32, f->n_in, 1, scales, &f->column_scale));
    assert_ok(rk__store_add(s, "mixer", RK_F32, SUMS * D, D, mixers, &f->mixer));
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &f->state));
    assert_ok(rk__store_add(s, "sums", RK_F64, 2, 1, NULL, &f->sums));
    const bool has_blocks = f->attr.compose >= RK_COMPOSE_BLOCKS;
    add_parameter(f, X, "x", f->n_in, D);
    add_parameter(f, WEIGHTS, "weights", EDGES, 1);
    add_parameter(f, COEFFICIENTS, "coefficients", TYPES, SUMS);
    add_parameter(f, Z, "z", TYPES, has_blocks ? D * SIZE : D);
    for (int i = 0; i < N_PARAMETERS; i++) {
        if (f->has[i]) {
            f->used[f->n_used++] = f->values[i];
        }
    }
}

/* The sums through a layer to rows [n_out, D], scored. */
static void build(fixture *f, bool restricts)
{
    rk_program *p = &f->program;
    rk_value gradients[N_PARAMETERS];
    rk__program_init(p, &f->store, "blocks");
    const rk_block_values b = {
        .offsets = rk__use(p, f->offsets),
        .columns = rk__use(p, f->columns),
        .weights = rk__use(p, f->values[WEIGHTS]),
        .types = rk__use(p, f->types),
        .back_offsets = rk__use(p, f->back_offsets),
        .back_columns = rk__use(p, f->back_columns),
        .back_edges = rk__use(p, f->back_edges),
    };
    rk_value state = rk__use(p, f->state);
    rk_row_set rows = rk__unique_rows(p, rk__use(p, f->of_nodes), f->n_out);
    rk_aggregate_inputs in = rk__block_inputs(b);
    in.row_scale = rk__use(p, f->scale);
    in.column_scale = rk__use(p, f->column_scale);
    in.coefficients = f->has[COEFFICIENTS] ? rk__use(p, f->values[COEFFICIENTS]) : RK_NONE;
    in.z = f->has[Z] ? rk__use(p, f->values[Z]) : RK_NONE;
    rk_value y = rk__aggregate(p, b, rk__use(p, f->values[X]), in, f->attr);
    y = rk__activate(p, y, (rk_activate_attr){.kind = RK_ACTIVATION_TANH});
    rk_value parts[SUMS] = {RK_NONE};
    const int n_parts = (int)(p->tensors[y].cols / D);
    for (int i = 0; i < n_parts; i++) {
        parts[i] = rk__take_columns(p, y, i * D, D);
    }
    for (int i = n_parts; i < SUMS; i++) {
        parts[i] = parts[0];
    }
    y = rk__gemm(p, rk__join_columns(p, parts, SUMS), rk__use(p, f->mixer), RK_NONE);
    y = rk__gather_rows(p, y, rows);
    rk_value users = rk__gather_slots(p, y, rows, (rk_slots_attr){B, false});
    rk_value items = rk__gather_slots(p, y, rows, (rk_slots_attr){B, true});
    rk__score_loss(p, rk__slot_scores(p, users, items), (rk_score_inputs){state, RK_NONE, RK_NONE},
                   (rk_slot_rule){.kind = RK_LOSS_BPR,
                                  .positive_weights = {1, 0},
                                  .negative_weights = {1, 0}});
    assert_ok(p->status);
    assert_ok(restricts ? rk__program_restrict(p) : RK_OK);
    assert_ok(rk__program_backward(p, f->used, f->n_used, gradients));
    for (int i = 0, n = 0; i < N_PARAMETERS; i++) {
        if (f->has[i]) {
            rk__assign(p, f->gradients[i], gradients[n++]);
        }
    }
    rk__step_loss(p, state, rk__use(p, f->sums));
    assert_ok(rk__program_prune(p));
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

static double loss_of(fixture *f, int parameter)
{
    const rk_step_state state = {.seed = 3, .step = 4, .batch = B, .draws_per_epoch = TRIPLETS};
    double sums[2] = {0};
    assert_ok(rk__device_cpu.write(f->context, f->values[parameter], 0, f->rows[parameter],
                                   f->contents[parameter]));
    assert_ok(rk__device_cpu.write(f->context, f->state, 0, 1, &state));
    assert_ok(rk__device_cpu.write(f->context, f->sums, 0, 2, sums));
    assert_ok(rk__device_cpu.run(f->context, f->loaded, 1));
    assert_ok(rk__device_cpu.sync(f->context));
    assert_ok(rk__device_cpu.read(f->context, f->sums, 0, 2, sums));
    return sums[0];
}

/* Steps that floats represent well; what is left is their rounding, about 1e-7 / step. */
static void check_parameter(fixture *f, int i)
{
    const double h = 1.0 / 256;
    const int64_t n = f->rows[i] * f->cols[i];
    float *gradient = calloc((size_t)n, sizeof *gradient);
    double largest = 0;
    loss_of(f, i);
    assert_ok(rk__device_cpu.read(f->context, f->gradients[i], 0, f->rows[i], gradient));
    for (int64_t j = 0; j < n; j++) {
        const float here = f->contents[i][j];
        f->contents[i][j] = here + (float)h;
        double above = loss_of(f, i);
        f->contents[i][j] = here - (float)h;
        double below = loss_of(f, i);
        f->contents[i][j] = here;
        double quotient = (above - below) / (2 * h);
        largest = fmax(largest, fabs(quotient));
        if (fabs(quotient - (double)gradient[j]) > 3e-4 + 3e-3 * fabs(quotient)) {
            fail_msg("parameter %d, element %d, compose %d, transposed %d: the gradient is %g, the "
                     "difference quotient %g",
                     i, (int)j, f->attr.compose, f->attr.transposed, (double)gradient[j], quotient);
        }
    }
    if (largest < 2e-3) {
        fail_msg("parameter %d, compose %d, transposed %d: nothing was compared (%g)", i,
                 f->attr.compose, f->attr.transposed, largest);
    }
    loss_of(f, i);
    free(gradient);
}

static void check(rk_aggregate_attr attr, bool has_coefficients, bool restricts)
{
    fixture f = {.attr = attr};
    f.n_out = attr.transposed ? COLUMNS : ROWS;
    f.n_in = attr.transposed ? ROWS : COLUMNS;
    f.has[X] = f.has[WEIGHTS] = true;
    f.has[COEFFICIENTS] = has_coefficients;
    f.has[Z] = attr.compose != RK_COMPOSE_COPY;
    make_block(&f);
    make_store(&f);
    build(&f, restricts);
    assert_ok(rk__device_cpu.open(&(rk_device_options){.threads = 1}, &f.context));
    assert_ok(rk__device_cpu.bind(f.context, &f.store));
    assert_ok(rk__device_cpu.load(f.context, &f.program, &f.loaded));
    for (int i = 0; i < N_PARAMETERS; i++) {
        assert_ok(rk__device_cpu.write(f.context, f.values[i], 0, f.rows[i], f.contents[i]));
    }
    for (int i = 0; i < N_PARAMETERS; i++) {
        if (f.has[i]) {
            check_parameter(&f, i);
        }
        free(f.contents[i]);
    }
    rk__device_cpu.close(f.context);
    rk__program_free(&f.program);
    rk__store_free(&f.store);
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
