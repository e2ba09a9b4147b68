/*
 * Models that propagate over interactions and relations as one graph (model.relations): the tables
 * that scoring reads against dense matrices in double, gradients against difference quotients,
 * whole runs, and what is refused.
 */
#include <math.h>

#include "train/fitted.h"
#include "train/joined_world.h"
#include "train/runs.h"

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
    rk_config *config = joined_config(settings);
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
    const matrix a = joined_adjacency(names, numbers);
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
    check("lightgcn", "tagged,linked", "[1]", ones);
    check("lightgcn", "tagged,friends,linked", "[0.5, 2, 3]", weights);
}

/* The vectors that a model comes to, with friends named from one side each or as they are. */
static float *final_vectors(const char *kind, bool is_once, int64_t *n)
{
    const char *const settings[] = {kind, "model.relations=view,friends", NULL};
    rk_config *config = joined_config(settings);
    rk_train_options how = rk_train_defaults();
    rk_dataset *dataset = NULL;
    rk_model *model = NULL;
    int64_t rows = 0, cols = 0;
    if (is_once) {
        joined_put_friends_once();
    }
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    float *final = fitted_tensor(model, "final", &rows, &cols);
    *n = rows * cols;
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
    return final;
}

/* Where types of edges are not told apart, an edge that both its ends name is one. */
static void friends_count_once(void **state)
{
    (void)state;
    static const char *const kinds[] = {"model.kind=lightgcn", "model.kind=gcn", "model.kind=ngcf",
                                        "model.kind=gat"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int64_t n = 0, n_once = 0;
        float *both = final_vectors(kinds[i], false, &n);
        float *once = final_vectors(kinds[i], true, &n_once);
        assert_int_equal(n, n_once);
        for (int64_t k = 0; k < n; k++) {
            if (both[k] != once[k]) {
                fail_msg("%s: number %d is %g, but %g where each pair is named once", kinds[i],
                         (int)k, (double)both[k], (double)once[k]);
            }
        }
        free(both);
        free(once);
    }
}

/* ---- gradients ---- */

static void gradients_are_difference_quotients(void **state)
{
    (void)state;
    joined_check_quotients((const char *const[]){"model.relations=view,tagged,friends", NULL});
    joined_check_quotients(
        (const char *const[]){"model.relations=tagged", "model.kind=lightgcn++", NULL});
    joined_check_quotients(
        (const char *const[]){"model.relations=tagged,friends", "loss.contrast=sgl", NULL});
    joined_check_quotients((const char *const[]){"model.relations=tagged,friends",
                                                 "model.relation_weights=[0.5, 3]", NULL});
}

/* ---- runs ---- */

static rk_status train(const rk_config *config, const char *name, const rk_hooks *hooks,
                       bool resume)
{
    rk_train_options how = rk_train_defaults();
    how.run_dir = sides_path(name);
    how.resume = resume;
    return rk_train(config, &how, hooks);
}

/* free() it. */
static char *read_bytes(const char *path, int64_t *out_size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *out_size = ftell(file);
    rewind(file);
    char *bytes = malloc((size_t)*out_size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)*out_size, file), *out_size);
    fclose(file);
    return bytes;
}

static void assert_same_checkpoint(const char *a, const char *b)
{
    int64_t sizes[2] = {0};
    char *bytes[2], path[2][1000];
    snprintf(path[0], sizeof path[0], "%s/last.h5", sides_path(a));
    snprintf(path[1], sizeof path[1], "%s/last.h5", sides_path(b));
    for (int i = 0; i < 2; i++) {
        bytes[i] = read_bytes(path[i], &sizes[i]);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], (size_t)sizes[0]);
    free(bytes[0]);
    free(bytes[1]);
}

/* Interrupted in the middle of an epoch a run goes on as if it had not been. */
static void runs_resume(void **state)
{
    (void)state;
    static const char *const kinds[][4] = {
        {"model.relations=view,tagged,friends"},
        {"model.relations=tagged", "model.relation_weights=[2]", "model.kind=lightgcn++"},
        {"model.relations=view", "model.kind=mbgcn", "model.dropout=0.2", "model.edge_dropout=0.2"},
        {"model.relations=view", "model.kind=mbgcn_cascade"},
    };
    for (int i = 0; i < 4; i++) {
        const char *const settings[] = {"train.epochs=6", kinds[i][0], kinds[i][1],
                                        kinds[i][2],      kinds[i][3], NULL};
        char whole[16], parts[16];
        stop_after stop;
        snprintf(whole, sizeof whole, "whole%d", i);
        snprintf(parts, sizeof parts, "parts%d", i);
        rk_config *config = joined_config(settings);
        assert_ok(train(config, whole, NULL, false));
        stop_after_init(&stop, 4);
        assert_int_equal(train(config, parts, &stop.hooks, false), RK_ERR_INTERRUPTED);
        assert_ok(train(config, parts, NULL, true));
        assert_same_checkpoint(whole, parts);
        rk_config_free(config);
    }
}

