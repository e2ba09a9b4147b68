/*
 * The passes over a finished training program: what they join and narrow, that joining changes no
 * bit, and how far halves lead away from floats.
 */
#include <math.h>

#include "device/cpu/isa.h"
#include "device/device.h"
#include "graph/graph.h"
#include "ops/builder.h"
#include "support/support.h"

enum { N_USERS = 300, N_ITEMS = 200, N = N_USERS + N_ITEMS, EDGES = 9000, B = 64, DIM = 36 };
enum { STEPS = 6, MOST_LAYERS = 4 };

static const rk_device *const device = &rk__device_cpu;

typedef struct fixture {
    rk_graph graph;
    rk_store store;
    rk_program program;
    int32_t offsets, columns, scale, nodes, all, n_all, state, sums, table, m, v, final;
    rk_graph_values values;
} fixture;

typedef struct passes {
    bool fuse, narrow;
    bool drop; /* over a graph with dropped edges */
} passes;

/* A multiplicative generator (Lehmer 1949): pairs without repeats, the first items often. */
static void make_graph(fixture *f)
{
    int32_t *users = malloc(EDGES * sizeof *users), *items = malloc(EDGES * sizeof *items);
    bool *seen = calloc((size_t)N_USERS * N_ITEMS, sizeof *seen);
    uint64_t x = 1;
    int64_t n = 0;
    assert_non_null(users);
    assert_non_null(items);
    assert_non_null(seen);
    while (n < EDGES) {
        x = x * 48271 % 2147483647;
        int64_t user = (int64_t)(x % N_USERS);
        x = x * 48271 % 2147483647;
        int64_t item = (int64_t)(x % N_ITEMS * (x / 1000 % N_ITEMS) / N_ITEMS);
        if (!seen[user * N_ITEMS + item]) {
            seen[user * N_ITEMS + item] = true;
            users[n] = (int32_t)user;
            items[n++] = (int32_t)item;
        }
    }
    assert_ok(rk__graph_build(&f->graph, users, items, EDGES, N_USERS, N_ITEMS));
    free(users);
    free(items);
    free(seen);
}

static void make_fixture(fixture *f)
{
    static int32_t nodes[3 * B], all[N], n_all = N;
    *f = (fixture){0};
    make_graph(f);
    for (int32_t i = 0; i < N; i++) {
        all[i] = i;
    }
    for (int32_t i = 0; i < B; i++) { /* some twice; the last slots are unused */
        nodes[i] = i < B - 3 ? i * 7 % 50 : -1;
        nodes[B + i] = i < B - 3 ? N_USERS + i * 5 % 40 : -1;
        nodes[2 * B + i] = i < B - 3 ? N_USERS + i * 11 % N_ITEMS : -1;
    }
    rk_store *s = &f->store;
    const rk_graph *g = &f->graph;
    assert_ok(rk__store_add(s, "offsets", RK_I64, N + 1, 1, g->offsets, &f->offsets));
    assert_ok(rk__store_add(s, "columns", RK_I32, 2 * EDGES, 1, g->columns, &f->columns));
    assert_ok(rk__store_add(s, "scale", RK_F32, N, 1, g->scale, &f->scale));
    assert_ok(rk__store_add(s, "nodes", RK_I32, 3 * B, 1, nodes, &f->nodes));
    assert_ok(rk__store_add(s, "all", RK_I32, N, 1, all, &f->all));
    assert_ok(rk__store_add(s, "n_all", RK_I32, 1, 1, &n_all, &f->n_all));
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &f->state));
    assert_ok(rk__store_add(s, "loss_sums", RK_F64, 3, 1, NULL, &f->sums));
    assert_ok(rk__store_add(s, "table", RK_F32, N, DIM, NULL, &f->table));
    assert_ok(rk__store_add(s, "m", RK_F32, N, DIM, NULL, &f->m));
    assert_ok(rk__store_add(s, "v", RK_F32, N, DIM, NULL, &f->v));
    assert_ok(rk__store_add(s, "final", RK_F32, N, DIM, NULL, &f->final));
}

static void free_fixture(fixture *f)
{
    rk__program_free(&f->program);
    rk__store_free(&f->store);
    rk__graph_free(&f->graph);
}

static void begin(fixture *f, const char *name)
{
    rk_program *p = &f->program;
    rk__program_init(p, &f->store, name);
    f->values =
        (rk_graph_values){rk__use(p, f->offsets), rk__use(p, f->columns), rk__use(p, f->scale)};
}

