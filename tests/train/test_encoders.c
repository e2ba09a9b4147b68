/*
 * Encoders beyond a fixed sum of layers: final embeddings, loss and gradients against PyTorch
 * (tools/make_golden_encoders.py), gradients against difference quotients, and whole runs.
 */
#include <math.h>

#include "config/options.h"
#include "device/device.h"
#include "models/model.h"
#include "support/golden.h"
#include "train/runs.h"

enum { MOST = 48 * 8, MOST_WEIGHTS = 8 };

typedef struct world {
    golden golden;
    rk_config *config;
    rk_graph graph;
    rk_store store;
    rk_model_instance model;
    rk_program embed, loss;
    rk_device_context *context;
    rk_loaded *loaded_embed, *loaded_loss;
    float *left, *right;
    int32_t nodes, state, final, gradient[2];
    int64_t n_users, n_nodes, dim, batch;
    float values[2][MOST]; /* of the parameters */
} world;

static void make_graph(world *w)
{
    const golden_array *edges = golden_get(&w->golden, "edges", 0);
    const double *sizes = golden_get(&w->golden, "sizes", 0)->v;
    int32_t users[512], items[512];
    assert_in_range(edges->rows, 1, 512);
    w->n_users = (int64_t)sizes[0];
    w->n_nodes = w->n_users + (int64_t)sizes[1];
    for (int64_t e = 0; e < edges->rows; e++) {
        users[e] = (int32_t)edges->v[2 * e];
        items[e] = (int32_t)edges->v[2 * e + 1];
    }
    assert_ok(
        rk__graph_build(&w->graph, users, items, edges->rows, w->n_users, w->n_nodes - w->n_users));
}

static void declare(world *w)
{
    const rk_graph *g = &w->graph;
    const rk_options *o = rk__config_options(w->config);
    rk_store *s = &w->store;
    int32_t ignored = 0;
    const int64_t n = w->n_nodes;
    w->left = calloc((size_t)n, sizeof *w->left);
    w->right = calloc((size_t)n, sizeof *w->right);
    rk__graph_degree_power(g, 0.5 - o->model.alpha, w->left);
    rk__graph_degree_power(g, 0.5 - o->model.beta, w->right);
    assert_ok(rk__store_add(s, "offsets", RK_I64, n + 1, 1, g->offsets, &ignored));
    assert_ok(rk__store_add(s, "columns", RK_I32, 2 * g->n_edges, 1, g->columns, &ignored));
    assert_ok(rk__store_add(s, "scale", RK_F32, n, 1, g->scale, &ignored));
    assert_ok(rk__store_add(s, "nodes", RK_I32, 3 * w->batch, 1, NULL, &w->nodes));
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &w->state));
    assert_ok(rk__store_add(s, "final", RK_F32, n, w->dim, NULL, &w->final));
    assert_ok(rk__model_declare(&w->model, o, w->n_users, n - w->n_users, s));
    assert_ok(rk__store_add(s, "left", RK_F32, n, 1, w->left, &w->model.left));
    assert_ok(rk__store_add(s, "right", RK_F32, n, 1, w->right, &w->model.right));
    for (int i = 0; i < w->model.n_parameters; i++) {
        const rk_parameter *p = &w->model.parameters[i];
        char name[32];
        snprintf(name, sizeof name, "gradient %d", i);
        assert_ok(rk__store_add(s, name, RK_F32, p->rows, p->cols, NULL, &w->gradient[i]));
    }
}

