/*
 * Models that score pairs by a network, gmf, mlp and neumf: scores, rankings and similar items
 * against the formulas in double, from the tensors that the model itself shows; rankings in parts;
 * every gradient against difference quotients; what such a model cannot do.
 */
#include <math.h>
#include <stdlib.h>

#include "support/support.h"
#include "train/fitted.h"
#include "train/step.h"

enum { USERS = 30, ITEMS = 40, DIM = 5, TOP = 6 };

/* ---- by hand ---- */

typedef struct matrix {
    float *at;
    int64_t rows, cols;
} matrix;

static matrix matrix_of(const rk_model *model, const char *name)
{
    matrix m = {0};
    m.at = fitted_tensor(model, name, &m.rows, &m.cols);
    return m;
}

static double dot(const float *w, const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)w[i] * x[i];
    }
    return sum;
}

/* <h, p * q> */
static void add_products(const rk_model *model, double *out)
{
    matrix e = matrix_of(model, "gmf.embedding"), h = matrix_of(model, "gmf.output");
    for (int64_t i = 0; i < USERS * ITEMS; i++) {
        const float *p = e.at + i / ITEMS * DIM, *q = e.at + (USERS + i % ITEMS) * DIM;
        for (int d = 0; d < DIM; d++) {
            out[i] += (double)h.at[d] * (double)p[d] * (double)q[d];
        }
    }
    free(e.at);
    free(h.at);
}

/* The layers on [p; q], one pair after the other. */
static void add_layers(const rk_model *model, int n_layers, double *out)
{
    matrix e = matrix_of(model, "mlp.embedding"), output = matrix_of(model, "mlp.output");
    matrix c = matrix_of(model, "mlp.output_bias"), w[4], b[4];
    for (int k = 0; k < n_layers; k++) {
        char name[32];
        snprintf(name, sizeof name, "mlp.layer%d", k + 1);
        w[k] = matrix_of(model, name);
        snprintf(name, sizeof name, "mlp.bias%d", k + 1);
        b[k] = matrix_of(model, name);
    }
    double *x = calloc(8192, sizeof *x), *y = calloc(8192, sizeof *y);
    for (int64_t i = 0; i < USERS * ITEMS; i++) {
        for (int d = 0; d < DIM; d++) {
            x[d] = (double)e.at[i / ITEMS * DIM + d];
            x[DIM + d] = (double)e.at[(USERS + i % ITEMS) * DIM + d];
        }
        for (int k = 0; k < n_layers; k++) {
            for (int64_t r = 0; r < w[k].rows; r++) {
                y[r] = fmax(0, dot(w[k].at + r * w[k].cols, x, w[k].cols) + (double)b[k].at[r]);
            }
            memcpy(x, y, (size_t)w[k].rows * sizeof *x);
        }
        out[i] += dot(output.at, x, output.cols) + (double)c.at[0];
    }
    for (int k = 0; k < n_layers; k++) {
        free(w[k].at);
        free(b[k].at);
    }
    free(x);
    free(y);
    free(e.at);
    free(output.at);
    free(c.at);
}

