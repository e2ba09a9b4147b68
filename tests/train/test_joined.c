/*
 * Models that propagate over interactions and relations as one graph (model.relations): the tables
 * that scoring reads against dense matrices in double, gradients against difference quotients,
 * whole runs, and what is refused.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "config/options.h"
#include "data/dataset.h"
#include "support/sides.h"
#include "train/fitted.h"
#include "train/set_up.h"

enum { USERS = 9, ITEMS = 7, TAGS = 4, N = USERS + ITEMS + TAGS, DIM = 5, SEED = 4 };

static bool drawn(uint64_t what, int64_t a, int64_t b, double chance)
{
    const rk_words w =
        rk__philox(SEED, RK_PURPOSE_SYNTH, (uint32_t)what, (uint64_t)(64 * a + b), 0);
    return (double)rk__uniform(w.v[0]) < chance;
}

/* Dense and symmetric. */
typedef struct matrix {
    double v[N][N];
} matrix;

static void join(matrix *m, int64_t a, int64_t b, double weight)
{
    m->v[a][b] += weight;
    if (a != b) {
        m->v[b][a] += weight;
    }
}

/* ---- the data ---- */

static bool buys(int64_t u, int64_t i)
{
    return u == i || drawn(0, u, i, 0.3) || (u >= ITEMS && i == 0);
}

static bool views(int64_t u, int64_t i)
{
    return drawn(1, u, i, 0.5);
}

static bool has_tag(int64_t i, int64_t t)
{
    return t == i % TAGS || drawn(2, i, t, 0.2);
}

/* As it is read, from one side or both. */
static bool is_friend(int64_t a, int64_t b)
{
    return drawn(3, a, b, 0.2);
}

static void put_rows(const char *name, const char *header, int64_t n, int64_t m,
                     bool (*has)(int64_t, int64_t))
{
    char text[4000];
    size_t at = (size_t)snprintf(text, sizeof text, "%s\n", header);
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < m; b++) {
            if (has(a, b)) {
                at += (size_t)snprintf(text + at, sizeof text - at, "%d,%d\n", (int)a, (int)b);
            }
        }
    }
    sides_put(name, text);
}

/* The adjacency of interactions and of the relations that `names` has, with their weights. */
static matrix adjacency(const char *names, const double *weights)
{
    matrix m = {0};
    int n = 0;
    for (int64_t u = 0; u < USERS; u++) {
        for (int64_t i = 0; i < ITEMS; i++) {
            join(&m, u, USERS + i, buys(u, i));
        }
    }
    if (strstr(names, "view")) {
        for (int64_t u = 0; u < USERS; u++) {
            for (int64_t i = 0; i < ITEMS; i++) {
                join(&m, u, USERS + i, views(u, i) * weights[n]);
            }
        }
        n++;
    }
    if (strstr(names, "tagged")) {
        for (int64_t i = 0; i < ITEMS; i++) {
            for (int64_t t = 0; t < TAGS; t++) {
                join(&m, USERS + i, USERS + ITEMS + t, has_tag(i, t) * weights[n]);
            }
        }
        n++;
    }
    if (strstr(names, "friends")) {
        for (int64_t a = 0; a < USERS; a++) {
            for (int64_t b = a; b < USERS; b++) {
                join(&m, a, b, (is_friend(a, b) || is_friend(b, a)) * weights[n]);
            }
        }
    }
    return m;
}