/* The layers of a mean, all but the last in full. */
static rk_value mean_at(fixture *f, int layers, rk_row_set rows)
{
    rk_program *p = &f->program;
    rk_value tables[RK_MAX_LAYERS] = {rk__use(p, f->table)};
    float weights[RK_MAX_LAYERS], share = 1.0f / (float)(layers + 1);
    for (int k = 0; k <= layers; k++) {
        weights[k] = share;
        if (k > 0 && k < layers) {
            tables[k] = rk__propagate(p, f->values, tables[k - 1], 1);
        }
    }
    rk_value sum = rk__combine_rows(p, tables, weights, layers ? layers : 1, rows);
    return layers == 0
               ? sum
               : rk__add(p, sum, rk__propagate_rows(p, f->values, tables[layers - 1], rows, share),
                         1, 1);
}

static void build_unplanned(fixture *f, int layers, passes with)
{
    rk_program *p = &f->program;
    begin(f, "train");
    if (with.drop) {
        f->values =
            rk__drop_edges(p, f->values, rk__use(p, f->state), (rk_drop_attr){.ratio = 0.3});
    }
    rk_row_set rows = rk__unique_rows(p, rk__use(p, f->nodes), N);
    rk_value final = mean_at(f, layers, rows), state = rk__use(p, f->state), gradient = RK_NONE;
    rk_value table = rk__use(p, f->table);
    float one = 1;
    rk__slot_loss(p, final, rows, (rk_slot_inputs){state, RK_NONE, RK_NONE, RK_NONE}, false,
                  (rk_slot_attr){.batch = B, .rule = {.kind = RK_LOSS_BPR}});
    rk__l2_loss(p, rk__combine_rows(p, &table, &one, 1, rows), rows, RK_NONE, state,
                (rk_l2_attr){.weight = 1e-4, .batch = B});
    assert_ok(rk__program_backward(p, &f->table, 1, &gradient));
    rk__adam(p, table, gradient, rk__use(p, f->m), rk__use(p, f->v), state,
             (rk_adam_attr){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 1e-3});
    rk__step_loss(p, state, rk__use(p, f->sums));
    rk__step_advance(p, state);
    assert_ok(with.fuse ? rk__program_fuse(p) : RK_OK);
    assert_ok(with.narrow ? rk__program_narrow(p) : RK_OK);
}

static void build_training(fixture *f, int layers, passes with)
{
    build_unplanned(f, layers, with);
    assert_ok(rk__program_verify(&f->program));
    assert_ok(rk__program_plan(&f->program));
}

static int count(const rk_program *p, rk_op op)
{
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].op == op;
    }
    return n;
}

static int count_halves(const rk_program *p)
{
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].n_outputs == 1 && p->tensors[p->nodes[i].out[0]].dtype == RK_F16;
    }
    return n;
}

/* ---- what is joined ---- */

/* With layers, nothing is left of Adam and of scattering as passes of their own. */
static void a_training_step_is_joined(void **unused)
{
    (void)unused;
    for (int layers = 0; layers <= MOST_LAYERS; layers++) {
        fixture f;
        make_fixture(&f);
        build_training(&f, layers, (passes){.fuse = true});
        const rk_program *p = &f.program;
        assert_int_equal(count(p, RK_OP_ADAM), layers == 0);
        assert_int_equal(count(p, RK_OP_SCATTER_ADD_ROWS), layers == 0);
        assert_int_equal(count(p, RK_OP_COMBINE_ROWS), layers == 0 ? 2 : 1); /* one is the loss's */
        assert_int_equal(count(p, RK_OP_COMBINE), 0);
        assert_int_equal(count(p, RK_OP_PROPAGATE_ROWS), layers > 0);
        assert_int_equal(count(p, RK_OP_PROPAGATE_ADAM), layers > 1);
        assert_int_equal(count(p, RK_OP_PROPAGATE_FROM_ROWS_ADAM), layers == 1);
        assert_int_equal(count(p, RK_OP_PROPAGATE_FROM_ROWS), layers > 1);
        assert_int_equal(count(p, RK_OP_PROPAGATE), layers > 1 ? 2 * (layers - 1) - 1 : 0);
        assert_true(p->nodes[p->n_nodes - 1].attr.step.advances);
        free_fixture(&f);
    }
}

/* K - 1 layers forward and backward are kept as halves, and a copy of layer 0; a single layer has
 * nothing that a full propagation gathers. */
