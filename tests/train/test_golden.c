/*
 * Three training steps against PyTorch: same graph, same initial values, same triplets; losses,
 * gradients, weights and Adam's moments within 1e-5. The files in tests/golden come from
 * tools/make_golden.py, which computes in double what is compared here with float tables.
 */
#include <math.h>

#include "config/options.h"
#include "device/device.h"
#include "models/model.h"
#include "support/golden.h"
#include "train/neighbour_term.h"
#include "train/sampling.h"

enum { STEPS = 3, MOST_SLOTS = 8 /* of a triplet */ };

typedef struct world {
    golden golden;
    rk_config *config;
    const rk_options *options; /* of config */
    rk_graph graph;
    rk_store store;
    rk_model_instance model;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    rk_sampling sampling;
    rk_neighbours neighbours;
    int32_t state, nodes, gradient, m, v;
    int64_t n_users, n_nodes, slots_per_triplet;
    double floor; /* see compare */
} world;

static void make_graph(world *w)
{
    const golden_array *edges = golden_get(&w->golden, "edges", 0);
    int32_t *users = calloc((size_t)edges->rows, sizeof *users);
    int32_t *items = calloc((size_t)edges->rows, sizeof *items);
    const double *sizes = golden_get(&w->golden, "sizes", 0)->v;
    w->n_users = (int64_t)sizes[0];
    w->n_nodes = w->n_users + (int64_t)sizes[1];
    for (int64_t e = 0; e < edges->rows; e++) {
        users[e] = (int32_t)edges->v[2 * e];
        items[e] = (int32_t)edges->v[2 * e + 1];
    }
    assert_ok(
        rk__graph_build(&w->graph, users, items, edges->rows, w->n_users, w->n_nodes - w->n_users));
    free(users), free(items);
}

static void build(world *w)
{
    const rk_options *o = w->options;
    rk_program *p = &w->program;
    rk__program_init(p, &w->store, "golden");
    const int32_t stored = w->model.parameters[0].stored;
    rk_value parameter = rk__use(p, stored), state = rk__use(p, w->state);
    rk_graph_values graph = {rk__use(p, rk__store_find(&w->store, "offsets")),
                             rk__use(p, rk__store_find(&w->store, "columns")),
                             rk__use(p, rk__store_find(&w->store, "scale"))};
    rk_value nodes = rk__use(p, w->nodes);
    rk_row_set rows = rk__unique_rows(p, nodes, w->n_nodes);
    rk_objective_values batch = {.rows = rows,
                                 .state = state,
                                 .logit_bias = rk__sampling_use_logit_bias(p, &w->store),
                                 .degree_factor = rk__sampling_use_degree_factor(p, &w->store)};
    rk_value gradient = RK_NONE;
    batch.final = w->model.model->embed(&w->model, p, graph, &parameter, &rows, &batch.ego);
    rk__neighbour_term_embed(p, &w->model, graph, &parameter, nodes, &batch);
    assert_ok(rk__objective_append(p, o, &batch, w->slots_per_triplet - 2));
    assert_ok(rk__program_backward(p, &stored, 1, &gradient));
    if (o->train.optimizer == RK_OPTIMIZER_ADAM) {
        rk__adam(p, parameter, gradient, rk__use(p, w->m), rk__use(p, w->v), state,
                 (rk_adam_attr){o->train.beta1, o->train.beta2, o->train.epsilon,
                                o->train.weight_decay});
    } else {
        rk__sgd(p, parameter, gradient, state, o->train.weight_decay);
    }
    rk__assign(p, w->gradient, gradient); /* behind its readers: they are redirected, too */
    rk__step_loss(p, state);
    rk__step_advance(p, state);
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
}

static void write_table(world *w, int32_t stored, const golden_array *a)
{
    float *host = calloc((size_t)(a->rows * a->cols), sizeof *host);
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        host[i] = (float)a->v[i];
    }
    assert_ok(rk__device_cpu.write(w->context, stored, 0, a->rows, host));
    free(host);
}

