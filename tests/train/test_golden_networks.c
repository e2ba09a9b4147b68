/*
 * Three training steps of networks against PyTorch: losses, gradients of all parameters, what the
 * parameters are afterwards, and the scores of all pairs before; within 1e-5. Data, batches and
 * initial values come from the files of tools/make_golden_networks.py, which says what is in them.
 */
#include <math.h>

#include "config/options.h"
#include "data/dataset_internal.h"
#include "support/golden.h"
#include "train/fitted.h"
#include "train/set_up.h"

enum { STEPS = 3, MOST_ROWS = 256, MOST_SLOTS = 512, SEED = 77 };

typedef struct world {
    const char *name;
    golden golden;
    char *folder;
    rk_config *config;
    const rk_options *options; /* of config */
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
} world;

/* ---- data ---- */

/* Arrays "file.NAME" become files NAME in the folder. */
static void write_files(const world *w)
{
    for (int i = 0; i < w->golden.n; i++) {
        const golden_array *a = &w->golden.arrays[i];
        if (strncmp(a->name, "file.", 5) != 0) {
            continue;
        }
        FILE *file = fopen(test_path(w->folder, a->name + 5), "wb");
        assert_non_null(file);
        for (int64_t k = 0; k < a->rows * a->cols; k++) {
            fprintf(file, "%.9g%c", a->v[k], k % a->cols == a->cols - 1 ? '\n' : ' ');
        }
        assert_int_equal(fclose(file), 0);
    }
}

static rk_dataset *make_dataset(const world *w)
{
    static int64_t users[MOST_ROWS], items[MOST_ROWS];
    static uint8_t parts[MOST_ROWS];
    static char texts[MOST_ROWS][24];
    static const char *words[MOST_ROWS];
    const char *const *fields[] = {words, NULL};
    const golden_array *rows = golden_get(&w->golden, "rows", 0);
    const golden_array *values = golden_find(&w->golden, "values", 0);
    const golden_array *field = golden_find(&w->golden, "field", 0);
    rk_columns columns = rk_columns_defaults();
    rk_dataset *out = NULL;
    assert_in_range(rows->rows, 1, MOST_ROWS);
    for (int64_t i = 0; i < rows->rows; i++) {
        users[i] = (int64_t)rows->v[3 * i];
        items[i] = (int64_t)rows->v[3 * i + 1];
        parts[i] = (uint8_t)rows->v[3 * i + 2];
        if (field) {
            snprintf(texts[i], sizeof texts[i], "%g", field->v[i]);
            words[i] = field->v[i] < 0 ? NULL : texts[i];
        }
    }
    columns.n = rows->rows;
    columns.users = users;
    columns.items = items;
    columns.parts = parts;
    columns.values = values ? values->v : NULL;
    columns.fields = field ? fields : NULL;
    assert_ok(rk_dataset_from_columns(w->config, &columns, NULL, &out));
    return out;
}

/* ---- a step ---- */

static void write_parameters(world *w)
{
    for (int i = 0; i < w->engine.model.n_parameters; i++) {
        const rk_parameter *p = &w->engine.model.parameters[i];
        char name[RK_NAME_LENGTH + 2];
        snprintf(name, sizeof name, "p.%s", p->name);
        const golden_array *a = golden_get(&w->golden, name, 0);
        if (a->rows != p->rows || a->cols != p->cols) {
            fail_msg("%s: %s is %d x %d, PyTorch's %d x %d", w->name, p->name, (int)p->rows,
                     (int)p->cols, (int)a->rows, (int)a->cols);
        }
        float *values = calloc((size_t)(a->rows * a->cols), sizeof *values);
        assert_non_null(values);
        for (int64_t k = 0; k < a->rows * a->cols; k++) {
            values[k] = (float)a->v[k];
        }
        assert_ok(rk__device_cpu.write(w->engine.context, p->stored, 0, p->rows, values));
        free(values);
    }
    rk__engine_parameters_changed(&w->engine);
}

static void open_world(world *w, const char *name)
{
    static const char *const nothing[] = {NULL};
    char root[1100];
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    rk_graph graph;
    *w = (world){.name = name, .config = fitted_config(nothing), .folder = test_scratch()};
    snprintf(root, sizeof root, "data.root=%s", w->folder);
    assert_ok(rk_config_set(w->config, root, "test"));
    golden_read(&w->golden, name, w->config);
    write_files(w);
    w->options = rk__config_options(w->config);
    w->dataset = make_dataset(w);
    const rk_dataset *d = w->dataset;
    assert_ok(rk__graph_build_lists(&graph, d->parts[RK_TRAIN].offsets, d->parts[RK_TRAIN].items,
                                    d->n_users, d->n_items));
    assert_ok(rk__engine_open(&w->engine, w->options, &graph,
                              (rk_engine_how){.device = &rk__device_cpu,
                                              .train_values = d->details[RK_TRAIN].value,
                                              .dataset = d}));
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    assert_ok(rk__scorer_create(&w->scorer, &w->engine,
                                (rk_scorer_data){.parts = {&d->parts[RK_TRAIN]}, .high = 1e9}));
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    assert_ok(rk__scorer_load(w->scorer));
    write_parameters(w);
}

static void close_world(world *w)
{
    rk__tear_down(&w->engine, &w->step, &w->scorer);
    golden_free(&w->golden);
    rk_dataset_free(w->dataset);
    rk_config_free(w->config);
    test_scratch_remove(w->folder);
}