static void build(world *w, rk_program *p, bool loss)
{
    const rk_options *o = rk__config_options(w->config);
    int32_t stored[2];
    rk_value values[2], gradients[2];
    rk__program_init(p, &w->store, loss ? "loss" : "embed");
    rk_graph_values graph = {rk__use(p, rk__store_find(&w->store, "offsets")),
                             rk__use(p, rk__store_find(&w->store, "columns")),
                             rk__use(p, rk__store_find(&w->store, "scale"))};
    for (int i = 0; i < w->model.n_parameters; i++) {
        stored[i] = w->model.parameters[i].stored;
        values[i] = rk__use(p, stored[i]);
    }
    if (!loss) {
        rk__assign(p, w->final, w->model.model->embed(&w->model, p, graph, values, NULL, NULL));
    } else {
        rk_value state = rk__use(p, w->state);
        rk_row_set rows = rk__unique_rows(p, rk__use(p, w->nodes), w->n_nodes);
        rk_views views = {RK_NONE, RK_NONE, RK_NONE};
        if (o->loss.contrast == RK_CONTRAST_NONE) {
            views.final = w->model.model->embed(&w->model, p, graph, values, &rows, NULL);
        } else {
            views = w->model.model->views(&w->model, p, graph, values, &rows, state, NULL);
            rk_contrast_attr attr = {.batch = w->batch,
                                     .weight = o->loss.contrast_weight,
                                     .temperature = o->loss.contrast_temperature};
            rk__contrast_loss(p, views.first, views.second, rows, attr);
        }
        rk_value final = views.final;
        rk__bpr_loss(p, final, rows, RK_NONE, state, w->batch);
        assert_ok(rk__program_backward(p, stored, w->model.n_parameters, gradients));
        for (int i = 0; i < w->model.n_parameters; i++) {
            rk__assign(p, w->gradient[i], gradients[i]);
        }
        rk__step_loss(p, state);
    }
    assert_ok(p->status);
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

static void take(float *out, const golden_array *a)
{
    assert_in_range(a->rows * a->cols, 1, MOST);
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        out[i] = (float)a->v[i];
    }
}

/* setting: one more, NULL = none. */
static void open_world(world *w, const char *name, const char *setting)
{
    int32_t nodes[3 * 64];
    *w = (world){0};
    assert_ok(rk_config_create(&w->config));
    golden_read(&w->golden, name, w->config);
    if (setting) {
        assert_ok(rk_config_set(w->config, setting, "test"));
    }
    const golden_array *triplets = golden_get(&w->golden, "triplets", 0);
    w->batch = triplets->rows;
    w->dim = rk__config_options(w->config)->model.dim;
    make_graph(w);
    declare(w);
    build(w, &w->embed, false);
    build(w, &w->loss, true);
    assert_ok(rk__device_cpu.open(&(rk_device_options){.threads = 2}, &w->context));
    assert_ok(rk__device_cpu.bind(w->context, &w->store));
    assert_ok(rk__device_cpu.load(w->context, &w->embed, &w->loaded_embed));
    assert_ok(rk__device_cpu.load(w->context, &w->loss, &w->loaded_loss));
    for (int64_t b = 0; b < w->batch; b++) {
        for (int64_t k = 0; k < 3; k++) {
            int64_t node = (int64_t)triplets->v[3 * b + k];
            nodes[k * w->batch + b] = (int32_t)(k > 0 ? node + w->n_users : node);
        }
    }
    assert_ok(rk__device_cpu.write(w->context, w->nodes, 0, 3 * w->batch, nodes));
    take(w->values[0], golden_get(&w->golden, "initial", 0));
    if (w->model.n_parameters > 1) {
        take(w->values[1], golden_get(&w->golden, "initial_weights", 0));
    }
}

static void close_world(world *w)
{
    rk__device_cpu.close(w->context);
    rk__program_free(&w->embed);
    rk__program_free(&w->loss);
    rk__store_free(&w->store);
    rk__graph_free(&w->graph);
    golden_free(&w->golden);
    rk_config_free(w->config);
    free(w->left);
    free(w->right);
}

static double loss_at(world *w)
{
    rk_step_state state = {
        .batch = w->batch, .draws_per_epoch = w->batch, .seed = 77, .step = 3, .epoch = 2};
    for (int i = 0; i < w->model.n_parameters; i++) {
        const rk_parameter *p = &w->model.parameters[i];
        assert_ok(rk__device_cpu.write(w->context, p->stored, 0, p->rows, w->values[i]));
    }
    assert_ok(rk__device_cpu.write(w->context, w->state, 0, 1, &state));
    assert_ok(rk__device_cpu.run(w->context, w->loaded_loss, 1));
    assert_ok(rk__device_cpu.read(w->context, w->state, 0, 1, &state));
    return state.last_loss;
}