static void open_world(world *w, const char *name)
{
    *w = (world){0};
    assert_ok(rk_config_create(&w->config));
    golden_read(&w->golden, name, w->config);
    w->options = rk__config_options(w->config);
    bool is_plain =
        w->options->loss.kind == RK_LOSS_BPR && w->options->loss.logits == RK_LOGITS_AUTO;
    w->floor = is_plain ? 0.01 : 0.1;
    make_graph(w);
    const rk_graph *g = &w->graph;
    const int64_t n = w->n_nodes, d = w->options->model.dim;
    rk_store *s = &w->store;
    int32_t ignored = 0;
    assert_ok(rk__store_add(s, "offsets", RK_I64, n + 1, 1, g->offsets, &ignored));
    assert_ok(rk__store_add(s, "columns", RK_I32, 2 * g->n_edges, 1, g->columns, &ignored));
    assert_ok(rk__store_add(s, "scale", RK_F32, n, 1, g->scale, &ignored));
    rk_sample_attr sample;
    assert_ok(rk__sampling_init(&w->sampling, g, w->options));
    assert_ok(rk__sampling_declare(&w->sampling, w->options, g, s, &sample));
    w->slots_per_triplet = 2 + sample.n_candidates;
    assert_ok(rk__store_add(s, "nodes", RK_I32, w->slots_per_triplet * w->options->train.batch, 1,
                            NULL, &w->nodes));
    assert_ok(rk__store_add(s, "gradient", RK_F32, n, d, NULL, &w->gradient));
    assert_ok(rk__store_add(s, "m", RK_F32, n, d, NULL, &w->m));
    assert_ok(rk__store_add(s, "v", RK_F32, n, d, NULL, &w->v));
    assert_ok(rk__store_add(s, "step_state", RK_STATE, 1, 1, NULL, &w->state));
    assert_ok(rk__model_declare(&w->model, w->options, w->n_users, n - w->n_users, s));
    assert_ok(rk__neighbour_term_init(&w->neighbours, g, w->options, NULL));
    assert_ok(rk__neighbour_term_declare(&w->neighbours, s));
    build(w);
    rk_device_options how = {.threads = 2};
    assert_ok(rk__device_cpu.open(&how, &w->context));
    assert_ok(rk__device_cpu.bind(w->context, s));
    assert_ok(rk__device_cpu.load(w->context, &w->program, &w->loaded));
    write_table(w, w->model.parameters[0].stored, golden_get(&w->golden, "initial", 0));
}

static void close_world(world *w)
{
    rk__device_cpu.close(w->context);
    rk__program_free(&w->program);
    rk__store_free(&w->store);
    rk__sampling_free(&w->sampling);
    rk__neighbours_free(&w->neighbours);
    rk__graph_free(&w->graph);
    golden_free(&w->golden);
    rk_config_free(w->config);
}

/* A step's triplets by slot; slots behind a short batch are -1. Returns how many there are. */
static int64_t write_triplets(world *w, int step)
{
    const golden_array *t = golden_get(&w->golden, "triplets", step);
    const int64_t batch = w->options->train.batch;
    int32_t nodes[MOST_SLOTS * 64];
    const int64_t candidates = w->slots_per_triplet - 2;
    assert_in_range(batch, t->rows, 64);
    assert_in_range(w->slots_per_triplet, 2, candidates == 0 ? MOST_SLOTS : t->cols);
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t k = 0; k < w->slots_per_triplet; k++) {
            int64_t node = b < t->rows ? (int64_t)t->v[t->cols * b + k] : -1;
            int64_t slot = k < 2 ? k * batch + b : 2 * batch + b * candidates + k - 2;
            nodes[slot] = (int32_t)(node >= 0 && k > 0 ? node + w->n_users : node);
        }
    }
    assert_ok(rk__device_cpu.write(w->context, w->nodes, 0, w->slots_per_triplet * batch, nodes));
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
    assert_ok(rk__device_cpu.read(w->context, stored, 0, a->rows, host));
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

static void compare_losses(world *w, int step, const rk_step_state *before,
                           const rk_step_state *after)
{
    const golden_array *loss = golden_get(&w->golden, "loss", step);
    assert_int_equal(loss->cols, w->options->loss.neighbours > 0 ? 4 : 3);
    for (int64_t k = 0; k < loss->cols; k++) {
        assert_close(after->loss_sum[k] - before->loss_sum[k], loss->v[k], 1e-5, 1e-12);
    }
    assert_close(after->last_loss, loss->v[0], 1e-5, 0);
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
        assert_ok(rk__device_cpu.write(w.context, w.state, 0, 1, &state));
        assert_ok(rk__device_cpu.run(w.context, w.loaded, 1));
        assert_ok(rk__device_cpu.sync(w.context));
        assert_ok(rk__device_cpu.read(w.context, w.state, 0, 1, &after));
        assert_int_equal(after.step, step);
        compare_losses(&w, step, &state, &after);
        compare(&w, file, "gradient", step, w.gradient);
        compare(&w, file, "weights", step, w.model.parameters[0].stored);
        compare(&w, file, "m", step, w.m);
        compare(&w, file, "v", step, w.v);
        state = after;
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