static const struct {
    const char *settings[8];
    int n_layers;
    bool has_products;
} kinds[] = {
    {{"model.kind=gmf"}, 0, true},
    {{"model.kind=mlp", "model.hidden=[7]"}, 1, false},
    {{"model.kind=mlp", "model.hidden=[8, 8, 3]", "model.dropout=0.3"}, 3, false},
    {{"model.kind=neumf", "model.hidden=[5]", "model.dropout=0.3", "model.dropout_at=inputs"},
     1,
     true},
    {{"model.kind=neumf", "model.hidden=[6, 4]", "loss.l2=1e-4"}, 2, true},
    /* so wide that the catalogue goes in parts; it takes time, so few users ask one by one */
    {{"model.kind=neumf", "model.hidden=[2500, 2]"}, 2, true},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static fitted fit(const fitted_data *d, int i)
{
    const char *settings[16] = {"model.dim=5",
                                "model.init_sd=0.3",
                                "loss.kind=bce",
                                "sampling.per_positive=3",
                                "train.batch=64",
                                "sampling.positives=shuffle",
                                i == N_KINDS - 1 ? "train.epochs=1" : "train.epochs=3"};
    int n = 7;
    for (int k = 0; k < 8 && kinds[i].settings[k]; k++) {
        settings[n++] = kinds[i].settings[k];
    }
    settings[n++] = kinds[i].settings[3] ? NULL : "train.learning_rate=0.01";
    return fitted_fit(d, settings);
}

/* The best of one user's scores that are no train items of theirs. */
static int apart(int kind)
{
    return kind == N_KINDS - 1 ? 9 : 1;
}

static void check_ranking(const fitted_data *d, const rk_model *model, const double *scores,
                          int users_apart)
{
    rk_query queries[USERS];
    rk_recommendation many[USERS * TOP], one[ITEMS];
    rk_selection selection = rk_selection_defaults();
    selection.seen = 1u << RK_TRAIN;
    for (int u = 0; u < USERS; u++) {
        queries[u] = (rk_query){.user = u};
    }
    assert_ok(rk_model_top_k(model, queries, USERS, &selection, TOP, many));
    for (int u = 0; u < USERS; u += users_apart) {
        assert_ok(rk_model_top_k(model, &queries[u], 1, &selection, ITEMS, one));
        double before = INFINITY, error = 1e-5 * (1 + fabs(scores[u * ITEMS]));
        int n = 0;
        for (; n < ITEMS && one[n].item >= 0; n++) {
            const double score = scores[u * ITEMS + one[n].item];
            assert_false(d->has[u * ITEMS + one[n].item]);
            assert_true(score <= before + error);
            assert_close((double)one[n].score, score, error, 1);
            before = score;
        }
        assert_int_equal(n, ITEMS - fitted_user_degree(d, u)); /* everything else is there */
        for (int k = 0; k < TOP; k++) {                        /* in whatever tile and parts */
            assert_int_equal(many[u * TOP + k].item, one[k].item);
            assert_close((double)many[u * TOP + k].score, (double)one[k].score, 1e-6, 1);
        }
    }
}

static void check_similar(const rk_model *model, bool has_layers, bool has_products)
{
    matrix tables[2];
    int n = 0;
    rk_recommendation found[ITEMS];
    const int32_t asking = 3;
    if (has_layers) {
        tables[n++] = matrix_of(model, "mlp.embedding");
    }
    if (has_products) {
        tables[n++] = matrix_of(model, "gmf.embedding");
    }
    rk_selection selection = rk_selection_defaults();
    assert_ok(rk_model_similar(model, &asking, 1, &selection, ITEMS, found));
    for (int k = 0; k < ITEMS - 1; k++) {
        double xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < n; i++) {
            const float *x = tables[i].at + (USERS + asking) * DIM;
            const float *y = tables[i].at + (USERS + found[k].item) * DIM;
            for (int d = 0; d < DIM; d++) {
                xy += (double)x[d] * (double)y[d];
                xx += (double)x[d] * (double)x[d];
                yy += (double)y[d] * (double)y[d];
            }
        }
        assert_true(found[k].item != asking && found[k].item >= 0);
        assert_close((double)found[k].score, xy / sqrt(xx * yy), 1e-5, 1);
    }
    for (int i = 0; i < n; i++) {
        free(tables[i].at);
    }
}

static void scores_are_those_of_the_formulas(void **unused)
{
    (void)unused;
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, false);
    for (int i = 0; i < N_KINDS; i++) {
        fitted f = fit(&d, i);
        double *expected = calloc(USERS * ITEMS, sizeof *expected);
        if (kinds[i].has_products) {
            add_products(f.model, expected);
        }
        if (kinds[i].n_layers > 0) {
            add_layers(f.model, kinds[i].n_layers, expected);
        }
        for (int u = 0; u < USERS; u += apart(i)) {
            float *scores = fitted_user_scores(f.model, u);
            fitted_assert_near(kinds[i].settings[0], scores, expected + u * ITEMS, ITEMS, 2e-5);
            free(scores);
        }
        check_ranking(&d, f.model, expected, apart(i));
        check_similar(f.model, kinds[i].n_layers > 0, kinds[i].has_products);
        free(expected);
        fitted_free(&f);
    }
    fitted_data_free(&d);
}