static void tables_between_layers_become_halves(void **unused)
{
    (void)unused;
    for (int layers = 0; layers <= MOST_LAYERS; layers++) {
        fixture f;
        make_fixture(&f);
        build_training(&f, layers, (passes){.fuse = true, .narrow = true});
        assert_int_equal(count(&f.program, RK_OP_NARROW), layers > 1);
        assert_int_equal(count_halves(&f.program), layers > 1 ? 2 * layers - 1 : 0);
        free_fixture(&f);
    }
}

/* A middle result that somebody else reads, a table that changes in between: not joined. */
static void what_others_need_is_left_alone(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    begin(&f, "shared gradient");
    rk_value table = rk__use(p, f.table), state = rk__use(p, f.state);
    rk_adam_attr adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    rk_value gradient = rk__propagate(p, f.values, rk__use(p, f.final), 1);
    rk__adam(p, table, gradient, rk__use(p, f.m), rk__use(p, f.v), state, adam);
    rk__assign(p, f.m, rk__add(p, gradient, gradient, 1, 1));
    assert_ok(rk__program_fuse(p));
    assert_int_equal(count(p, RK_OP_ADAM), 1);
    assert_int_equal(count(p, RK_OP_PROPAGATE), 1);
    rk__program_free(p);

    begin(&f, "its own gradient"); /* rows would be updated while others gather them */
    table = rk__use(p, f.table);
    rk__adam(p, table, rk__propagate(p, f.values, table, 1), rk__use(p, f.m), rk__use(p, f.v),
             rk__use(p, f.state), adam);
    assert_ok(rk__program_fuse(p));
    assert_int_equal(count(p, RK_OP_ADAM), 1);
    rk__program_free(p);

    begin(&f, "overtaken"); /* the gathered parameter is updated before the second Adam */
    table = rk__use(p, f.table);
    gradient = rk__propagate(p, f.values, table, 1);
    rk__sgd(p, table, rk__use(p, f.final), rk__use(p, f.state), 0);
    rk__adam(p, rk__use(p, f.final), gradient, rk__use(p, f.m), rk__use(p, f.v),
             rk__use(p, f.state), adam);
    assert_ok(rk__program_fuse(p));
    assert_int_equal(count(p, RK_OP_ADAM), 1);
    free_fixture(&f);
}

/* Scores go straight to the top K, unless somebody else reads them or counts otherwise. */
static void scores_are_joined_with_top_k(void **unused)
{
    (void)unused;
    enum { T = 3, K = 2 };
    for (int variant = 0; variant < 3; variant++) {
        rk_store store = {0};
        rk_program p;
        const struct {
            rk_dtype dtype;
            int64_t rows, cols;
        } stored[] = {{RK_F32, T, DIM}, {RK_F32, N, DIM}, {RK_I32, 1, 1}, {RK_I64, T + 1, 1},
                      {RK_I32, 9, 1},   {RK_I32, T, K},   {RK_F32, T, K}, {RK_F32, T, 1}};
        enum { COUNT = sizeof stored / sizeof stored[0] };
        rk_value in[COUNT + 1];
        rk__program_init(&p, &store, "rank");
        for (int i = 0; i <= COUNT; i++) {
            char name[] = {(char)('a' + i), 0};
            int32_t number = -1, from = i < COUNT ? i : 2; /* the last one is another count */
            assert_ok(rk__store_add(&store, name, stored[from].dtype, stored[from].rows,
                                    stored[from].cols, NULL, &number));
            in[i] = rk__use(&p, number);
        }
        rk_value scores = rk__score_dot(&p, in[0], in[1], in[2], (rk_range_attr){2, N - 5});
        rk_topk_values v = {.scores = scores,
                            .mask_offsets = in[3],
                            .mask_items = in[4],
                            .blocked = RK_NONE,
                            .count = variant == 2 ? in[COUNT] : in[2],
                            .out_items = in[5],
                            .out_scores = in[6]};
        rk__top_k(&p, v, 0, K);
        if (variant == 1) {
            rk__take_scores(&p, scores, in[5]);
        }
        assert_ok(rk__program_fuse(&p));
        assert_ok(rk__program_verify(&p));
        assert_int_equal(count(&p, RK_OP_SCORE_TOPK), variant == 0);
        assert_int_equal(count(&p, RK_OP_TOP_K), variant != 0);
        assert_int_equal(count(&p, RK_OP_SCORE_DOT), variant != 0);
        rk__program_free(&p);
        rk__store_free(&store);
    }
}

