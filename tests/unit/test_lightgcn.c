/*
 * LightGCN and MF on the CPU device against dense matrices in double: the final embeddings of all
 * nodes, at the rows of a batch, and as scoring has them.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "device/device.h"
#include "graph/gram.h"
#include "models/model.h"
#include "support/support.h"

enum { N_USERS = 40, N_ITEMS = 30, N = N_USERS + N_ITEMS, DIM = 19, SLOTS = 24, SEED = 11 };

typedef struct fixture {
    rk_graph graph;
    double *normalised; /* [N, N]: D^-1/2 A D^-1/2 */
    double *table;      /* [N, DIM]: the initial parameters */
    rk_store store;
    int32_t offsets, columns, scale, nodes, final, at_rows, ego;
    rk_model_instance model;
    float *gram;
} fixture;

/* A random graph in which user 5 and item 7 have no edge. */
static void make_graph(fixture *f)
{
    int32_t users[N_USERS * N_ITEMS], items[N_USERS * N_ITEMS];
    double degree[N] = {0};
    int64_t n = 0;
    f->normalised = calloc((size_t)N * N, sizeof *f->normalised);
    assert_non_null(f->normalised);
    for (int32_t cell = 0; cell < N_USERS * N_ITEMS; cell++) {
        int32_t u = cell / N_ITEMS, i = cell % N_ITEMS;
        rk_words w = rk__philox(SEED, RK_PURPOSE_SYNTH, 0, (uint64_t)cell, 0);
        if (rk__uniform(w.v[0]) < 0.15f && u != 5 && i != 7) {
            users[n] = u, items[n++] = i;
            degree[u]++, degree[N_USERS + i]++;
        }
    }
    for (int64_t e = 0; e < n; e++) {
        int64_t u = users[e], i = N_USERS + items[e];
        f->normalised[u * N + i] = f->normalised[i * N + u] = 1 / sqrt(degree[u] * degree[i]);
    }
    assert_ok(rk__graph_build(&f->graph, users, items, n, N_USERS, N_ITEMS));
}

static void make_fixture(fixture *f, const rk_options *options)
{
    *f = (fixture){0};
    make_graph(f);
    const rk_graph *g = &f->graph;
    rk_store *s = &f->store;
    assert_ok(rk__store_add(s, "graph.offsets", RK_I64, N + 1, 1, g->offsets, &f->offsets));
    assert_ok(
        rk__store_add(s, "graph.columns", RK_I32, 2 * g->n_edges, 1, g->columns, &f->columns));
    assert_ok(rk__store_add(s, "graph.scale", RK_F32, N, 1, g->scale, &f->scale));
    assert_ok(rk__store_add(s, "nodes", RK_I32, SLOTS, 1, NULL, &f->nodes));
    assert_ok(rk__store_add(s, "encoded", RK_F32, N, DIM, NULL, &f->final));
    assert_ok(rk__store_add(s, "at_rows", RK_F32, SLOTS, DIM, NULL, &f->at_rows));
    assert_ok(rk__store_add(s, "ego", RK_F32, SLOTS, DIM, NULL, &f->ego));
    const rk_model_data data = {.n_users = N_USERS, .n_items = N_ITEMS, .graph = g};
    assert_ok(rk__model_declare(&f->model, rk__model_of(options), options, &data, s));
}

static void free_fixture(fixture *f)
{
    rk__graph_free(&f->graph);
    rk__model_free(&f->model);
    rk__store_free(&f->store);
    rk__free(f->gram);
    free(f->normalised);
    free(f->table);
}