/* In the order of clusters of the joined graph, or of each behaviour's, as in that of the data. */
static void no_bit_depends_on_the_order_of_rows(void **state)
{
    (void)state;
    static const char *const kinds[][2] = {
        {"model.relations=view,tagged,friends", "model.layers=3"},
        {"model.relations=tagged", "model.kind=lightgcn++"},
        {"model.relations=view,tagged", "model.kind=gcn"},
        {"model.relations=view", "model.kind=mbgcn_cascade"},
    };
    static const char *const orders[] = {"graph.order=file", "graph.order=cluster"};
    for (int i = 0; i < 4; i++) {
        const char *const settings[] = {"train.epochs=3", kinds[i][0], kinds[i][1], NULL};
        rk_config *config = joined_config(settings);
        char names[2][16];
        for (int k = 0; k < 2; k++) {
            snprintf(names[k], sizeof names[k], "%s%d", k == 0 ? "file" : "cluster", i);
            assert_ok(rk_config_set(config, orders[k], "test"));
            assert_ok(train(config, names[k], NULL, false));
        }
        rk_config_free(config);
        assert_same_checkpoint(names[0], names[1]);
    }
}

static int64_t count_lines(const char *directory, const char *name)
{
    char path[1000];
    int64_t size = 0, n = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    char *text = read_bytes(path, &size);
    for (int64_t i = 0; i < size; i++) {
        n += text[i] == '\n';
    }
    free(text);
    return n;
}

/* A saved model answers the same, exports users and items only, and a run that begins from it has
 * its tags, too. */
static void models_with_further_nodes_are_saved(void **state)
{
    (void)state;
    const char *const settings[] = {"model.relations=tagged", NULL};
    rk_config *config = joined_config(settings);
    rk_train_options how = rk_train_defaults();
    rk_dataset *dataset = NULL;
    rk_model *model = NULL, *again = NULL;
    int64_t rows = 0;
    char *files = NULL, file[400], folder[400];
    snprintf(file, sizeof file, "%s", sides_path("saved.model"));
    snprintf(folder, sizeof folder, "%s", sides_path("exported"));
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &model));
    assert_ok(rk_model_save(model, file, false));
    assert_ok(rk_model_open(file, "cpu", NULL, NULL, &again));
    float *before = fitted_user_scores(model, 2), *after = fitted_user_scores(again, 2);
    assert_memory_equal(before, after, ITEMS * sizeof *before);
    free(before);
    free(after);
    assert_ok(rk_model_export(model, RK_EXPORT_TSV, folder, false, &files));
    rk_string_free(files);
    assert_int_equal(count_lines(folder, "user_embeddings.tsv"), USERS);
    assert_int_equal(count_lines(folder, "item_embeddings.tsv"), ITEMS);
    rk_model_free(again);
    how.from = file;
    assert_ok(rk_config_set(config, "train.learning_rate=1e-12", "test"));
    assert_ok(rk_config_set(config, "run.seed=99", "test"));
    assert_ok(rk_model_fit(config, &how, NULL, &again));
    before = fitted_tensor(model, "embedding", &rows, NULL);
    after = fitted_tensor(again, "embedding", NULL, NULL);
    assert_int_equal(rows, N);
    for (int j = 0; j < N * DIM; j++) {
        assert_close((double)after[j], (double)before[j], 1e-6, 1);
    }
    free(before);
    free(after);
    rk_model_free(again);
    rk_model_free(model);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* Models with embeddings begin with the factors of a run of mf, and what that has not as drawn. */
static void models_begin_with_factors(void **state)
{
    (void)state;
    const char *const settings[] = {"model.kind=mf", NULL};
    static const char *const kinds[][2] = {
        {"model.kind=lightgcn", "model.relations=tagged"},
        {"model.kind=mbgcn", "model.relations=view"},
        {"model.kind=gmf", NULL},
    };
    rk_config *config = joined_config(settings);
    rk_train_options how = rk_train_defaults();
    rk_dataset *dataset = NULL;
    rk_model *mf = NULL, *model = NULL;
    char file[400];
    snprintf(file, sizeof file, "%s", sides_path("mf.model"));
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    how.dataset = dataset;
    assert_ok(rk_model_fit(config, &how, NULL, &mf));
    assert_ok(rk_model_save(mf, file, false));
    float *before = fitted_tensor(mf, "embedding", NULL, NULL);
    how.from = file;
    for (int i = 0; i < 3; i++) {
        const char *const later[] = {kinds[i][0], "train.learning_rate=1e-12", "run.seed=99",
                                     kinds[i][1], NULL};
        rk_config *now = joined_config(later);
        int64_t rows = 0;
        if (i == 2) {
            assert_fails(RK_ERR_CONFIG, "is a run of mf, but model.kind gmf has no embeddings",
                         rk_model_fit(now, &how, NULL, &model));
        } else {
            assert_ok(rk_model_fit(now, &how, NULL, &model));
            float *after = fitted_tensor(model, "embedding", &rows, NULL);
            assert_int_equal(rows, i == 0 ? N : USERS + ITEMS);
            for (int j = 0; j < (USERS + ITEMS) * DIM; j++) {
                assert_close((double)after[j], (double)before[j], 1e-6, 1);
            }
            for (int64_t j = (USERS + ITEMS) * DIM; j < rows * DIM; j++) {
                assert_true(after[j] != 0);
            }
            free(after);
            rk_model_free(model);
            model = NULL;
        }
        rk_config_free(now);
    }
    free(before);
    rk_model_free(mf);
    rk_dataset_free(dataset);
    rk_config_free(config);
}

