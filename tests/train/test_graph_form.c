/* graph.form: the Gram matrix itself, runs of both forms against each other, the choice. */
#include <math.h>
#include <omp.h>

#include "base/alloc.h"
#include "graph/gram.h"
#include "train/planted.h"
#include "train/set_up.h"

/* ---- the matrix ---- */

static rk_graph planted_graph(rk_dataset *dataset)
{
    rk_graph g = {0};
    const rk_lists *train = &dataset->parts[RK_TRAIN];
    assert_ok(rk__graph_build_lists(&g, train->offsets, train->items, dataset->n_users,
                                    dataset->n_items));
    return g;
}

/* R^T R from the definition, R dense; the nodes of the side are [first, first + n). */
static double *dense_gram(const rk_graph *g, int64_t first, int64_t n)
{
    double *r = calloc((size_t)(g->n_nodes * n), sizeof *r),
           *c = calloc((size_t)(n * n), sizeof *c);
    assert_true(r && c);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t e = g->offsets[first + i]; e < g->offsets[first + i + 1]; e++) {
            int64_t other = g->columns[e];
            r[other * n + i] = 1 / sqrt((double)rk__graph_degree(g, first + i) *
                                        (double)rk__graph_degree(g, other));
        }
    }
    for (int64_t other = 0; other < g->n_nodes; other++) {
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < n; j++) {
                c[i * n + j] += r[other * n + i] * r[other * n + j];
            }
        }
    }
    free(r);
    return c;
}

static void check_gram(const rk_graph *g, int64_t first, int64_t n)
{
    double *expected = dense_gram(g, first, n);
    float *reference = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        float *gram = NULL;
        omp_set_num_threads(threads);
        assert_ok(rk__gram_build(&gram, g, first, n));
        for (int64_t i = 0; i < n * n; i++) {
            assert_close((double)gram[i], expected[i], 1e-7, 0);
            assert_true(gram[i] == gram[i % n * n + i / n]); /* symmetric to the last bit */
        }
        if (reference) {
            assert_memory_equal(gram, reference, (size_t)(n * n) * sizeof *gram);
            rk__free(gram);
        } else {
            reference = gram;
        }
    }
    rk__free(reference);
    free(expected);
}

static void the_matrix_is_the_product(void **state)
{
    (void)state;
    rk_dataset *dataset = planted_dataset(true);
    rk_graph g = planted_graph(dataset);
    check_gram(&g, 0, g.n_users);
    check_gram(&g, g.n_users, g.n_items);
    float *gram = NULL;
    for (int64_t n = 0; n < 2; n++) { /* each allocation fails in turn */
        rk__alloc_fail_after(n);
        assert_int_equal(rk__gram_build(&gram, &g, 0, g.n_users), RK_ERR_MEMORY);
        rk__alloc_fail_after(-1);
    }
    assert_null(gram);
    rk__graph_free(&g);
    planted_free(dataset);
}

/* ---- runs ---- */

typedef struct fixture {
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
} fixture;

static rk_status try_set_up(fixture *f, const char *form, const char *const *settings)
{
    static const char *const common[] = {"run.device=cpu", "model.dim=12", "train.batch=200",
                                         "train.learning_rate=0.01", "train.steps_per_epoch=1000"};
    *f = (fixture){.dataset = planted_dataset(true)};
    assert_ok(rk_config_create(&f->config));
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(f->config, common[i], "test"));
    }
    assert_ok(rk_config_set(f->config, form, "test"));
    for (int i = 0; settings && settings[i]; i++) {
        assert_ok(rk_config_set(f->config, settings[i], "test"));
    }
    RK_TRY(rk__set_up(&f->engine, &f->step, &f->scorer, rk__config_options(f->config), f->dataset,
                      false, NULL));
    rk_step_state state = rk__step_first_state(&f->step);
    return rk__step_set_state(&f->step, &state);
}

static void tear_down(fixture *f)
{
    rk__tear_down(&f->engine, &f->step, &f->scorer);
    planted_free(f->dataset);
    rk_config_free(f->config);
}

static const float *table(fixture *f)
{
    return f->engine.device->peek(f->engine.context, f->engine.model.parameters[0].stored);
}

