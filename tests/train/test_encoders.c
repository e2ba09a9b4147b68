/*
 * Encoders beyond a fixed sum of layers: final embeddings, loss and gradients against PyTorch
 * (tools/make_golden_encoders.py), gradients against difference quotients, and whole runs.
 */
#include <math.h>

#include "config/options.h"
#include "base/alloc.h"
#include "support/golden.h"
#include "train/runs.h"
#include "train/set_up.h"

enum { MOST = 48 * 8, MOST_WEIGHTS = 8 };

typedef struct world {
    golden golden;
    rk_config *config;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
    int64_t batch;
    float values[2][MOST]; /* of the parameters */
} world;

static rk_graph make_graph(const golden *g)
{
    rk_graph graph;
    const golden_array *edges = golden_get(g, "edges", 0);
    const double *sizes = golden_get(g, "sizes", 0)->v;
    int32_t users[512], items[512];
    assert_in_range(edges->rows, 1, 512);
    for (int64_t e = 0; e < edges->rows; e++) {
        users[e] = (int32_t)edges->v[2 * e];
        items[e] = (int32_t)edges->v[2 * e + 1];
    }
    assert_ok(
        rk__graph_build(&graph, users, items, edges->rows, (int64_t)sizes[0], (int64_t)sizes[1]));
    return graph;
}

/* The file's settings, one more (NULL = none), and a batch as large as the file's. */
static void configure(world *w, const char *name, const char *setting)
{
    char batch[32];
    assert_ok(rk_config_create(&w->config));
    golden_read(&w->golden, name, w->config);
    w->batch = golden_get(&w->golden, "triplets", 0)->rows;
    snprintf(batch, sizeof batch, "train.batch=%d", (int)w->batch);
    const char *const settings[] = {batch,        "run.threads=2",       "loss.l2=0",
                                    "eval.k=[1]", "train.optimizer=sgd", "graph.form=direct",
                                    setting};
    for (int i = 0; i < 6 + (setting != NULL); i++) {
        assert_ok(rk_config_set(w->config, settings[i], "test"));
    }
}

static void take(float *out, const golden_array *a)
{
    assert_in_range(a->rows * a->cols, 1, MOST);
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        out[i] = (float)a->v[i];
    }
}

static void write_nodes(world *w)
{
    const golden_array *triplets = golden_get(&w->golden, "triplets", 0);
    const int64_t n_users = w->engine.graph.n_users;
    int32_t nodes[3 * 64];
    assert_in_range(w->batch, 1, 64);
    assert_int_equal(w->step.sample.n_candidates, 1);
    for (int64_t b = 0; b < w->batch; b++) {
        for (int64_t k = 0; k < 3; k++) {
            int64_t node = (int64_t)triplets->v[3 * b + k];
            nodes[k * w->batch + b] = (int32_t)(k > 0 ? node + n_users : node);
        }
    }
    assert_ok(
        rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0, 3 * w->batch, nodes));
}

static void open_world(world *w, const char *name, const char *setting)
{
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    *w = (world){0};
    configure(w, name, setting);
    rk_graph graph = make_graph(&w->golden);
    assert_ok(rk__engine_open(&w->engine, rk__config_options(w->config), &graph,
                              (rk_engine_how){.device = &rk__device_cpu}));
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    assert_ok(rk__scorer_create(&w->scorer, &w->engine, (rk_scorer_data){.parts = {NULL}}));
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    write_nodes(w);
    take(w->values[0], golden_get(&w->golden, "initial", 0));
    if (w->engine.model.n_parameters > 1) {
        take(w->values[1], golden_get(&w->golden, "initial_weights", 0));
    }
}

static void close_world(world *w)
{
    rk__tear_down(&w->engine, &w->step, &w->scorer);
    golden_free(&w->golden);
    rk_config_free(w->config);
}

static double loss_at(world *w)
{
    rk_step_state state = {
        .batch = w->batch, .draws_per_epoch = w->batch, .seed = 77, .step = 3, .epoch = 2};
    for (int i = 0; i < w->engine.model.n_parameters; i++) {
        const rk_parameter *p = &w->engine.model.parameters[i];
        assert_ok(rk__device_cpu.write(w->engine.context, p->stored, 0, p->rows, w->values[i]));
    }
    assert_ok(rk__step_set_state(&w->step, &state));
    assert_ok(rk__step_run(&w->step, 1));
    assert_ok(rk__step_get_state(&w->step, &state));
    return state.last_loss;
}

