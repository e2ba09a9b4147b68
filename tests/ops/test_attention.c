/*
 * Attention over edges and normalised columns in a program with a loss: the gradients by all that
 * they read, against central differences, where all rows are computed and where those of a batch
 * are.
 */
#include <math.h>

#include "device/device.h"
#include "ops/builder.h"
#include "support/support.h"

enum { USERS = 5, N = 12, B = 4, M = 2, TRIPLETS = 3, SLOTS = (2 + M) * B };
enum { HEADS = 2, D = 3, WIDTH = HEADS * D, INPUT = 4, MOST_EDGES = N * N };
enum { TABLE, MIXER, TO, FROM, GAIN, SHIFT, OTHER, N_PARAMETERS };

static const struct {
    const char *name;
    int64_t rows, cols;
} parameters[N_PARAMETERS] = {{"table", N, INPUT}, {"mixer", INPUT, WIDTH}, {"to", WIDTH, HEADS},
                              {"from", N, HEADS},  {"gain", 1, WIDTH},      {"shift", 1, WIDTH},
                              {"other", N, WIDTH}};

static const int32_t nodes[SLOTS] = {1, 3, 1, -1, 6, 7, 6, -1, 8, 7, 9, 11, 6, 9, -1, -1};

typedef struct fixture {
    rk_store store;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    int64_t offsets[N + 1], back_offsets[N + 1];
    int32_t columns[MOST_EDGES], back_columns[MOST_EDGES], back_edges[MOST_EDGES];
    int32_t block[5];
    int32_t of_nodes, state, sums, values[N_PARAMETERS], gradients[N_PARAMETERS];
    float *contents[N_PARAMETERS];
} fixture;

/* Edges of one direction only, a row without any, and two edges more of a node to itself. */
static bool is_edge(int v, int u)
{
    return v != 4 && ((v * 5 + u * 3) % 7 < 2 || (v == u && v > 9));
}

static void add_block(fixture *f)
{
    int32_t n = 0, back = 0;
    for (int v = 0; v < N; v++) {
        for (int u = 0; u < N; u++) {
            f->columns[n] = (int32_t)u;
            n += is_edge(v, u);
        }
        f->offsets[v + 1] = n;
    }
    for (int u = 0; u < N; u++) {
        for (int v = 0; v < N; v++) {
            for (int64_t e = f->offsets[v]; e < f->offsets[v + 1]; e++) {
                if (f->columns[e] == u) {
                    f->back_columns[back] = (int32_t)v;
                    f->back_edges[back++] = (int32_t)e;
                }
            }
        }
        f->back_offsets[u + 1] = back;
    }
    rk_store *s = &f->store;
    assert_ok(rk__store_add(s, "offsets", RK_I64, N + 1, 1, f->offsets, &f->block[0]));
    assert_ok(rk__store_add(s, "columns", RK_I32, n, 1, f->columns, &f->block[1]));
    assert_ok(rk__store_add(s, "back_offsets", RK_I64, N + 1, 1, f->back_offsets, &f->block[2]));
    assert_ok(rk__store_add(s, "back_columns", RK_I32, n, 1, f->back_columns, &f->block[3]));
    assert_ok(rk__store_add(s, "back_edges", RK_I32, n, 1, f->back_edges, &f->block[4]));
}

/* A layer of attention, and the same columns normalised beside it. */
static rk_value nodes_of(const fixture *f, rk_program *p, const rk_value *v, rk_value state)
{
    const rk_block_values block = {
        rk__use(p, f->block[0]), rk__use(p, f->block[1]), RK_NONE, RK_NONE, rk__use(p, f->block[2]),
        rk__use(p, f->block[3]), rk__use(p, f->block[4])};
    const rk_edge_attend_attr attr = {.heads = HEADS, .slope = 0.3f, .dropout = 0.25, .layer = 2};
    rk_value x = rk__gemm(p, v[TABLE], v[MIXER], RK_NONE);
    rk_value y =
        rk__edge_attend(p, block, rk__gemm(p, x, v[TO], RK_NONE), v[FROM], x, RK_NONE, state, attr);
    return rk__add(p, rk__multiply(p, y, v[OTHER]), rk__normalise_columns(p, x, v[GAIN], v[SHIFT]),
                   1, 0.5f);
}