/* A sum of tables reads floats: the layer stays as it is and the propagation gets a copy. */
static void a_table_that_others_read_gets_a_copy(void **unused)
{
    (void)unused;
    fixture f;
    make_fixture(&f);
    rk_program *p = &f.program;
    begin(&f, "copies");
    rk_value first = rk__propagate(p, f.values, rk__use(p, f.table), 1);
    rk_value second = rk__propagate(p, f.values, first, 1);
    rk__assign(p, f.final, rk__add(p, first, second, 1, 1));
    assert_ok(rk__program_narrow(p));
    assert_int_equal(count(p, RK_OP_NARROW), 2);
    assert_int_equal(count_halves(p), 2);
    assert_int_equal(p->tensors[first].dtype, RK_F32);
    assert_ok(rk__program_verify(p));
    free_fixture(&f);
}

/* Instead of a copy in each step, the update makes that of the next; with one layer there is no
 * copy, and an update that is not joined cannot make one. */
static void halves_of_a_parameter_are_kept(void **unused)
{
    (void)unused;
    for (int layers = 0; layers <= MOST_LAYERS; layers++) {
        for (int fuse = 0; fuse < 2; fuse++) {
            fixture f;
            make_fixture(&f);
            rk_program *p = &f.program;
            int32_t halves = -1;
            build_unplanned(&f, layers, (passes){.fuse = fuse, .narrow = true});
            bool can = fuse && layers > 1;
            assert_int_equal(rk__program_can_keep_halves(p, f.table), can);
            if (can) {
                assert_ok(rk__store_add(&f.store, "halves", RK_F16, N, DIM, NULL, &halves));
                assert_ok(rk__program_keep_halves(p, f.table, halves));
                assert_int_equal(count(p, RK_OP_NARROW), 0);
                assert_false(rk__program_can_keep_halves(p, f.table));
            }
            assert_ok(rk__program_verify(p));
            assert_ok(rk__program_plan(p));
            free_fixture(&f);
        }
    }
}

/* ---- what comes out ---- */

static rk_device_context *open_with(fixture *f, const char *isa, int64_t threads)
{
    static float table[N * DIM];
    rk_device_context *context = NULL;
    rk_step_state state = {.batch = B, .draws_per_epoch = B - 3, .learning_rate = 0.01};
    assert_ok(device->open(&(rk_device_options){.isa = isa, .threads = threads}, &context));
    assert_ok(device->bind(context, &f->store));
    for (int64_t i = 0; i < N * DIM; i++) {
        table[i] = 0.1f * (float)sin((double)(i * 37 % 1009));
    }
    assert_ok(device->write(context, f->table, 0, N, table));
    assert_ok(device->write(context, f->state, 0, 1, &state));
    return context;
}

typedef struct outcome {
    float table[N * DIM], m[N * DIM], v[N * DIM];
    double loss;
} outcome;

static void train(int layers, passes with, const char *isa, int64_t threads, outcome *out)
{
    fixture f;
    rk_loaded *loaded = NULL;
    rk_step_state state;
    make_fixture(&f);
    build_training(&f, layers, with);
    rk_device_context *context = open_with(&f, isa, threads);
    assert_ok(device->load(context, &f.program, &loaded));
    assert_ok(device->run(context, loaded, STEPS));
    assert_ok(device->read(context, f.table, 0, N, out->table));
    assert_ok(device->read(context, f.m, 0, N, out->m));
    assert_ok(device->read(context, f.v, 0, N, out->v));
    assert_ok(device->read(context, f.state, 0, 1, &state));
    assert_int_equal(state.bad_step, 0);
    out->loss = state.last_loss;
    device->close(context);
    free_fixture(&f);
}

static void joining_changes_no_bit(void **unused)
{
    (void)unused;
    static outcome apart, joined;
    for (const rk_isa *const *isa = rk__isa_all(); *isa; isa++) {
        for (int i = 0; i < 8 && rk__isa_is_supported(*isa); i++) {
            const int layers = i / 2;
            const bool drop = i % 2;
            train(layers, (passes){.drop = drop}, (*isa)->name, 1, &apart);
            for (int64_t threads = 1; threads <= 3; threads++) {
                train(layers, (passes){.fuse = true, .drop = drop}, (*isa)->name, threads, &joined);
                assert_memory_equal(&joined, &apart, sizeof apart);
            }
        }
    }
}