static int count_of(const rk_program *p, rk_op op)
{
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].op == op;
    }
    return n;
}

/* Losses step by step and weights at the end, within 1e-5; the Gram form's program has two halves
 * of a propagation, two at the batch's rows, and as few products as there can be. */
static void same_course(int64_t layers, const char *const *settings)
{
    fixture direct, gram;
    assert_ok(try_set_up(&direct, "graph.form=direct", settings));
    assert_ok(try_set_up(&gram, "graph.form=gram", settings));
    const rk_program *p = &gram.step.phases[0];
    assert_int_equal(count_of(p, RK_OP_FOLD), 1);
    assert_int_equal(count_of(p, RK_OP_UNFOLD), 1);
    assert_int_equal(count_of(p, RK_OP_UNFOLD_ROWS), 1);
    assert_int_equal(count_of(p, RK_OP_FOLD_FROM_ROWS), 1);
    assert_int_equal(count_of(p, RK_OP_GRAM_PRODUCT), 2 * (layers / 2));
    assert_int_equal(count_of(p, RK_OP_PROPAGATE), 0);
    assert_int_equal(count_of(&direct.step.phases[0], RK_OP_GRAM_PRODUCT), 0);
    for (int step = 0; step < 20; step++) {
        rk_step_state a, b;
        assert_ok(rk__step_run(&direct.step, 1));
        assert_ok(rk__step_run(&gram.step, 1));
        assert_ok(rk__step_get_state(&direct.step, &a));
        assert_ok(rk__step_get_state(&gram.step, &b));
        assert_close(b.last_loss, a.last_loss, 1e-5, 0);
    }
    const float *a = table(&direct), *b = table(&gram);
    int64_t n = gram.engine.graph.n_nodes * 12;
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)a[i] * (double)a[i];
    }
    assert_true(sqrt(difference / size) < 1e-5);
    tear_down(&direct);
    tear_down(&gram);
}

static void both_forms_take_the_same_course(void **state)
{
    (void)state;
    for (int64_t layers = 1; layers <= 10; layers += layers < 5 ? 1 : 5) {
        char depth[32];
        snprintf(depth, sizeof depth, "model.layers=%d", (int)layers);
        const char *const mean[] = {depth, NULL};
        const char *const last[] = {depth, "model.layer_weights=last", "train.optimizer=sgd",
                                    "train.learning_rate=1", NULL};
        same_course(layers, mean);
        same_course(layers, last);
    }
    static const char *const others[] = {"sampling.negatives=dynamic", "loss.l2_on=propagated",
                                         "model.layer_weights=mean_without_ego", NULL};
    same_course(3, others);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    static const char *const one[] = {"run.threads=1", NULL}, *const two[] = {"run.threads=2",
                                                                              NULL};
    fixture f[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(try_set_up(&f[i], "graph.form=gram", i ? two : one));
        assert_ok(rk__step_run(&f[i].step, 10));
    }
    size_t bytes = (size_t)f[0].engine.graph.n_nodes * 12 * sizeof(float);
    assert_memory_equal(table(&f[0]), table(&f[1]), bytes);
    tear_down(&f[0]);
    tear_down(&f[1]);
}

/* ---- the choice ---- */

/* A graph of sizes only: every user has the same number of items, every item of users. */
static rk_graph sizes_of(int64_t n_users, int64_t n_items, int64_t n_edges)
{
    rk_graph g = {.n_users = n_users, .n_items = n_items, .n_nodes = n_users + n_items};
    g.n_edges = n_edges;
    g.offsets = calloc((size_t)g.n_nodes + 1, sizeof *g.offsets);
    assert_non_null(g.offsets);
    for (int64_t v = 0; v < g.n_nodes; v++) {
        bool is_item = v >= n_users;
        int64_t place = is_item ? v - n_users + 1 : v + 1, of = is_item ? n_items : n_users;
        g.offsets[v + 1] =
            (is_item ? n_edges : 0) + (int64_t)((double)n_edges / (double)of * (double)place);
    }
    return g;
}