static void build(fixture *f, bool restricts)
{
    rk_program *p = &f->program;
    rk_value v[N_PARAMETERS], gradients[N_PARAMETERS];
    rk__program_init(p, &f->store, "attention");
    for (int i = 0; i < N_PARAMETERS; i++) {
        v[i] = rk__use(p, f->values[i]);
    }
    rk_value state = rk__use(p, f->state);
    rk_row_set rows = rk__unique_rows(p, rk__use(p, f->of_nodes), N);
    rk_value x = rk__gather_rows(p, nodes_of(f, p, v, state), rows);
    rk_value scores = rk__slot_scores(p, rk__gather_slots(p, x, rows, (rk_slots_attr){B, false}),
                                      rk__gather_slots(p, x, rows, (rk_slots_attr){B, true}));
    rk__score_loss(p, scores, (rk_score_inputs){state, RK_NONE, RK_NONE},
                   (rk_slot_rule){.kind = RK_LOSS_BPR,
                                  .negative_weight = 1,
                                  .temperature = 1,
                                  .power = 1,
                                  .positive_weights = {1, 0},
                                  .negative_weights = {1, 0}});
    assert_ok(p->status);
    assert_ok(restricts ? rk__program_restrict(p) : RK_OK);
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        assert_true(node->op != RK_OP_EDGE_ATTEND || (node->in[10] != RK_NONE) == restricts);
    }
    assert_ok(rk__program_backward(p, f->values, N_PARAMETERS, gradients));
    for (int i = 0; i < N_PARAMETERS; i++) {
        rk__assign(p, f->gradients[i], gradients[i]);
    }
    rk__step_loss(p, state, rk__use(p, f->sums));
    assert_ok(rk__program_prune(p));
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

static void open_fixture(fixture *f, bool restricts)
{
    *f = (fixture){0};
    add_block(f);
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
            f->contents[i][j] = (float)((j * 37 + 11 * i) % 29) / 10 - 1.4f;
        }
    }
    build(f, restricts);
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

/* Four steps whose quotients, as a rule, agree: a kink of the leaky relu between two points of one
 * is left out, and at most a few elements may be. */
static void check_parameter(fixture *f, int i)
{
    const double h = 1.0 / 256;
    const int64_t n = parameters[i].rows * parameters[i].cols;
    float gradient[N * WIDTH];
    double largest = 0;
    int64_t kinks = 0;
    loss_of(f, i);
    assert_ok(rk__device_cpu.read(f->context, f->gradients[i], 0, parameters[i].rows, gradient));
    for (int64_t j = 0; j < n; j++) {
        const float here = f->contents[i][j];
        double quotient[2];
        for (int k = 0; k < 2; k++) {
            const float step = (float)(h / (1 + k));
            f->contents[i][j] = here + step;
            double above = loss_of(f, i);
            f->contents[i][j] = here - step;
            quotient[k] = (above - loss_of(f, i)) / (2 * (double)step);
        }
        f->contents[i][j] = here;
        largest = fmax(largest, fabs(quotient[1]));
        if (fabs(quotient[0] - quotient[1]) > 3e-4 + 3e-3 * fabs(quotient[1])) {
            kinks++;
        } else if (fabs(quotient[1] - (double)gradient[j]) > 3e-4 + 3e-3 * fabs(quotient[1])) {
            fail_msg("%s[%d]: the gradient is %g, the difference quotient %g", parameters[i].name,
                     (int)j, (double)gradient[j], quotient[1]);
        }
    }
    if (largest <= 4e-3 || kinks > n / 8) {
        fail_msg("%s: too little was compared (%g, %d kinks)", parameters[i].name, largest,
                 (int)kinks);
    }
    loss_of(f, i);
}

static void gradients_of_attention(void **state)
{
    (void)state;
    for (int restricts = 0; restricts < 2; restricts++) {
        fixture f;
        open_fixture(&f, restricts);
        for (int i = 0; i < N_PARAMETERS; i++) {
            check_parameter(&f, i);
        }
        close_fixture(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_of_attention)};
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
