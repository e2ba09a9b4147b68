/*
 * Three training steps against PyTorch: same graph, same initial values, same triplets; losses,
 * gradients, weights and Adam's moments within 1e-5. The files in tests/golden come from
 * tools/make_golden.py, which computes in double what is compared here with float tables.
 */
#include <math.h>

#include "config/options.h"
#include "support/golden.h"
#include "train/step.h"

enum { STEPS = 3, MOST_SLOTS = 8 /* of a triplet */, MOST_TERMS = 8 };

typedef struct world {
    golden golden;
    rk_config *config;
    const rk_options *options; /* of config */
    rk_engine engine;
    rk_step step;
    double floor; /* see compare */
} world;

static rk_graph make_graph(const golden *g)
{
    rk_graph graph;
    const golden_array *edges = golden_get(g, "edges", 0);
    int32_t *users = calloc((size_t)edges->rows, sizeof *users);
    int32_t *items = calloc((size_t)edges->rows, sizeof *items);
    const double *sizes = golden_get(g, "sizes", 0)->v;
    for (int64_t e = 0; e < edges->rows; e++) {
        users[e] = (int32_t)edges->v[2 * e];
        items[e] = (int32_t)edges->v[2 * e + 1];
    }
    assert_ok(
        rk__graph_build(&graph, users, items, edges->rows, (int64_t)sizes[0], (int64_t)sizes[1]));
    free(users), free(items);
    return graph;
}

static void write_table(world *w, int32_t stored, const golden_array *a)
{
    float *host = calloc((size_t)(a->rows * a->cols), sizeof *host);
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        host[i] = (float)a->v[i];
    }
    assert_ok(rk__device_cpu.write(w->engine.context, stored, 0, a->rows, host));
    free(host);
}

static void open_world(world *w, const char *name)
{
    *w = (world){0};
    assert_ok(rk_config_create(&w->config));
    golden_read(&w->golden, name, w->config);
    assert_ok(rk_config_set(w->config, "run.threads=2", "test"));
    assert_ok(rk_config_set(w->config, "graph.form=direct", "test"));
    w->options = rk__config_options(w->config);
    bool is_plain =
        w->options->loss.kind == RK_LOSS_BPR && w->options->loss.logits == RK_LOGITS_AUTO;
    w->floor = is_plain ? 0.01 : 0.1;
    rk_graph graph = make_graph(&w->golden);
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    assert_ok(rk__engine_open(&w->engine, w->options, &graph,
                              (rk_engine_how){.device = &rk__device_cpu}));
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    write_table(w, w->step.tensors[0].parameter, golden_get(&w->golden, "initial", 0));
}

static void close_world(world *w)
{
    rk__step_free(&w->step);
    rk__engine_close(&w->engine);
    golden_free(&w->golden);
    rk_config_free(w->config);
}

/* A step's triplets by slot; slots behind a short batch are -1. Returns how many there are. */
static int64_t write_triplets(world *w, int step)
{
    const golden_array *t = golden_get(&w->golden, "triplets", step);
    const int64_t batch = w->options->train.batch;
    int32_t nodes[MOST_SLOTS * 64];
    const int64_t candidates = w->step.sample.n_candidates, slots = 2 + candidates;
    const int32_t n_users = (int32_t)w->engine.graph.n_users;
    assert_in_range(batch, t->rows, 64);
    assert_in_range(slots, 2, candidates == 0 ? MOST_SLOTS : t->cols);
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t k = 0; k < slots; k++) {
            int32_t node = b < t->rows ? (int32_t)t->v[t->cols * b + k] : -1;
            int64_t slot = k < 2 ? k * batch + b : 2 * batch + b * candidates + k - 2;
            nodes[slot] = node >= 0 && k > 0 ? node + n_users : node;
        }
    }
    assert_ok(
        rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0, slots * batch, nodes));
    return t->rows;
}

/* Element by element: relative to the expected value, or to a share of the array's largest where
 * that is more: a hundredth, or a tenth where gradients are differences of near directions. */