static void compare(world *w, int32_t stored, const char *name, double tolerance)
{
    const golden_array *a = golden_get(&w->golden, name, 0);
    float got[MOST];
    double largest = 0;
    assert_in_range(a->rows * a->cols, 1, MOST);
    assert_ok(rk__device_cpu.read(w->context, stored, 0, a->rows, got));
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        largest = fmax(largest, fabs(a->v[i]));
    }
    assert_true(largest > 1e-6); /* weights of layers have small gradients */
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        if (!(fabs((double)got[i] - a->v[i]) <= tolerance * largest)) {
            fail_msg("%s[%d] is %.9g, expected %.9g", name, (int)i, (double)got[i], a->v[i]);
        }
    }
}

static const char *const names[] = {
    "encoder_given",      "encoder_learned",         "encoder_learned_softmax",
    "encoder_lightgcnpp", "encoder_lightgcnpp_deep", "encoder_simgcl",
    "encoder_xsimgcl",    "encoder_xsimgcl_last",    "encoder_sgl"};
enum { N_NAMES = sizeof names / sizeof names[0] };

static void encoders_are_pytorchs(void **state)
{
    (void)state;
    for (int i = 0; i < N_NAMES; i++) {
        world w;
        open_world(&w, names[i], NULL);
        assert_close(loss_at(&w), golden_get(&w.golden, "loss", 0)->v[0], 1e-6, 0);
        assert_ok(rk__device_cpu.run(w.context, w.loaded_embed, 1));
        compare(&w, w.final, "final", 1e-5);
        compare(&w, w.gradient[0], "gradient", 1e-5);
        if (w.model.n_parameters > 1) {
            compare(&w, w.gradient[1], "gradient_weights", 1e-5);
        }
        close_world(&w);
    }
}

/* Larger embeddings than PyTorch's case, so that second derivatives are seen if they are wrong. */
static void gradients_are_difference_quotients(void **state)
{
    (void)state;
    const float step = 0x1p-8f;
    for (int i = 0; i < N_NAMES; i++) {
        world w;
        /* Less noise, so that hardly a sign changes between the two points. */
        open_world(&w, names[i], strstr(names[i], "simgcl") ? "loss.contrast_noise=1e-6" : NULL);
        for (int64_t j = 0; j < w.n_nodes * w.dim; j++) {
            w.values[0][j] *= 6;
        }
        loss_at(&w);
        for (int k = 0; k < w.model.n_parameters; k++) {
            const rk_parameter *p = &w.model.parameters[k];
            float gradient[MOST];
            double largest = 0;
            assert_ok(rk__device_cpu.read(w.context, w.gradient[k], 0, p->rows, gradient));
            for (int64_t j = 0; j < p->rows * p->cols; j++) {
                const float here = w.values[k][j];
                w.values[k][j] = here + step;
                double above = loss_at(&w), width = (double)w.values[k][j];
                w.values[k][j] = here - step;
                double expected = (above - loss_at(&w)) / (width - (double)w.values[k][j]);
                w.values[k][j] = here;
                if (fabs((double)gradient[j] - expected) > 5e-5 + 1e-3 * fabs(expected)) {
                    fail_msg("%s, parameter %d: gradient of element %d is %g, the quotient %g",
                             names[i], k, (int)j, (double)gradient[j], expected);
                }
                largest = fmax(largest, fabs(expected));
            }
            assert_true(largest > 0.01);
        }
        close_world(&w);
    }
}