/* Slots behind a short batch are -1. Returns how many triplets there are. */
static void write_triplets(world *w, int step)
{
    const golden_array *t = golden_get(&w->golden, "triplets", step);
    const int64_t batch = w->options->train.batch, m = w->step.sample.n_candidates;
    const int64_t n_users = w->dataset->n_users;
    int32_t nodes[MOST_SLOTS];
    assert_in_range((2 + m) * batch, 2, MOST_SLOTS);
    assert_true(t->rows <= batch && t->cols == 2 + m);
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t k = 0; k < 2 + m; k++) {
            int64_t slot = k < 2 ? k * batch + b : 2 * batch + b * m + k - 2;
            int64_t node = b < t->rows ? (int64_t)t->v[t->cols * b + k] : -1;
            nodes[slot] = (int32_t)(node >= 0 && k > 0 ? node + n_users : node);
        }
    }
    assert_ok(
        rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0, (2 + m) * batch, nodes));
}

/* ---- comparisons ---- */

static void compare(const world *w, const float *got, const golden_array *a)
{
    double largest = 0;
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        largest = fmax(largest, fabs(a->v[i]));
    }
    if (largest < 1e-12) { /* nothing depends on it, e.g. a bias that a mean takes off again */
        largest = 0.01;
    }
    assert_true(largest > 1e-7);
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        if (!(fabs((double)got[i] - a->v[i]) <= 1e-5 * largest)) {
            fail_msg("%s: %s, row %d, column %d: %.9g, PyTorch %.9g (the largest is %.3g)", w->name,
                     a->name, (int)(i / a->cols), (int)(i % a->cols), (double)got[i], a->v[i],
                     largest);
        }
    }
}

/* Arrays PREFIX.NAME of all parameters. */
static void compare_tensors(const world *w, char prefix)
{
    for (int i = 0; i < w->engine.model.n_parameters; i++) {
        const rk_parameter *p = &w->engine.model.parameters[i];
        const rk_step_tensors *t = &w->step.tensors[i];
        char name[RK_NAME_LENGTH + 2];
        snprintf(name, sizeof name, "%c.%s", prefix, p->name);
        compare(w,
                rk__device_cpu.peek(w->engine.context, prefix == 'g' ? t->gradient : t->parameter),
                golden_get(&w->golden, name, 0));
    }
}

/* Of all users and items with train rows. */
static void compare_scores(const world *w)
{
    const golden_array *a = golden_find(&w->golden, "scores", 0);
    float *got = a ? calloc((size_t)(a->rows * a->cols), sizeof *got) : NULL;
    for (int64_t u = 0; a && u < a->rows; u++) {
        const int32_t nothing[] = {-1};
        const rk_query query = {.user = u,
                                .context = nothing,
                                .n_context = golden_find(&w->golden, "field", 0) != NULL};
        const int64_t offsets[] = {0, a->cols};
        int32_t items[64];
        assert_in_range(a->cols, 1, 64);
        for (int64_t i = 0; i < a->cols; i++) {
            items[i] = (int32_t)i;
        }
        assert_ok(rk__scorer_scores(w->scorer, &query, 1, (rk_item_lists){offsets, items},
                                    got + u * a->cols));
        for (int64_t i = 0; i < a->cols; i++) {
            const bool is_known = rk__graph_degree(&w->engine.graph, u) > 0 &&
                                  rk__graph_degree(&w->engine.graph, w->dataset->n_users + i) > 0;
            got[u * a->cols + i] = is_known ? got[u * a->cols + i] : (float)a->v[u * a->cols + i];
        }
    }
    if (a) {
        compare(w, got, a);
    }
    free(got);
}

static void check(const char *name)
{
    static world w;
    open_world(&w, name);
    rk_step_state state = {.batch = w.options->train.batch,
                           .learning_rate = w.options->train.learning_rate,
                           .seed = SEED};
    for (int step = 1; step <= STEPS; step++) {
        state.draws_per_epoch += golden_get(&w.golden, "triplets", step)->rows;
    }
    compare_scores(&w);
    for (int step = 1; step <= STEPS; step++) {
        write_triplets(&w, step);
        assert_ok(rk__step_set_state(&w.step, &state));
        assert_ok(rk__step_run(&w.step, 1));
        assert_ok(rk__step_get_state(&w.step, &state));
        assert_close(state.last_loss, golden_get(&w.golden, "loss", step)->v[0], 1e-5, 0);
        if (step == 1) {
            compare_tensors(&w, 'g');
        }
    }
    compare_tensors(&w, 'w');
    close_world(&w);
}

static const char *const names[] = {
    "network_svd",
    "network_neumf",
    "network_fm",
    "network_gcn",
    "network_gcn_mean",
    "network_gcn_sum",
    "network_gcn_plain",
    "network_gcn_dropout",
    "network_gcn_features",
    "network_gcn_ratings",
    "network_gat",
    "network_gat_mean",
    "network_gat_self",
    "network_gcn_norm",
    "network_ngcf",
    "network_fm_gcn",
    "network_fm_gat",
    "network_lightgcn_joined",
    "network_mbgcn",
    "network_mbgcn_cascade",
    "network_irgnn",
    "network_rgcn",
    "network_rgcn_bases",
    "network_rgcn_blocks",
    "network_compgcn_sub",
    "network_compgcn_mult",
    "network_compgcn_corr",
    "network_compgcn_paper",
    "network_mbgcn_messages",
    "network_mbgcn_cascade_messages",
};

static void is_pytorchs(void **state)
{
    check(*state);
}

/* usage: test_golden_networks [PATTERN]: of names of files */
int main(int argc, char **argv)
{
    enum { N = sizeof names / sizeof names[0] };
    struct CMUnitTest tests[N];
    for (int i = 0; i < N; i++) {
        tests[i] =
            (struct CMUnitTest){names[i], is_pytorchs, NULL, NULL, (void *)(uintptr_t)names[i]};
    }
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("golden networks", tests, NULL, NULL);
}