static void compare(world *w, const float *got, const char *name, double tolerance)
{
    const golden_array *a = golden_get(&w->golden, name, 0);
    double largest = 0;
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

/* On a host device the store's own memory. */
static const float *gradient_of(const world *w, int parameter)
{
    return rk__device_cpu.peek(w->engine.context, w->step.tensors[parameter].gradient);
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
        float *final = NULL;
        assert_ok(rk__scorer_read(w.scorer, "final", &final));
        compare(&w, final, "final", 1e-5);
        rk__free(final);
        compare(&w, gradient_of(&w, 0), "gradient", 1e-5);
        if (w.engine.model.n_parameters > 1) {
            compare(&w, gradient_of(&w, 1), "gradient_weights", 1e-5);
        }
        close_world(&w);
    }
}

/* Larger embeddings than PyTorch's case, so that second derivatives are seen if they are wrong. */
static void check_quotients(const char *name, const char *setting)
{
    const float step = 0x1p-8f;
    world w;
    open_world(&w, name, setting);
    const rk_parameter *table = &w.engine.model.parameters[0];
    for (int64_t j = 0; j < table->rows * table->cols; j++) {
        w.values[0][j] *= 6;
    }
    for (int k = 0; k < w.engine.model.n_parameters; k++) {
        const rk_parameter *p = &w.engine.model.parameters[k];
        float gradient[MOST];
        double largest = 0;
        loss_at(&w);
        memcpy(gradient, gradient_of(&w, k), (size_t)(p->rows * p->cols) * sizeof *gradient);
        for (int64_t j = 0; j < p->rows * p->cols; j++) {
            const float here = w.values[k][j];
            w.values[k][j] = here + step;
            double above = loss_at(&w), width = (double)w.values[k][j];
            w.values[k][j] = here - step;
            double expected = (above - loss_at(&w)) / (width - (double)w.values[k][j]);
            w.values[k][j] = here;
            if (fabs((double)gradient[j] - expected) > 5e-5 + 1e-3 * fabs(expected)) {
                fail_msg("%s, parameter %d: gradient of element %d is %g, the quotient %g", name, k,
                         (int)j, (double)gradient[j], expected);
            }
            largest = fmax(largest, fabs(expected));
        }
        assert_true(largest > 0.01);
    }
    close_world(&w);
}

static void gradients_are_difference_quotients(void **state)
{
    (void)state;
    for (int i = 0; i < N_NAMES; i++) {
        /* Less noise, so that hardly a sign changes between the two points. */
        bool is_noisy = strstr(names[i], "simgcl");
        check_quotients(names[i], is_noisy ? "loss.contrast_noise=1e-6" : NULL);
    }
    check_quotients("encoder_sgl", "loss.neighbours=4"); /* both terms beside the ranking loss */
}

/* Every encoder learns on the planted data, and is the same after an interruption. */
static void runs_learn_and_resume(void **state)
{
    (void)state;
    static const char *const kinds[][5] = {
        {"model.layer_weights=given", "model.given_weights=[0.2, 0.3, 0.5]"},
        {"model.layer_weights=learned", NULL},
        {"model.layer_weights=learned_softmax", NULL},
        {"model.kind=lightgcn++", NULL},
        {"loss.contrast=simgcl", "model.layer_weights=mean_without_ego",
         "loss.contrast_weight=0.02"},
        {"loss.contrast=xsimgcl", "loss.contrast_layer=2", "loss.contrast_weight=0.02"},
        {"loss.contrast=sgl", "loss.contrast_dropout=0.3", "loss.contrast_weight=0.02"},
        {"loss.contrast=sgl", "loss.contrast_dropout=0.3", "loss.contrast_weight=0.02",
         "loss.neighbours=4", "loss.neighbours_weight=0.1"},
    };
    runs r;
    runs_begin(&r);
    for (int i = 0; i < (int)(sizeof kinds / sizeof kinds[0]); i++) {
        stop_after stop;
        run_how how = {.settings = {"train.epochs=6", kinds[i][0], kinds[i][1], kinds[i][2],
                                    kinds[i][3], kinds[i][4]},
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
    /* The last one has every term there is. */
    static const char *const terms[] = {"train.bpr", "train.l2", "train.contrast",
                                        "train.neighbours"};
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double mean = runs_reported(&r, "whole", terms[i]);
        assert_true(mean > 0);
        sum += mean;
    }
    assert_close(sum, runs_reported(&r, "whole", "train.loss"), 1e-9, 0);
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