/* Every encoder learns on the planted data, and is the same after an interruption. */
static void runs_learn_and_resume(void **state)
{
    (void)state;
    static const char *const kinds[][3] = {
        {"model.layer_weights=given", "model.given_weights=[0.2, 0.3, 0.5]"},
        {"model.layer_weights=learned", NULL},
        {"model.layer_weights=learned_softmax", NULL},
        {"model.kind=lightgcn++", NULL},
        {"loss.contrast=simgcl", "model.layer_weights=mean_without_ego",
         "loss.contrast_weight=0.02"},
        {"loss.contrast=xsimgcl", "loss.contrast_layer=2", "loss.contrast_weight=0.02"},
        {"loss.contrast=sgl", "loss.contrast_dropout=0.3", "loss.contrast_weight=0.02"},
    };
    runs r;
    runs_begin(&r);
    for (int i = 0; i < (int)(sizeof kinds / sizeof kinds[0]); i++) {
        stop_after stop;
        run_how how = {.settings = {"train.epochs=6", kinds[i][0], kinds[i][1], kinds[i][2]},
                       .force = i > 0};
        assert_ok(runs_train(&r, "whole", how));
        assert_true(i > 3 || runs_reported(&r, "whole", "train.loss") < 0.55);
        assert_true(runs_reported(&r, "whole", "test.ndcg@10") >
                    1.3 * runs_reported(&r, "whole", "popularity.test.ndcg@10"));
        stop_after_init(&stop, 5);
        how.hooks = &stop.hooks;
        assert_int_equal(runs_train(&r, "parts", how), RK_ERR_INTERRUPTED);
        how.force = false;
        how.resume = true;
        stop_after_init(&stop, 1); /* the first report is after one step: within an epoch */
        assert_int_equal(runs_train(&r, "parts", how), RK_ERR_INTERRUPTED);
        how.hooks = NULL;
        assert_ok(runs_train(&r, "parts", how));
        runs_assert_same_file(&r, "whole", "parts", "last.h5");
    }
    runs_end(&r);
}

static void bad_encoders_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *settings[4], *message;
    } cases[] = {
        {{"model.layer_weights=given", "model.given_weights=[1, 2]"},
         "so it takes 3: layer 0 first"},
        {{"model.layer_weights=given", "model.given_weights=[1, x, 2]"}, "a list of numbers"},
        {{"model.layer_weights=learned", "graph.form=gram"}, "that form needs fixed weights"},
        {{"model.layer_weights=learned", "model.kind=mf"},
         "remove it, or take model.kind lightgcn"},
        {{"loss.contrast=simgcl", "model.kind=mf"}, "views are made of the layers of lightgcn"},
        {{"loss.contrast=simgcl", "model.layer_weights=learned"}, "views need fixed weights"},
        {{"loss.contrast=simgcl", "graph.form=gram"}, "which has no single layers"},
        {{"loss.contrast=simgcl", "train.batch=1"}, "has nothing to be held against"},
        {{"loss.contrast=xsimgcl", "loss.contrast_layer=3"}, "there is no such layer"},
        {{"loss.contrast=sgl", "model.kind=mf"}, "views are made of the layers of lightgcn"},
        {{"loss.contrast=sgl", "model.layers=0"}, "views are made of the layers of lightgcn"},
        {{"loss.contrast=sgl", "graph.form=gram"}, "which has no single layers"},
        {{"loss.contrast=sgl", "train.batch=1"}, "has nothing to be held against"},
        {{"loss.contrast=sgl", "loss.contrast_dropout=0"}, "is out of range"},
        {{"loss.contrast=sgl", "loss.contrast_dropout=1"}, "is out of range"},
        {{"loss.contrast=sgl", "loss.contrast_noise=0.2"}, "or take loss.contrast simgcl or xsim"},
        {{"loss.contrast=simgcl", "loss.contrast_layer=2"}, "or take loss.contrast xsimgcl"},
        {{"loss.contrast=simgcl", "loss.contrast_dropout=0.2"}, "or take loss.contrast sgl"},
        {{"loss.contrast_noise=0.2"}, "remove it, or take loss.contrast"},
        {{"loss.contrast=simgcl", "loss.contrast_temperature=0"}, "is out of range"},
        {{"model.kind=lightgcn++", "model.layers=0"}, "it needs at least one layer"},
        {{"model.kind=lightgcn++", "model.layer_weights=last"},
         "remove it, or take model.kind lightgcn"},
    };
    runs r;
    runs_begin(&r);
    rk_config *config = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_status status = RK_OK;
        assert_ok(rk_config_load(&config, test_path(r.data, "exp.yaml")));
        for (int k = 0; status == RK_OK && cases[i].settings[k]; k++) {
            status = rk_config_set(config, cases[i].settings[k], "test");
        }
        assert_fails(RK_ERR_CONFIG, cases[i].message,
                     status == RK_OK ? rk_config_check(config) : status);
        rk_config_free(config);
    }
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_are_pytorchs),
        cmocka_unit_test(gradients_are_difference_quotients),
        cmocka_unit_test(runs_learn_and_resume),
        cmocka_unit_test(bad_encoders_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
