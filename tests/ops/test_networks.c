/*
 * The gradient rules of the layers of networks, together: a program that has all of them, at a
 * batch with repeated and unused slots, against central differences of its loss.
 */
#include <math.h>

#include "device/device.h"
#include "ops/builder.h"
#include "support/support.h"

enum { USERS = 5, N = 12, B = 4, M = 2, TRIPLETS = 3, SLOTS = (2 + M) * B, D = 6, H = 5 };
enum { EMBEDDING, INNER, BIAS, FACTOR, OUTER, MIXER, N_PARAMETERS };

static const struct {
    const char *name;
    int64_t rows, cols;
} parameters[N_PARAMETERS] = {
    {"embedding", N, D}, {"inner", D, H},     {"bias", 1, H},
    {"factor", 1, D},    {"outer", 1, 2 * H}, {"mixer", D, D},
};

static const int32_t nodes[SLOTS] = {1, 3, 1, -1, 6, 7, 6, -1, 8, 7, 9, 11, 6, 9, -1, -1};

typedef struct fixture {
    rk_store store;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    int32_t of_nodes, state, sums, values[N_PARAMETERS], gradients[N_PARAMETERS];
    float *contents[N_PARAMETERS];
} fixture;

/* Users and items through a layer with dropout, and out again by the transposed matrix; what is
 * left of them is multiplied, cut, joined, and scored. */
static rk_value scores_of(const rk_value *v, rk_program *p, rk_row_set rows, rk_value state,
                          int32_t kind)
{
    const rk_activate_attr f = {kind, 0.3f};
    rk_value x = rk__gather_rows(p, v[EMBEDDING], rows);
    rk_value hidden = rk__activate(p, rk__gemm(p, x, v[INNER], v[BIAS]), f);
    hidden = rk__dropout(p, hidden, state, (rk_dropout_attr){.ratio = 0.25, .layer = 1});
    rk_value back = rk__gemm_of(p, hidden, v[INNER], RK_NONE, RK_NONE,
                                (rk_gemm_attr){.alpha = -0.5f, .transposed_w = true});
    rk_value square = rk__gemm_of(p, back, x, RK_NONE, RK_NONE,
                                  (rk_gemm_attr){.alpha = 0.5f, .transposed_x = true});
    back = rk__gemm(p, rk__multiply(p, back, x), rk__add(p, square, v[MIXER], 1, 1), RK_NONE);
    rk_value gate = rk__activate(p, rk__gemm(p, x, v[MIXER], RK_NONE),
                                 (rk_activate_attr){.kind = RK_ACTIVATION_SIGMOID});
    back = rk__scale_columns(p, rk__ratio(p, back, gate), v[FACTOR]);
    rk_value users = rk__gather_slots(p, back, rows, (rk_slots_attr){B, false});
    rk_value items = rk__gather_slots(p, back, rows, (rk_slots_attr){B, true});
    rk_value pair = rk__add(p, rk__repeat_rows(p, users, 1 + M), items, 1, 1);
    rk_value parts[] = {rk__take_columns(p, pair, 1, 3), rk__place_columns(p, items, 1, D + 1)};
    rk_value joined = rk__join_columns(p, parts, 2); /* [B (1+M), 2H] */
    rk_value outer = rk__gemm_of(p, joined, v[OUTER], RK_NONE, RK_NONE,
                                 (rk_gemm_attr){.alpha = 1, .transposed_w = true});
    rk_value mean = rk__repeat_rows(p, rk__sum_groups(p, outer, 1 + M), 1 + M);
    rk_value total = rk__reshape(p, rk__add(p, outer, mean, 1, 0.1f), 1 + M);
    rk_value all = rk__repeat_rows(p, rk__column_sums(p, total), B);
    rk_value product = rk__slot_scores(p, users, items);
    return rk__combine(p, (const rk_value[]){total, all, product}, (const float[]){1, 0.1f, 1}, 3);
}