/* An item that nobody has, with a tag: it is ranked where tags are read. */
static void items_with_relations_alone_are_ranked(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *const settings[] = {i ? "model.relations=tagged" : "model.layers=2", NULL};
        rk_config *config = joined_config(settings);
        rk_train_options how = rk_train_defaults();
        rk_dataset *dataset = NULL;
        rk_model *model = NULL;
        sides_put("tags.csv", "item_id,tag_id\n0,0\n1,0\n6,0\n");
        sides_put("train.csv", "user_id,item_id\n0,0\n0,1\n1,0\n1,2\n2,3\n2,1\n");
        sides_put("test.csv", "user_id,item_id\n0,6\n");
        assert_ok(rk_config_set(
            config, "data.sources=[{file: train.csv, part: train}, {file: test.csv, part: test}]",
            "test"));
        assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
        how.dataset = dataset;
        assert_ok(rk_model_fit(config, &how, NULL, &model));
        float *scores = fitted_user_scores(model, 0);
        assert_int_equal(rk_model_get_facts(model).items, 5); /* 0 to 3, and 6 */
        assert_int_equal(isfinite(scores[4]) != 0, i);
        free(scores);
        rk_model_free(model);
        rk_dataset_free(dataset);
        rk_config_free(config);
    }
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
        rk_config *config = joined_config(none);
        rk_status status = RK_OK;
        for (int k = 0; k < 3 && cases[i].settings[k] && status == RK_OK; k++) {
            status = rk_config_set(config, cases[i].settings[k], "test");
        }
        assert_fails(RK_ERR_CONFIG, cases[i].message,
                     status == RK_OK ? rk_config_check(config) : status);
        rk_config_free(config);
    }
}

static void odd_weights_are_refused(void **state)
{
    (void)state;
    static const char *const kinds[] = {"model.kind=lightgcn", "model.kind=gcn",
                                        "model.kind=ngcf",     "model.kind=rgcn",
                                        "model.kind=compgcn",  "model.kind=irgnn"};
    const size_t n = sizeof kinds / sizeof kinds[0];
    for (size_t i = 0; i < 2 * n; i++) {
        rk_config *config = NULL;
        rk_dataset *dataset = NULL;
        rk_model *model = NULL;
        rk_train_options how = rk_train_defaults();
        sides_put("rows.csv", "user_id,item_id\n1,10\n1,20\n2,20\n2,30\n");
        sides_put("like.csv", i < n ? "item_id,other,w\n10,20,1\n20,30,-2\n"
                                    : "item_id,other,w\n10,20,1\n20,30,1e21\n");
        assert_ok(sides_config(
            &config, "    sources: [{file: rows.csv, part: train}]\n"
                     "    relations: [{name: like, from: item, to: item, file: like.csv,\n"
                     "                 head: item_id, tail: other, weight: w}]\n"));
        const char *const settings[] = {"split.kind=given",     "run.device=cpu", "eval.every=0",
                                        "eval.select=last",     "train.epochs=1", "model.dim=3",
                                        "model.relations=like", kinds[i % n],     "eval.k=[1]",
                                        "eval.metric=ndcg@1"};
        for (size_t k = 0; k < sizeof settings / sizeof settings[0]; k++) {
            assert_ok(rk_config_set(config, settings[k], "test"));
        }
        assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
        how.dataset = dataset;
        assert_fails(RK_ERR_DATA,
                     i < n ? "the relation like has the weight -2"
                           : "has the weight 1e+21, and weights beyond 1e+20 overflow",
                     rk_model_fit(config, &how, NULL, &model));
        rk_dataset_free(dataset);
        rk_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_equal_dense_matrices, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(gradients_are_difference_quotients, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(runs_resume, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(no_bit_depends_on_the_order_of_rows, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(models_with_further_nodes_are_saved, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(models_begin_with_factors, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(items_with_relations_alone_are_ranked, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test_setup_teardown(friends_count_once, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(odd_weights_are_refused, sides_set_up, sides_tear_down),
        cmocka_unit_test_setup_teardown(bad_options_are_refused, sides_set_up, sides_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