/* A config of the data and these settings, ended by NULL. */
static rk_config *configure(const char *const *settings)
{
    rk_config *config = NULL;
    put_rows("train.csv", "user_id,item_id", USERS, ITEMS, buys);
    put_rows("view.csv", "user_id,item_id", USERS, ITEMS, views);
    put_rows("tags.csv", "item_id,tag_id", ITEMS, TAGS, has_tag);
    put_rows("friends.csv", "user,friend", USERS, USERS, is_friend);
    assert_ok(sides_config(&config,
                           "    sources: [{file: train.csv, part: train}]\n"
                           "    relations:\n"
                           "        - {name: view, file: view.csv}\n"
                           "        - {name: tagged, from: item, to: tag, file: tags.csv}\n"
                           "        - {name: friends, from: user, to: user, file: friends.csv,\n"
                           "           head: user, tail: friend}\n"));
    static const char *const common[] = {"run.threads=2",    "run.device=cpu", "split.kind=given",
                                         "eval.every=0",     "eval.k=[2]",     "eval.metric=ndcg@2",
                                         "eval.select=last", "train.epochs=2", "train.batch=8",
                                         "model.layers=3",   "model.init_sd=1"};
    assert_ok(rk_config_set(config, "model.dim=5", "test"));
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(config, common[i], "test"));
    }
    for (int i = 0; settings[i]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

/* ---- what comes out ---- */

/* y = L A R x by rows; n: rows that there are. */
static void multiply(const matrix *a, const double *left, const double *right, int n,
                     const double x[N][DIM], double y[N][DIM])
{
    for (int r = 0; r < n; r++) {
        for (int k = 0; k < DIM; k++) {
            y[r][k] = 0;
            for (int c = 0; c < n; c++) {
                y[r][k] += left[r] * a->v[r][c] * right[c] * x[c][k];
            }
        }
    }
}

static void degree_powers(const matrix *a, double exponent, double out[N])
{
    for (int r = 0; r < N; r++) {
        double degree = 0;
        for (int c = 0; c < N; c++) {
            degree += a->v[r][c];
        }
        out[r] = degree > 0 ? pow(degree, exponent) : 0;
    }
}

static void unit(int n, double x[N][DIM])
{
    for (int r = 0; r < n; r++) {
        double length = 0;
        for (int k = 0; k < DIM; k++) {
            length += x[r][k] * x[r][k];
        }
        for (int k = 0; k < DIM; k++) {
            x[r][k] /= sqrt(length);
        }
    }
}

/* The sum of the layers, the first of which is in x; final and what new users are made of. */
typedef struct expected {
    double final[N][DIM], fold[N][DIM];
} expected;

static void expect_lightgcn(const matrix *a, int n, double x[N][DIM], expected *e)
{
    double scale[N], y[N][DIM];
    degree_powers(a, -0.5, scale);
    for (int layer = 0; layer <= 3; layer++) {
        for (int r = 0; r < n; r++) {
            for (int k = 0; k < DIM; k++) {
                e->final[r][k] += x[r][k] / 4;
                e->fold[r][k] += layer < 3 ? scale[r] * x[r][k] / 4 : 0;
            }
        }
        multiply(a, scale, scale, n, x, y);
        memcpy(x, y, sizeof y);
    }
}

/* Of the defaults alpha 0.6, beta -0.1, gamma 0.2. */
static void expect_lightgcn_pp(const matrix *a, int n, double x[N][DIM], expected *e)
{
    double left[N], right[N], y[N][DIM];
    degree_powers(a, -0.6, left);
    degree_powers(a, 0.1, right);
    for (int r = 0; r < n; r++) {
        for (int k = 0; k < DIM; k++) {
            e->final[r][k] = 0.2 * x[r][k];
        }
    }
    for (int layer = 1; layer <= 3; layer++) {
        unit(n, x);
        for (int r = 0; r < n; r++) {
            for (int k = 0; k < DIM; k++) {
                e->fold[r][k] += 0.8 / 3 * right[r] * x[r][k];
            }
        }
        multiply(a, left, right, n, x, y);
        memcpy(x, y, sizeof y);
        for (int r = 0; r < n; r++) {
            for (int k = 0; k < DIM; k++) {
                e->final[r][k] += 0.8 / 3 * x[r][k];
            }
        }
    }
}

static void compare(const char *what, const rk_model *model, const char *name, int n,
                    const double wanted[N][DIM])
{
    int64_t rows = 0, cols = 0;
    float *found = fitted_tensor(model, name, &rows, &cols);
    assert_int_equal(rows, n);
    assert_int_equal(cols, DIM);
    fitted_assert_near(what, found, &wanted[0][0], rows * cols, 3e-6);
    free(found);
}

static double dot(const double *a, const double *b)
{
    double sum = 0;
    for (int k = 0; k < DIM; k++) {
        sum += a[k] * b[k];
    }
    return sum;
}

/* Somebody new with the items 1 and 4: layers of a node that was not there. */
static void check_new_user(const rk_model *model, const expected *e, double power)
{
    static const int32_t items[] = {1, 4};
    double query[DIM], wanted[ITEMS];
    for (int k = 0; k < DIM; k++) {
        query[k] = pow(2, -power) * (e->fold[USERS + 1][k] + e->fold[USERS + 4][k]);
    }
    for (int i = 0; i < ITEMS; i++) {
        wanted[i] = dot(query, e->final[USERS + i]);
    }
    float *scores = fitted_list_scores(model, items, NULL, 2);
    fitted_assert_near("somebody new", scores, wanted, ITEMS, 1e-5);
    free(scores);
}

static void check(const char *kind, const char *names, const char *weights, const double *numbers)
{
    char relations[80], set_weights[80], set_kind[80];
    snprintf(relations, sizeof relations, "model.relations=%s", names);
    snprintf(set_weights, sizeof set_weights, "model.relation_weights=%s", weights);
    snprintf(set_kind, sizeof set_kind, "model.kind=%s", kind);
    const char *const settings[] = {relations, set_weights, set_kind, NULL};
    const bool is_pp = strcmp(kind, "lightgcn++") == 0;
    const int n = strstr(names, "tagged") ? N : USERS + ITEMS;
    rk_config *config = configure(settings);
    rk_train_options how = rk_train_defaults();
    rk_dataset *dataset = NULL;
    rk_model *model = NULL;
    expected e = {0};
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    int64_t rows = 0;
    float *embedding = fitted_tensor(model, "embedding", &rows, NULL);
    assert_int_equal(rows, n);
    double x[N][DIM] = {0};
    for (int64_t i = 0; i < n * DIM; i++) {
        (&x[0][0])[i] = (double)embedding[i];
    }
    const matrix a = adjacency(names, numbers);
    (is_pp ? expect_lightgcn_pp : expect_lightgcn)(&a, n, x, &e);
    compare(kind, model, "final", n, e.final);
    compare(kind, model, "fold", n, e.fold);
    check_new_user(model, &e, is_pp ? 0.6 : 0.5);
    double wanted[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        wanted[i] = dot(e.final[3], e.final[USERS + i]);
    }
    float *scores = fitted_user_scores(model, 3);
    fitted_assert_near("user 3", scores, wanted, ITEMS, 1e-5);
    free(scores);
    free(embedding);
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

static const double ones[] = {1, 1, 1};

static void models_equal_dense_matrices(void **state)
{
    (void)state;
    check("lightgcn", "view", "[1]", ones);
    check("lightgcn", "view, tagged,friends", "[1]", ones);
    check("lightgcn++", "view,tagged,friends", "[1]", ones);
    check("lightgcn++", "tagged", "[1]", ones);
    static const double weights[] = {0.5, 2, 3}, halves[] = {0.5, 0.5, 0.5};
    check("lightgcn", "view,tagged,friends", "[0.5, 2, 3]", weights);
    check("lightgcn++", "view,tagged,friends", "[0.5]", halves);
}

/* ---- gradients ---- */

enum { BATCH = 6 };

typedef struct world {
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
    float values[N * DIM];
} world;

static void open_world(world *w, const char *const *settings)
{
    *w = (world){.config = configure(settings)};
    const rk_step_how how = {.given_batch = true, .keeps_gradients = true};
    rk_graph graph = {0};
    assert_ok(rk_config_set(w->config, "train.batch=6", "test"));
    assert_ok(rk_config_set(w->config, "loss.l2=0", "test"));
    assert_ok(rk_config_set(w->config, "train.optimizer=sgd", "test"));
    assert_ok(rk_dataset_prepare(w->config, false, NULL, &w->dataset));
    const rk_lists *train = &w->dataset->parts[RK_TRAIN];
    assert_ok(rk__graph_build_lists(&graph, train->offsets, train->items, USERS, ITEMS));
    assert_ok(rk__engine_open(&w->engine, rk__config_options(w->config), &graph,
                              (rk_engine_how){.device = &rk__device_cpu, .dataset = w->dataset}));
    assert_ok(rk__step_create(&w->step, &w->engine, how, NULL));
    assert_ok(rk__scorer_create(&w->scorer, &w->engine, (rk_scorer_data){.parts = {NULL}}));
    assert_ok(rk__engine_bind(&w->engine));
    assert_ok(rk__step_load(&w->step));
    static const int32_t nodes[3 * BATCH] = {0,  3,  3, 8,  5,  1,  9, 12, 10,
                                             14, 11, 9, 15, 13, 15, 9, 12, 10};
    assert_ok(rk__device_cpu.write(w->engine.context, w->step.stored_nodes, 0, 3 * BATCH, nodes));
    rk__parameter_init(&w->engine.model.parameters[0], 0, SEED, w->values);
}

static double loss_at(world *w)
{
    rk_step_state state = {.batch = BATCH, .draws_per_epoch = BATCH, .seed = 7};
    const rk_parameter *p = &w->engine.model.parameters[0];
    assert_ok(rk__device_cpu.write(w->engine.context, p->stored, 0, p->rows, w->values));
    assert_ok(rk__step_set_state(&w->step, &state));
    assert_ok(rk__step_run(&w->step, 1));
    assert_ok(rk__step_get_state(&w->step, &state));
    return state.last_loss;
}

static void check_quotients(const char *const *settings)
{
    const float step = 0x1p-8f;
    float gradient[N * DIM];
    double largest = 0, of_tags = 0;
    world w;
    open_world(&w, settings);
    assert_int_equal(w.engine.model.parameters[0].rows, N);
    loss_at(&w);
    memcpy(gradient, rk__device_cpu.peek(w.engine.context, w.step.tensors[0].gradient),
           sizeof gradient);
    for (int j = 0; j < N * DIM; j++) {
        const float here = w.values[j];
        w.values[j] = here + step;
        double above = loss_at(&w), width = (double)w.values[j];
        w.values[j] = here - step;
        double wanted = (above - loss_at(&w)) / (width - (double)w.values[j]);
        w.values[j] = here;
        if (fabs((double)gradient[j] - wanted) > 5e-5 + 1e-3 * fabs(wanted)) {
            fail_msg("%s: gradient of element %d is %g, the quotient %g", settings[0], j,
                     (double)gradient[j], wanted);
        }
        largest = fmax(largest, fabs(wanted));
        of_tags = j >= (USERS + ITEMS) * DIM ? fmax(of_tags, fabs(wanted)) : of_tags;
    }
    assert_true(largest > 0.01 && of_tags > 0.001);
    rk__tear_down(&w.engine, &w.step, &w.scorer);
    rk_dataset_free(w.dataset);
    rk_config_free(w.config);
}

static void gradients_are_difference_quotients(void **state)
{
    (void)state;
    check_quotients((const char *const[]){"model.relations=view,tagged,friends", NULL});
    check_quotients((const char *const[]){"model.relations=tagged", "model.kind=lightgcn++", NULL});
    check_quotients(
        (const char *const[]){"model.relations=tagged,friends", "loss.contrast=sgl", NULL});
    check_quotients((const char *const[]){"model.relations=tagged,friends",
                                          "model.relation_weights=[0.5, 3]", NULL});
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *settings[3], *message;
    } cases[] = {
        {{"model.relations=view,likes"}, "names 'likes', but data.relations has view, tagged, fr"},
        {{"model.relations=view, tagged ,view"}, "names 'view' twice"},
        {{"model.relations=view,tagged", "model.relation_weights=[1, 2, 3]"},
         "has 3 weights, but model.relations"},
        {{"model.relations=view", "model.relation_weights=[-1]"}, "is out of range"},
        {{"model.relations=view", "graph.form=gram"}, "take graph.form direct"},
        {{"model.relations=view", "model.kind=mf"}, "model.relations is view"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const none[] = {NULL};
        rk_config *config = configure(none);
        rk_status status = RK_OK;
        for (int k = 0; k < 3 && cases[i].settings[k] && status == RK_OK; k++) {
            status = rk_config_set(config, cases[i].settings[k], "test");
        }
        assert_fails(RK_ERR_CONFIG, cases[i].message,
                     status == RK_OK ? rk_config_check(config) : status);
        rk_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_equal_dense_matrices, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(gradients_are_difference_quotients, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(bad_options_are_refused, sides_set_up, sides_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