static void build(fixture *f, int32_t loss, int32_t kind)
{
    rk_program *p = &f->program;
    rk_value v[N_PARAMETERS], gradients[N_PARAMETERS];
    rk__program_init(p, &f->store, "network");
    for (int i = 0; i < N_PARAMETERS; i++) {
        v[i] = rk__use(p, f->values[i]);
    }
    rk_value state = rk__use(p, f->state);
    rk_row_set rows = rk__unique_rows(p, rk__use(p, f->of_nodes), N);
    rk__score_loss(p, scores_of(v, p, rows, state, kind),
                   (rk_score_inputs){state, RK_NONE, RK_NONE},
                   (rk_slot_rule){.kind = loss,
                                  .negative_weight = 2,
                                  .temperature = 0.5,
                                  .power = 1,
                                  .positive_weights = {1, 0},
                                  .negative_weights = {1, 0}});
    assert_ok(p->status);
    assert_ok(rk__program_backward(p, f->values, N_PARAMETERS, gradients));
    for (int i = 0; i < N_PARAMETERS; i++) {
        rk__assign(p, f->gradients[i], gradients[i]);
    }
    rk__step_loss(p, state, rk__use(p, f->sums));
    assert_ok(rk__program_prune(p));
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

static void open_fixture(fixture *f, int32_t loss, int32_t kind)
{
    *f = (fixture){0};
    assert_ok(rk__store_add(&f->store, "nodes", RK_I32, SLOTS, 1, nodes, &f->of_nodes));
    assert_ok(rk__store_add(&f->store, "step_state", RK_STATE, 1, 1, NULL, &f->state));
    assert_ok(rk__store_add(&f->store, "sums", RK_F64, 2, 1, NULL, &f->sums));
    for (int i = 0; i < N_PARAMETERS; i++) {
        const int64_t rows = parameters[i].rows, cols = parameters[i].cols;
        char name[32];
        snprintf(name, sizeof name, "%s.gradient", parameters[i].name);
        assert_ok(
            rk__store_add(&f->store, parameters[i].name, RK_F32, rows, cols, NULL, &f->values[i]));
        assert_ok(rk__store_add(&f->store, name, RK_F32, rows, cols, NULL, &f->gradients[i]));
        f->contents[i] = calloc((size_t)(rows * cols), sizeof *f->contents[i]);
        for (int64_t j = 0; j < rows * cols; j++) {
            f->contents[i][j] = (float)((j * 37 + 11 * i) % 29) / 20 - 0.7f;
        }
    }
    build(f, loss, kind);
    assert_ok(rk__device_cpu.open(&(rk_device_options){.threads = 1}, &f->context));
    assert_ok(rk__device_cpu.bind(f->context, &f->store));
    assert_ok(rk__device_cpu.load(f->context, &f->program, &f->loaded));
    for (int i = 0; i < N_PARAMETERS; i++) {
        assert_ok(
            rk__device_cpu.write(f->context, f->values[i], 0, parameters[i].rows, f->contents[i]));
    }
}

static void close_fixture(fixture *f)
{
    rk__device_cpu.close(f->context);
    rk__program_free(&f->program);
    rk__store_free(&f->store);
    for (int i = 0; i < N_PARAMETERS; i++) {
        free(f->contents[i]);
    }
}

static double loss_of(fixture *f, int parameter)
{
    const rk_step_state state = {.seed = 3, .step = 4, .batch = B, .draws_per_epoch = TRIPLETS};
    double sums[2] = {0};
    assert_ok(rk__device_cpu.write(f->context, f->values[parameter], 0, parameters[parameter].rows,
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
    const int64_t n = parameters[i].rows * parameters[i].cols;
    float gradient[N * 2 * H];
    double largest = 0;
    loss_of(f, i);
    assert_ok(rk__device_cpu.read(f->context, f->gradients[i], 0, parameters[i].rows, gradient));
    for (int64_t j = 0; j < n; j++) {
        const float here = f->contents[i][j];
        f->contents[i][j] = here + (float)h;
        double above = loss_of(f, i);
        f->contents[i][j] = here - (float)h;
        double below = loss_of(f, i);
        f->contents[i][j] = here;
        double quotient = (above - below) / (2 * h);
        largest = fmax(largest, fabs(quotient));
        if (fabs(quotient - (double)gradient[j]) > 2e-4 + 2e-3 * fabs(quotient)) {
            fail_msg("%s[%d]: the gradient is %g, the difference quotient %g", parameters[i].name,
                     (int)j, (double)gradient[j], quotient);
        }
    }
    if (largest <= 4e-3) {
        fail_msg("%s: nothing was compared (%g)", parameters[i].name, largest);
    }
    loss_of(f, i);
}

/* Smooth functions, so that no step meets a kink. */
static void gradients_of_all_layers(void **state)
{
    (void)state;
    static const int32_t losses[] = {RK_LOSS_BPR, RK_LOSS_BCE, RK_LOSS_SOFTMAX};
    static const int32_t kinds[] = {RK_ACTIVATION_TANH, RK_ACTIVATION_SIGMOID, RK_ACTIVATION_TANH};
    for (int v = 0; v < 3; v++) {
        fixture f;
        open_fixture(&f, losses[v], kinds[v]);
        for (int i = 0; i < N_PARAMETERS; i++) {
            check_parameter(&f, i);
        }
        close_fixture(&f);
    }
}

/* Without a state nobody trains, and a ratio of 0 drops nothing: no operation at all. */
static void no_dropout(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, RK_LOSS_BPR, RK_ACTIVATION_TANH);
    rk_program p;
    rk__program_init(&p, &f.store, "none");
    rk_value x = rk__use(&p, f.values[0]), of_state = rk__use(&p, f.state);
    assert_int_equal(rk__dropout(&p, x, RK_NONE, (rk_dropout_attr){.ratio = 0.5}), x);
    assert_int_equal(rk__dropout(&p, x, of_state, (rk_dropout_attr){.ratio = 0}), x);
    assert_int_equal(p.n_nodes, 0);
    rk__program_free(&p);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_all_layers),
        cmocka_unit_test(no_dropout),
    };
    return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