/* What a network does not know is said, and nobody is given anything else for it. */
static void what_it_cannot_do(void **unused)
{
    (void)unused;
    static const int32_t items[] = {1, 2};
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    fitted f = fit(&d, 3);
    rk_query query = {.user = -1, .items = items, .n_items = 2};
    rk_selection selection = rk_selection_defaults();
    rk_recommendation found[TOP];
    rk_reason reason;
    rk_explanation explanation;
    rk_grounds grounds;
    assert_false(rk_model_get_facts(f.model).folds_in);
    assert_fails(RK_ERR_CONFIG, "neumf ranks for users that it was trained on only",
                 rk_model_top_k(f.model, &query, 1, &selection, TOP, found));
    query = (rk_query){.user = 0};
    assert_fails(RK_ERR_CONFIG, "model neumf cannot say what its scores come from",
                 rk_model_explain(f.model, &query, items, 1, 1, &reason, &explanation));
    query = (rk_query){.user = USERS - 1}; /* has no train items */
    assert_ok(rk_model_grounds(f.model, &query, &grounds));
    assert_int_equal(grounds.basis, RK_BASIS_POPULARITY);
    fitted_free(&f);
    static const struct {
        const char *settings[3], *message;
    } cases[] = {
        {{"model.kind=mlp", "loss.kind=softmax", "sampling.negatives=in_batch"},
         "which scores pairs one by one: take sampling.negatives uniform"},
        {{"model.kind=gmf", "sampling.negatives=dynamic", "loss.kind=bpr"},
         "which scores pairs one by one: take sampling.negatives uniform"},
        {{"model.kind=gmf", "model.hidden=[4]", "loss.kind=bce"}, "so nothing looks at it"},
        {{"model.kind=neumf", "loss.logits=cosine", "loss.kind=bpr"}, "so nothing looks at it"},
        {{"model.kind=neumf", "model.hidden=[0]", "loss.kind=bpr"}, "out of range [1, 65536]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_config *config = NULL;
        rk_status status = RK_OK;
        assert_ok(rk_config_create(&config));
        for (int k = 0; k < 3 && status == RK_OK; k++) {
            status = rk_config_set(config, cases[i].settings[k], "--set");
        }
        status = status == RK_OK ? rk__model_check_config(config, true, true) : status;
        assert_fails(RK_ERR_CONFIG, cases[i].message, status);
        rk_config_free(config);
    }
    fitted_data_free(&d);
}

/* ---- gradients ---- */

enum { N_USERS = 6, N_ITEMS = 7, BATCH = 5, COUNT = 4, M = 3, MOST = 16 };

typedef struct learner {
    rk_options options;
    int64_t hidden[2];
    rk_engine engine;
    rk_step step;
    float *contents[MOST];
} learner;

static void open_learner(learner *l, int model, int loss, int dropout_at)
{
    static const int32_t users[] = {0, 0, 1, 2, 3, 4, 5, 5}, items[] = {0, 1, 1, 2, 3, 4, 5, 6};
    rk_graph graph;
    int32_t nodes[(2 + M) * BATCH];
    *l = (learner){.hidden = {4, 3}};
    rk_options *o = &l->options;
    o->model.kind = model;
    o->model.dim = 3;
    o->model.hidden = (rk_ints){.n = 2, .v = l->hidden};
    o->model.dropout = 0.25;
    o->model.dropout_at = dropout_at;
    o->loss.kind = loss;
    o->loss.negative_weight = 2;
    o->loss.bce_w1 = o->loss.bce_w3 = o->loss.temperature = o->loss.power = 1;
    o->loss.l2 = 0.05;
    o->train.batch = BATCH;
    o->train.optimizer = RK_OPTIMIZER_SGD;
    o->sampling.per_positive = M;
    o->run.threads = 1;
    assert_ok(rk__graph_build(&graph, users, items, 8, N_USERS, N_ITEMS));
    assert_ok(rk__engine_open(&l->engine, o, &graph, (rk_engine_how){.device = &rk__device_cpu}));
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    assert_ok(rk__step_create(&l->step, &l->engine, how, NULL));
    assert_ok(rk__engine_bind(&l->engine));
    assert_ok(rk__step_load(&l->step));
    for (int b = 0; b < BATCH; b++) {
        nodes[b] = b < COUNT ? b % 3 : -1;
        nodes[BATCH + b] = b < COUNT ? N_USERS + b % 2 : -1;
        for (int k = 0; k < M; k++) {
            nodes[2 * BATCH + b * M + k] = b < COUNT ? N_USERS + (b + 2 * k) % N_ITEMS : -1;
        }
    }
    assert_ok(
        rk__device_cpu.write(l->engine.context, l->step.stored_nodes, 0, (2 + M) * BATCH, nodes));
}

/* Far from the kinks of relu: of each layer one number is always 0, the others never are. */
static float content(const rk_parameter *p, int64_t element)
{
    if (strncmp(p->name, "mlp.bias", 8) == 0) {
        return element == 1 ? -9 : 5;
    }
    const float size = strstr(p->name, "embedding") ? 4 : 1;
    return size * ((float)((element * 37 + 5) % 23) / 40 - 0.25f);
}

static double loss_at(learner *l, int number)
{
    const rk_parameter *p = &l->engine.model.parameters[number];
    rk_step_state state = {.seed = 2,
                           .step = 3,
                           .batch = BATCH,
                           .draws_per_epoch = COUNT,
                           .learning_rate = 0,
                           .rate_scale = 1};
    assert_ok(rk__step_set_state(&l->step, &state));
    assert_ok(rk__device_cpu.write(l->engine.context, p->stored, 0, p->rows, l->contents[number]));
    assert_ok(rk__step_run(&l->step, 1));
    assert_ok(rk__step_get_state(&l->step, &state));
    return state.last_loss;
}

static void check_parameter(learner *l, int number)
{
    const rk_parameter *p = &l->engine.model.parameters[number];
    const int64_t n = p->rows * p->cols;
    const float h = 0x1p-7f;
    float gradient[256];
    double largest = 0;
    assert_true(n <= 256);
    loss_at(l, number);
    assert_ok(rk__device_cpu.read(l->engine.context, l->step.tensors[number].gradient, 0, p->rows,
                                  gradient));
    for (int64_t i = 0; i < n; i++) {
        float *x = &l->contents[number][i];
        const float here = *x;
        *x = here + h;
        double above = loss_at(l, number);
        *x = here - h;
        double below = loss_at(l, number);
        *x = here;
        double expected = (above - below) / (2 * (double)h);
        if (fabs((double)gradient[i] - expected) > 5e-5 + 2e-3 * fabs(expected)) {
            fail_msg("%s[%d]: the gradient is %g, the difference quotient %g", p->name, (int)i,
                     (double)gradient[i], expected);
        }
        largest = fmax(largest, fabs(expected));
    }
    bool is_level = l->options.loss.kind != RK_LOSS_BCE && strstr(p->name, "bias") != NULL;
    if (largest <= 1e-3 && !is_level) { /* bpr does not see what all scores have in common */
        fail_msg("%s, loss %d: nothing was compared (%g)", p->name, l->options.loss.kind, largest);
    }
    loss_at(l, number);
}

static void gradients_are_difference_quotients(void **unused)
{
    (void)unused;
    static const int models[] = {RK_MODEL_GMF, RK_MODEL_MLP, RK_MODEL_NEUMF};
    static const int losses[] = {RK_LOSS_BCE, RK_LOSS_BPR, RK_LOSS_SOFTMAX};
    static const int places[] = {RK_DROPOUT_OUTPUTS, RK_DROPOUT_INPUTS};
    for (int i = 0; i < 18; i++) {
        learner l;
        open_learner(&l, models[i % 9 / 3], losses[i % 3], places[i / 9]);
        const int n = l.engine.model.n_parameters;
        assert_true(n <= MOST);
        for (int k = 0; k < n; k++) {
            const rk_parameter *p = &l.engine.model.parameters[k];
            l.contents[k] = calloc((size_t)(p->rows * p->cols), sizeof *l.contents[k]);
            for (int64_t j = 0; j < p->rows * p->cols; j++) {
                l.contents[k][j] = content(p, j);
            }
            assert_ok(rk__device_cpu.write(l.engine.context, p->stored, 0, p->rows, l.contents[k]));
        }
        for (int k = 0; k < n; k++) {
            check_parameter(&l, k);
            free(l.contents[k]);
        }
        rk__step_free(&l.step);
        rk__engine_close(&l.engine);
    }
}

/* model.from: the scores begin as the mean of those of gmf and mlp, in whatever order they are
 * named; what fits neither is refused. */
static void neumf_begins_as_the_mean_of_its_halves(void **unused)
{
    (void)unused;
    static const char *const of[] = {"model.kind=mlp", "model.kind=gmf"};
    fitted_data d;
    char *folder = test_scratch(), from[1300], twice[1300];
    char paths[2][600];
    fitted halves[2];
    fitted_data_init(&d, USERS, ITEMS, false);
    for (int i = 0; i < 2; i++) {
        const char *settings[] = {of[i],
                                  "model.dim=5",
                                  "train.epochs=3",
                                  "train.batch=64",
                                  "loss.kind=bce",
                                  i == 0 ? "model.hidden=[6, 4]" : NULL,
                                  NULL};
        snprintf(paths[i], sizeof paths[i], "%s", test_path(folder, of[i]));
        halves[i] = fitted_fit(&d, settings);
        assert_ok(rk_model_save(halves[i].model, paths[i], false));
    }
    snprintf(from, sizeof from, "model.from=[%s, %s]", paths[0], paths[1]);
    snprintf(twice, sizeof twice, "model.from=[%s, %s]", paths[0], paths[0]);
    const char *settings[] = {"model.kind=neumf",
                              "model.dim=5",
                              "model.hidden=[6, 4]",
                              "train.epochs=0",
                              "loss.kind=bce",
                              from,
                              NULL};
    fitted f = fitted_fit(&d, settings);
    for (int u = 0; u < USERS; u++) {
        float *scores = fitted_user_scores(f.model, u);
        float *first = fitted_user_scores(halves[0].model, u);
        float *second = fitted_user_scores(halves[1].model, u);
        double expected[ITEMS];
        for (int i = 0; i < ITEMS; i++) {
            expected[i] = ((double)first[i] + (double)second[i]) / 2;
        }
        fitted_assert_near("the mean of both", scores, expected, ITEMS, 1e-5);
        free(scores);
        free(first);
        free(second);
    }
    settings[5] = twice;
    assert_int_equal(fitted_refuses(&d, settings), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "name one of gmf and one of mlp"));
    settings[5] = from;
    settings[2] = "model.hidden=[6, 3]";
    assert_int_equal(fitted_refuses(&d, settings), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "set model.hidden=[6, 4]"));
    fitted_free(&f);
    fitted_free(&halves[0]);
    fitted_free(&halves[1]);
    fitted_data_free(&d);
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_formulas),
        cmocka_unit_test(what_it_cannot_do),
        cmocka_unit_test(neumf_begins_as_the_mean_of_its_halves),
        cmocka_unit_test(gradients_are_difference_quotients),
    };
    return cmocka_run_group_tests_name("ncf", tests, NULL, NULL);
}