static void threads_change_no_bit_of_halves(void **unused)
{
    (void)unused;
    static outcome one, more;
    for (const rk_isa *const *isa = rk__isa_all(); *isa; isa++) {
        if (rk__isa_is_supported(*isa)) {
            train(3, (passes){true, true, true}, (*isa)->name, 1, &one);
            train(3, (passes){true, true, true}, (*isa)->name, 2, &more);
            assert_memory_equal(&more, &one, sizeof one);
            train(3, (passes){true, true, false}, (*isa)->name, 1, &one);
            train(3, (passes){true, true, false}, (*isa)->name, 2, &more);
            assert_memory_equal(&more, &one, sizeof one);
            train(3, (passes){false, true, false}, (*isa)->name, 3, &more);
            assert_close(more.loss, one.loss, 1e-5, 0); /* Adam apart: other roundings */
        }
    }
}

/* A row with a NaN has a factor that is one: eager mode sees it where it is made. */
static void a_bad_row_of_halves_is_named(void **unused)
{
    (void)unused;
    fixture f;
    rk_loaded *loaded = NULL;
    rk_device_context *context = NULL;
    static float row[DIM];
    rk_step_state state = {.batch = B, .draws_per_epoch = B - 3, .learning_rate = 0.01};
    make_fixture(&f);
    build_training(&f, 2, (passes){.fuse = true, .narrow = true});
    assert_ok(device->open(&(rk_device_options){.threads = 1, .eager = true}, &context));
    assert_ok(device->bind(context, &f.store));
    assert_ok(device->load(context, &f.program, &loaded));
    assert_ok(device->write(context, f.state, 0, 1, &state));
    assert_ok(device->run(context, loaded, 1));
    row[DIM / 2] = INFINITY;
    assert_ok(device->write(context, f.table, N - 1, 1, row));
    assert_fails(RK_ERR_DIVERGED, "(narrow)", device->run(context, loaded, 1));
    device->close(context);
    free_fixture(&f);
}

static double distance(const float *a, const float *b, int64_t n)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - (double)b[i], 2);
        size += pow((double)b[i], 2);
    }
    return sqrt(difference / size);
}

/* The bound that docs state. Adam divides a gradient by its own size: the weights of rows that hold
 * almost no gradient may go another way, the loss does not. */
static void halves_train_like_floats(void **unused)
{
    (void)unused;
    static outcome floats, halves;
    for (int layers = 2; layers <= MOST_LAYERS; layers++) {
        train(layers, (passes){.fuse = true}, NULL, 2, &floats);
        train(layers, (passes){.fuse = true, .narrow = true}, NULL, 2, &halves);
        assert_close(halves.loss, floats.loss, 1e-4, 0);
        assert_true(distance(halves.m, floats.m, N * DIM) < 1e-3);
        assert_true(distance(halves.m, floats.m, N * DIM) > 0);
    }
}

/* All rows of the mean, by the form that batches are computed in. */
static void final_embeddings(int layers, bool narrow, float *out)
{
    fixture f;
    rk_loaded *loaded = NULL;
    make_fixture(&f);
    rk_program *p = &f.program;
    begin(&f, "embed");
    rk_value all = rk__use(p, f.all);
    rk_row_set rows = {.rows = all, .count = rk__use(p, f.n_all), .map = all};
    rk__assign(p, f.final, mean_at(&f, layers, rows));
    assert_ok(narrow ? rk__program_narrow(p) : RK_OK);
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
    rk_device_context *context = open_with(&f, NULL, 2);
    assert_ok(device->load(context, p, &loaded));
    assert_ok(device->run(context, loaded, 1));
    assert_ok(device->read(context, f.final, 0, N, out));
    device->close(context);
    free_fixture(&f);
}

static void embeddings_are_within_the_bound(void **unused)
{
    (void)unused;
    static float floats[N * DIM], halves[N * DIM];
    for (int layers = 2; layers <= MOST_LAYERS; layers++) {
        final_embeddings(layers, false, floats);
        final_embeddings(layers, true, halves);
        double d = distance(halves, floats, N * DIM);
        if (!(d > 0 && d < 2e-4)) {
            fail_msg("%d layers: relative distance %g", layers, d);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_step_is_joined),
        cmocka_unit_test(tables_between_layers_become_halves),
        cmocka_unit_test(what_others_need_is_left_alone),
        cmocka_unit_test(scores_are_joined_with_top_k),
        cmocka_unit_test(a_table_that_others_read_gets_a_copy),
        cmocka_unit_test(halves_of_a_parameter_are_kept),
        cmocka_unit_test(joining_changes_no_bit),
        cmocka_unit_test(threads_change_no_bit_of_halves),
        cmocka_unit_test(a_bad_row_of_halves_is_named),
        cmocka_unit_test(halves_train_like_floats),
        cmocka_unit_test(embeddings_are_within_the_bound),
    };
    return cmocka_run_group_tests_name("fuse", tests, NULL, NULL);
}