static void compare(world *w, const char *file, const char *what, int step, int32_t stored)
{
    const golden_array *a = golden_find(&w->golden, what, step);
    if (!a) {
        return;
    }
    const int64_t n = a->rows * a->cols;
    double largest = 0;
    float *host = calloc((size_t)n, sizeof *host);
    assert_ok(rk__device_cpu.read(w->engine.context, stored, 0, a->rows, host));
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(a->v[i]));
    }
    assert_true(largest > 0);
    for (int64_t i = 0; i < n; i++) {
        double tolerance = 1e-5 * fmax(fabs(a->v[i]), w->floor * largest);
        if (!(fabs((double)host[i] - a->v[i]) <= tolerance)) {
            fail_msg("%s: %s of step %d, row %lld, column %lld: %.9g, PyTorch %.9g", file, what,
                     step, (long long)(i / a->cols), (long long)(i % a->cols), (double)host[i],
                     a->v[i]);
        }
    }
    free(host);
}

/* Of this step alone. */
static void compare_losses(world *w, int step, const rk_step_state *after)
{
    const double zeros[MOST_TERMS] = {0};
    double sums[MOST_TERMS];
    const golden_array *loss = golden_get(&w->golden, "loss", step);
    assert_int_equal(loss->cols, 1 + w->step.n_terms);
    assert_in_range(loss->cols, 1, MOST_TERMS);
    assert_ok(rk__step_get_sums(&w->step, sums));
    for (int64_t k = 0; k < loss->cols; k++) {
        assert_close(sums[k], loss->v[k], 1e-5, 1e-12);
    }
    assert_close(after->last_loss, loss->v[0], 1e-5, 0);
    assert_ok(rk__step_set_sums(&w->step, zeros));
}

static void check(const char *file)
{
    world w;
    open_world(&w, file);
    const rk_options *o = w.options;
    rk_step_state state = {.batch = o->train.batch, .learning_rate = o->train.learning_rate};
    for (int step = 1; step <= STEPS; step++) {
        state.draws_per_epoch += golden_get(&w.golden, "triplets", step)->rows;
    }
    for (int step = 1; step <= STEPS; step++) {
        write_triplets(&w, step);
        rk_step_state after;
        assert_ok(rk__step_set_state(&w.step, &state));
        assert_ok(rk__step_run(&w.step, 1));
        assert_ok(rk__step_get_state(&w.step, &after));
        assert_int_equal(after.step, step);
        compare_losses(&w, step, &after);
        const rk_step_tensors *t = &w.step.tensors[0];
        compare(&w, file, "gradient", step, t->gradient);
        compare(&w, file, "weights", step, t->parameter);
        compare(&w, file, "m", step, t->moment1);
        compare(&w, file, "v", step, t->moment2);
        assert_ok(rk__step_get_state(&w.step, &state));
    }
    close_world(&w);
}

static void lightgcn(void **state)
{
    (void)state;
    check("train_lightgcn");
    check("train_lightgcn_dim20");
}

static void depths_and_weightings(void **state)
{
    (void)state;
    check("train_one_layer");
    check("train_mf");
    check("train_mean_without_ego");
    check("train_last");
}

static void forms_of_l2(void **state)
{
    (void)state;
    static const char *const files[] = {
        "train_l2_large",  "train_l2_none",        "train_l2_norm",    "train_l2_propagated",
        "train_l2_unique", "train_l2_norm_unique", "train_l2_nominal", "train_l2_one",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        check(files[i]);
    }
}

static void softmax_in_the_batch(void **state)
{
    (void)state;
    check("train_softmax");
    check("train_softmax_dot");
    check("train_softmax_bilateral");
}

static void drawn_negatives(void **state)
{
    (void)state;
    check("train_bpr_several");
    check("train_bpr_cosine");
    check("train_hinge");
    check("train_ccl");
    check("train_bce");
    check("train_softmax_drawn");
}

static void align_uniform(void **state)
{
    (void)state;
    check("train_align_uniform");
}

static void neighbours_of_items(void **state)
{
    (void)state;
    check("train_neighbours");
    check("train_neighbours_lightgcn");
    check("train_neighbours_cosine");
}

static void optimizers(void **state)
{
    (void)state;
    check("train_weight_decay");
    check("train_sgd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lightgcn),        cmocka_unit_test(depths_and_weightings),
        cmocka_unit_test(forms_of_l2),     cmocka_unit_test(softmax_in_the_batch),
        cmocka_unit_test(drawn_negatives), cmocka_unit_test(align_uniform),
        cmocka_unit_test(optimizers),      cmocka_unit_test(neighbours_of_items),
    };
    return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