/* sum_k w_k (D^-1/2 A D^-1/2)^k x, straight from the definition. */
static double *dense_reference(const fixture *f, const rk_options *options)
{
    int64_t layers = options->model.kind == RK_MODEL_MF ? 0 : options->model.layers;
    double *x = malloc(sizeof(double) * N * DIM), *y = malloc(sizeof(double) * N * DIM);
    double *sum = calloc((size_t)N * DIM, sizeof *sum);
    assert_true(x && y && sum);
    memcpy(x, f->table, sizeof(double) * N * DIM);
    for (int64_t k = 0; k <= layers; k++) {
        double w = options->model.layer_weights == RK_WEIGHTS_MEAN ? 1.0 / (double)(layers + 1)
                   : options->model.layer_weights == RK_WEIGHTS_LAST
                       ? (double)(k == layers)
                       : (double)(k > 0) / (double)layers;
        w = layers == 0 ? 1 : w;
        for (int64_t e = 0; e < N * DIM; e++) {
            sum[e] += w * x[e];
        }
        for (int64_t row = 0; row < N; row++) {
            for (int64_t c = 0; c < DIM; c++) {
                y[row * DIM + c] = 0;
                for (int64_t column = 0; column < N; column++) {
                    y[row * DIM + c] += f->normalised[row * N + column] * x[column * DIM + c];
                }
            }
        }
        memcpy(x, y, sizeof(double) * N * DIM);
    }
    free(x);
    free(y);
    return sum;
}

typedef struct results {
    float final[N * DIM], at_rows[SLOTS * DIM], ego[SLOTS * DIM];
    float scored[N * DIM]; /* the table that finish makes */
} results;