static rk_graph_form decide(const char *const *settings, bool on_cuda, int64_t memory,
                            int64_t n_users, int64_t n_items, int64_t n_edges)
{
    rk_graph_form form;
    rk_config *config = NULL;
    rk_graph g = sizes_of(n_users, n_items, n_edges);
    const rk_device_info info = {.memory_total = memory, .memory_free = memory};
    assert_ok(rk_config_create(&config));
    for (int i = 0; settings && settings[i]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    const rk_options *o = rk__config_options(config);
    rk_status status =
        rk__graph_form_decide(&form, o, rk__models()[o->model.kind], &g, on_cuda, &info);
    form.is_gram = form.is_gram && status == RK_OK;
    free(g.offsets);
    rk_config_free(config);
    return form;
}

static void the_faster_form_is_chosen(void **state)
{
    (void)state;
    const int64_t room = (int64_t)140e9;
    static const char *const two[] = {"model.layers=1", NULL}, *const mf[] = {"model.kind=mf",
                                                                              NULL};
    static const char *const sparse[] = {"cuda.propagation=cusparse", NULL};
    static const char *const fp16[] = {"train.propagation=fp16", NULL};
    static const char *const learned[] = {"model.layer_weights=learned", NULL};
    rk_graph_form form = decide(NULL, true, room, 53398, 9999, 4926384); /* GoodBooks */
    assert_true(form.is_gram);
    assert_int_equal(form.first, 53398);
    assert_int_equal(form.n, 9999);
    assert_int_equal(form.gram_bytes, 4 * 9999LL * 9999);
    assert_true(form.direct_seconds > 1.5e-3 && form.direct_seconds < 2.2e-3);
    form = decide(NULL, true, room, 9209, 631003, 29100000); /* Yambda: the users are few */
    assert_true(form.is_gram && form.first == 0 && form.n == 9209);
    assert_true(decide(NULL, false, room, 9209, 631003, 29100000).is_gram);
    assert_false(decide(NULL, true, room, 29858, 40981, 810128).is_gram); /* Gowalla */
    assert_false(decide(NULL, false, room, 29858, 40981, 810128).is_gram);
    assert_false(decide(NULL, false, room, 53398, 9999, 4926384).is_gram);
    assert_false(decide(NULL, false, room, 1880, 4489, 42135).is_gram); /* lastfm */
    assert_false(decide(two, true, room, 53398, 9999, 4926384).is_gram);
    assert_false(decide(mf, true, room, 53398, 9999, 4926384).is_gram);
    assert_false(decide(learned, true, room, 53398, 9999, 4926384).is_gram);
    assert_false(decide(fp16, true, room, 53398, 9999, 4926384).is_gram);
    assert_false(decide(sparse, true, room, 53398, 9999, 4926384).is_gram);
    assert_false(decide(NULL, true, (int64_t)1e9, 53398, 9999, 4926384).is_gram); /* room */
}

static void what_is_asked_for_is_done_or_refused(void **state)
{
    (void)state;
    static const char *const gram[] = {"graph.form=gram", NULL};
    static const char *const direct[] = {"graph.form=direct", NULL};
    assert_true(decide(gram, false, (int64_t)8e9, 2000, 3000, 50000).is_gram);
    assert_false(decide(direct, true, (int64_t)140e9, 53398, 9999, 4926384).is_gram);
    assert_false(decide(gram, true, (int64_t)300e6, 53398, 9999, 4926384).is_gram);
    assert_non_null(strstr(rk_last_error(), "graph.form is gram: the Gram matrix of 9999 items"));
    assert_non_null(strstr(rk_last_error(), "takes 399.9 MB and 300.0 MB are there for it"));
    fixture f;
    assert_ok(try_set_up(&f, "graph.form=gram", NULL));
    assert_true(f.step.form.is_gram);
    assert_non_null(strstr(f.step.form.reason, "as graph.form says"));
    assert_non_null(strstr(f.step.form.reason, "150 items"));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_matrix_is_the_product),
        cmocka_unit_test(both_forms_take_the_same_course),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(the_faster_form_is_chosen),
        cmocka_unit_test(what_is_asked_for_is_done_or_refused),
    };
    return cmocka_run_group_tests_name("graph_form", tests, NULL, NULL);
}
