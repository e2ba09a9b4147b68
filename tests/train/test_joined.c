/*
 * Models that propagate over interactions and relations as one graph (model.relations): the tables
 * that scoring reads against dense matrices in double, gradients against difference quotients,
 * whole runs, and what is refused.
 */
#include <math.h>

#include "train/fitted.h"
#include "train/joined_world.h"

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
}

/* ---- gradients ---- */

static void gradients_are_difference_quotients(void **state)
{
    (void)state;
    joined_check_quotients((const char *const[]){"model.relations=view,tagged,friends", NULL});
    joined_check_quotients((const char *const[]){"model.relations=tagged", "model.kind=lightgcn++", NULL});
    joined_check_quotients(
        (const char *const[]){"model.relations=tagged,friends", "loss.contrast=sgl", NULL});
    joined_check_quotients((const char *const[]){"model.relations=tagged,friends",
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