static void build_finish(fixture *f, rk_program *p)
{
    rk__program_init(p, &f->store, "finish");
    f->model.model->finish(&f->model, p);
    assert_ok(p->status);
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

/* Builds, plans and runs both embeddings and finish on the CPU. */
static void run(fixture *f, const int32_t *nodes, results *out)
{
    const rk_device *device = &rk__device_cpu;
    const rk_device_options device_options = {.threads = 2};
    rk_device_context *context = NULL;
    rk_program programs[3];
    float *initial = malloc(sizeof(float) * N * DIM);
    f->table = malloc(sizeof(double) * N * DIM);
    assert_true(initial && f->table);
    rk__parameter_init(&f->model.parameters[0], 0, SEED, initial);
    for (int64_t e = 0; e < N * DIM; e++) {
        f->table[e] = (double)initial[e];
    }
    for (int with_rows = 0; with_rows < 2; with_rows++) {
        rk_program *p = &programs[with_rows];
        rk__program_init(p, &f->store, with_rows ? "rows" : "full");
        rk_graph_values graph = {rk__use(p, f->offsets), rk__use(p, f->columns),
                                 rk__use(p, f->scale)};
        rk_value values[] = {rk__use(p, f->model.parameters[0].stored)};
        rk_row_set rows = rk__unique_rows(p, rk__use(p, f->nodes), N);
        rk_encoded e = f->model.model->encode(&f->model, p, graph, values, RK_NONE);
        if (with_rows) {
            rk__assign(p, f->ego, rk__gather_rows(p, e.ego, rows));
            rk__assign(p, f->at_rows, rk__gather_rows(p, e.final, rows));
            assert_ok(rk__program_share(p));
            assert_ok(rk__program_restrict(p));
        } else {
            rk__assign(p, f->final, e.final);
        }
        assert_ok(p->status);
        assert_ok(rk__program_verify(p));
        assert_ok(rk__program_plan(p));
    }
    build_finish(f, &programs[2]);
    assert_ok(device->open(&device_options, &context));
    assert_ok(device->bind(context, &f->store));
    assert_ok(device->write(context, f->model.parameters[0].stored, 0, N, initial));
    assert_ok(device->write(context, f->nodes, 0, SLOTS, nodes));
    for (int i = 0; i < 3; i++) {
        rk_loaded *loaded = NULL;
        assert_ok(device->load(context, &programs[i], &loaded));
        assert_ok(device->run(context, loaded, 1));
        assert_ok(device->sync(context));
        device->unload(context, loaded);
        rk__program_free(&programs[i]);
    }
    assert_ok(device->read(context, f->final, 0, N, out->final));
    assert_ok(device->read(context, f->at_rows, 0, SLOTS, out->at_rows));
    assert_ok(device->read(context, f->ego, 0, SLOTS, out->ego));
    assert_ok(device->read(context, rk__store_find(&f->store, "final"), 0, N, out->scored));
    device->close(context);
    free(initial);
}

/* gram_side: 0 = the direct form, 1 and 2 = the Gram form of the users, of the items. */
static void choose_form(fixture *f, int gram_side)
{
    rk_gram_form *form = &f->model.gram;
    if (gram_side > 0) {
        *form = gram_side == 1 ? (rk_gram_form){true, 0, N_USERS, -1}
                               : (rk_gram_form){true, N_USERS, N_ITEMS, -1};
        assert_ok(rk__gram_build(&f->gram, &f->graph, form->first, form->n));
        assert_ok(
            rk__store_add(&f->store, "gram", RK_F32, form->n, form->n, f->gram, &form->stored));
    }
}

static void check(int kind, int64_t layers, int weights, int gram_side)
{
    rk_options o = {0};
    o.model.kind = kind;
    o.model.dim = DIM;
    o.model.layers = layers;
    o.model.layer_weights = weights;
    o.model.init = RK_INIT_NORMAL;
    o.model.init_sd = 1;
    /* Repeats, both sides, the two isolated nodes, unused slots; distinct nodes ascending. */
    static const int32_t nodes[SLOTS] = {3,  5,  3,  39, 0,  12, 40, 69, 47, 41, 40, 66,
                                         -1, -1, 47, 12, 50, 51, 52, 53, 3,  69, -1, 1};
    static const int32_t rows[] = {0, 1, 3, 5, 12, 39, 40, 41, 47, 50, 51, 52, 53, 66, 69};
    enum { N_ROWS = sizeof rows / sizeof rows[0] };
    results r;
    fixture f;
    make_fixture(&f, &o);
    choose_form(&f, gram_side);
    run(&f, nodes, &r);
    double *wanted = dense_reference(&f, &o);
    for (int64_t e = 0; e < N * DIM; e++) {
        assert_close((double)r.final[e], wanted[e], 2e-6, 1);
        assert_close((double)r.scored[e], wanted[e], 2e-6, 1);
    }
    for (int64_t slot = 0; slot < SLOTS; slot++) {
        for (int64_t c = 0; c < DIM; c++) {
            bool used = slot < N_ROWS;
            int64_t of_node = used ? rows[slot] * DIM + c : 0;
            assert_close((double)r.at_rows[slot * DIM + c], used ? wanted[of_node] : 0, 2e-6, 1);
            assert_true((double)r.ego[slot * DIM + c] == (used ? f.table[of_node] : 0));
        }
    }
    free(wanted);
    free_fixture(&f);
}

static void lightgcn_equals_dense_matrices(void **state)
{
    (void)state;
    for (int64_t layers = 0; layers <= 4; layers++) {
        check(RK_MODEL_LIGHTGCN, layers, RK_WEIGHTS_MEAN, 0);
        check(RK_MODEL_LIGHTGCN, layers, RK_WEIGHTS_LAST, 0);
        if (layers > 0) {
            check(RK_MODEL_LIGHTGCN, layers, RK_WEIGHTS_MEAN_WITHOUT_EGO, 0);
        }
    }
}

static void the_gram_form_equals_dense_matrices(void **state)
{
    (void)state;
    for (int64_t layers = 1; layers <= 10; layers++) {
        for (int weights = RK_WEIGHTS_MEAN; weights <= RK_WEIGHTS_LAST; weights++) {
            check(RK_MODEL_LIGHTGCN, layers, weights, 1);
            check(RK_MODEL_LIGHTGCN, layers, weights, 2);
        }
    }
}

static void mf_is_its_table(void **state)
{
    (void)state;
    check(RK_MODEL_MF, 3, RK_WEIGHTS_MEAN, 0);
    check(RK_MODEL_MF, 0, RK_WEIGHTS_MEAN_WITHOUT_EGO, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lightgcn_equals_dense_matrices),
        cmocka_unit_test(the_gram_form_equals_dense_matrices),
        cmocka_unit_test(mf_is_its_table),
    };
    return cmocka_run_group_tests_name("lightgcn", tests, NULL, NULL);
}
