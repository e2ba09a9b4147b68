/*
 * Models that are solved for, popularity, ease and ials, fitted through the public API and held
 * against dense matrices in double: their tensors, and the scores of all users and items.
 *
 * The last user and the last item of the data have no train interactions: that user gets the items'
 * popularity, and that item scores -INFINITY.
 */
#include <math.h>

#include "train/fitted.h"

enum { USERS = 37, ITEMS = 24, MOST = 40 };

/* ---- popularity ---- */

static void check_popularity(const fitted_data *d, const char *half_life, double days)
{
    const char *settings[] = {"model.kind=popularity", half_life, NULL};
    fitted f = fitted_fit(d, settings);
    double latest = -INFINITY, *expected = calloc((size_t)d->n_items, sizeof *expected);
    for (int p = 0; p < d->n_users * d->n_items; p++) {
        latest = d->has[p] ? fmax(latest, d->times[p]) : latest;
    }
    for (int p = 0; p < d->n_users * d->n_items; p++) {
        if (d->has[p]) {
            expected[p % d->n_items] +=
                days > 0 ? pow(0.5, (latest - d->times[p]) / (days * 86400)) : 1;
        }
    }
    int64_t rows = 0, cols = 0;
    float *tensor = fitted_tensor(f.model, "scores", &rows, &cols);
    assert_int_equal(rows, d->n_items);
    assert_int_equal(cols, 1);
    fitted_assert_near("scores of popularity", tensor, expected, d->n_items, 1e-6);
    assert_true(rk_model_get_facts(f.model).is_same_for_all);
    for (int i = 0; i < d->n_items; i++) {
        expected[i] = fitted_item_degree(d, i) == 0 ? -INFINITY : expected[i];
    }
    for (int u = 0; u < d->n_users; u++) { /* the last one, too: it is known to this model */
        float *scores = fitted_user_scores(f.model, u);
        fitted_assert_near(half_life, scores, expected, d->n_items, 1e-6);
        free(scores);
    }
    free(tensor);
    free(expected);
    fitted_free(&f);
}

static void popularity_counts(void **unused)
{
    (void)unused;
    fitted_data d;
    fitted_data_init(&d, USERS, ITEMS, true);
    check_popularity(&d, "model.half_life=0", 0);
    check_popularity(&d, "model.half_life=0.5", 0.5);
    check_popularity(&d, "model.half_life=30", 30);
    fitted_data_free(&d);
}

/* ---- ease ---- */

/* B by the items, whatever the model goes by. */
static double *ease_weights(const fitted_data *d, double l2, double *inverse)
{
    const int n = d->n_items;
    double *b = calloc((size_t)(n * n), sizeof *b);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double both = i == j ? l2 : 0;
            for (int u = 0; u < d->n_users; u++) {
                both += d->has[u * n + i] && d->has[u * n + j];
            }
            inverse[i * n + j] = both;
        }
    }
    fitted_invert(inverse, n);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            b[i * n + j] = i == j ? 0 : -inverse[i * n + j] / inverse[j * n + j];
        }
    }
    return b;
}

static void check_ease_users(const rk_model *model, const fitted_data *d, double l2,
                             const double *inverse)
{
    const int n = d->n_users;
    double *k = calloc((size_t)(n * n), sizeof *k), factor[MOST];
    int64_t rows = 0;
    float *tensor = fitted_tensor(model, "ease.users", &rows, NULL);
    float *factors = fitted_tensor(model, "ease.factor", NULL, NULL);
    assert_int_equal(rows, n);
    for (int u = 0; u < n; u++) {
        for (int v = 0; v < n; v++) {
            k[u * n + v] = u == v ? l2 : 0;
            for (int i = 0; i < d->n_items; i++) {
                k[u * n + v] += d->has[u * d->n_items + i] && d->has[v * d->n_items + i];
            }
        }
    }
    fitted_invert(k, n);
    fitted_assert_near("ease.users", tensor, k, n * n, 1e-4);
    for (int i = 0; i < d->n_items; i++) {
        factor[i] = -1 / inverse[i * d->n_items + i];
    }
    fitted_assert_near("ease.factor", factors, factor, d->n_items, 1e-4);
    free(tensor);
    free(factors);
    free(k);
}

static void check_ease(int n_users, int n_items, const char *setting, double l2)
{
    const char *settings[] = {"model.kind=ease", setting, NULL};
    fitted_data d;
    fitted_data_init(&d, n_users, n_items, true);
    fitted f = fitted_fit(&d, settings);
    double *inverse = calloc((size_t)(n_items * n_items), sizeof *inverse);
    double *expected = calloc((size_t)(n_users * n_items), sizeof *expected);
    double *b = ease_weights(&d, l2, inverse);
    if (n_users < n_items) {
        check_ease_users(f.model, &d, l2, inverse);
    } else {
        float *tensor = fitted_tensor(f.model, "ease.items", NULL, NULL);
        fitted_assert_near("ease.items", tensor, b, n_items * n_items, 1e-4);
        free(tensor);
    }
    for (int p = 0; p < n_users * n_items; p++) {
        for (int j = 0; j < n_items; j++) {
            expected[p] += d.has[p / n_items * n_items + j] * b[j * n_items + p % n_items];
        }
    }
    fitted_check_scores(setting, f.model, &d, expected, 1e-4);
    free(inverse);
    free(expected);
    free(b);
    fitted_free(&f);
    fitted_data_free(&d);
}

static void ease_is_the_same_through_either_side(void **unused)
{
    (void)unused;
    static const int sizes[][2] = {{37, 24}, {24, 24}, {23, 24}, {15, 38}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_ease(sizes[i][0], sizes[i][1], "model.l2=0.7", 0.7);
        check_ease(sizes[i][0], sizes[i][1], "model.l2=12", 12);
        check_ease(sizes[i][0], sizes[i][1], "model.l2=-1", 100); /* its own */
    }
}

/* ---- ials ---- */

enum { DIM = 6, SWEEPS = 3 };

typedef struct als_case {
    const char *settings[6];
    bool is_frequency;
    double l2, weight; /* of what is not observed, or the confidence */
    int cg_steps;      /* 0: Cholesky */
    bool by_values;    /* model.weigh_by */
} als_case;

static double value_of(int user, int item)
{
    return 0.25 + (user * 7 + item * 3) % 11 * 0.5;
}

static void multiply(const double *a, const double *x, double *y)
{
    for (int i = 0; i < DIM; i++) {
        y[i] = 0;
        for (int j = 0; j < DIM; j++) {
            y[i] += a[i * DIM + j] * x[j];
        }
    }
}

static double dot(const double *x, const double *y)
{
    double sum = 0;
    for (int i = 0; i < DIM; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

/* Hestenes and Stiefel 1952, from x as it is. */
static void conjugate_gradients(const double *a, const double *b, double *x, int steps)
{
    double r[DIM], p[DIM], ap[DIM];
    multiply(a, x, ap);
    for (int i = 0; i < DIM; i++) {
        p[i] = r[i] = b[i] - ap[i];
    }
    double rr = dot(r, r);
    for (int step = 0; step < steps && rr > 1e-20; step++) {
        multiply(a, p, ap);
        double alpha = rr / dot(p, ap), before = rr;
        for (int i = 0; i < DIM; i++) {
            x[i] += alpha * p[i];
            r[i] -= alpha * ap[i];
        }
        rr = dot(r, r);
        for (int i = 0; i < DIM; i++) {
            p[i] = r[i] + rr / before * p[i];
        }
    }
}

static bool is_pair(const fitted_data *d, bool of_users, int row, int other)
{
    return of_users ? d->has[row * d->n_items + other] : d->has[other * d->n_items + row];
}

/* Solves one row of the users or of the items; other [n_other, DIM]. */
static void solve_row(const fitted_data *d, const als_case *c, bool of_users, int row,
                      const double *other, const double *gram, double *x)
{
    const int n_other = of_users ? d->n_items : d->n_users;
    double a[DIM * DIM], b[DIM] = {0}, entries = 0;
    for (int e = 0; e < DIM * DIM; e++) {
        a[e] = (c->is_frequency ? c->weight : 1) * gram[e];
    }
    for (int o = 0; o < n_other; o++) {
        const double *v = other + o * DIM;
        double value = of_users ? value_of(row, o) : value_of(o, row);
        double weight = (c->is_frequency ? 1 : c->weight) * (c->by_values ? value : 1);
        for (int i = 0; i < DIM && is_pair(d, of_users, row, o); i++) {
            entries += i == 0;
            b[i] += weight * v[i];
            for (int j = 0; j < DIM; j++) {
                a[i * DIM + j] += (c->is_frequency ? weight : weight - 1) * v[i] * v[j];
            }
        }
    }
    for (int i = 0; i < DIM; i++) {
        a[i * DIM + i] += c->is_frequency ? c->l2 * (entries + c->weight * n_other) : c->l2;
    }
    if (entries == 0) {
        memset(x, 0, DIM * sizeof *x);
    } else if (c->cg_steps > 0) {
        conjugate_gradients(a, b, x, c->cg_steps);
    } else {
        fitted_invert(a, DIM);
        multiply(a, b, x);
    }
}

static void solve_side(const fitted_data *d, const als_case *c, bool of_users, double *factors)
{
    const int n = of_users ? d->n_users : d->n_items, n_other = of_users ? d->n_items : d->n_users;
    double *own = factors + (of_users ? 0 : d->n_users * DIM);
    const double *other = factors + (of_users ? d->n_users * DIM : 0);
    double gram[DIM * DIM] = {0};
    for (int o = 0; o < n_other; o++) {
        for (int e = 0; e < DIM * DIM; e++) {
            gram[e] += other[o * DIM + e / DIM] * other[o * DIM + e % DIM];
        }
    }
    for (int row = 0; row < n; row++) {
        solve_row(d, c, of_users, row, other, gram, own + row * DIM);
    }
}

static fitted fit_ials(const fitted_data *d, const als_case *c, const char *epochs)
{
    const char *settings[12] = {"model.kind=ials", "model.dim=6", epochs,
                                c->by_values ? "model.weigh_by=value" : "model.weigh_by=none"};
    for (int i = 0; c->settings[i]; i++) {
        settings[4 + i] = c->settings[i];
    }
    return fitted_fit(d, settings);
}

static void check_ials(const fitted_data *d, const als_case *c)
{
    const int n = d->n_users + d->n_items;
    fitted start = fit_ials(d, c, "train.epochs=0"), end = fit_ials(d, c, "train.epochs=3");
    float *drawn = fitted_tensor(start.model, "factors", NULL, NULL);
    float *found = fitted_tensor(end.model, "factors", NULL, NULL);
    double *factors = calloc((size_t)(n * DIM), sizeof *factors);
    double *expected = calloc((size_t)(d->n_users * d->n_items), sizeof *expected);
    for (int e = 0; e < n * DIM; e++) {
        factors[e] = (double)drawn[e];
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        solve_side(d, c, true, factors);
        solve_side(d, c, false, factors);
    }
    fitted_assert_near(c->settings[0], found, factors, n * DIM, 1e-4);
    for (int p = 0; p < d->n_users * d->n_items; p++) {
        expected[p] =
            dot(factors + p / d->n_items * DIM, factors + (d->n_users + p % d->n_items) * DIM);
    }
    if (!c->by_values) { /* who is folded in says the weights of the items */
        fitted_check_scores(c->settings[0], end.model, d, expected, 1e-4);
    }
    free(drawn);
    free(found);
    free(factors);
    free(expected);
    fitted_free(&start);
    fitted_free(&end);
}

static void ials_sweeps_as_dense_equations_do(void **unused)
{
    (void)unused;
    static const als_case cases[] = {
        {{"model.weighting=frequency", NULL}, true, 0.003, 0.01, 0, false},
        {{"model.unobserved_weight=0.3", "model.l2=0.05", NULL}, true, 0.05, 0.3, 0, false},
        {{"model.solver=cg", "model.unobserved_weight=0.3", "model.l2=0.05", NULL},
         true,
         0.05,
         0.3,
         3,
         false},
        {{"model.weighting=confidence", "model.l2=0.01", NULL}, false, 0.01, 20, 0, false},
        {{"model.weighting=confidence", "model.l2=0.5", "model.confidence=3", NULL},
         false,
         0.5,
         3,
         0,
         false},
        {{"model.weighting=confidence", "model.solver=cg", "model.cg_steps=2", "model.l2=0.5",
          "model.confidence=3", NULL},
         false,
         0.5,
         3,
         2,
         false},
        {{"model.unobserved_weight=0.3", "model.l2=0.05", NULL}, true, 0.05, 0.3, 0, true},
        {{"model.weighting=confidence", "model.l2=0.5", "model.confidence=3", NULL},
         false,
         0.5,
         3,
         0,
         true},
        {{"model.weighting=confidence", "model.solver=cg", "model.l2=0.5", "model.confidence=6",
          NULL},
         false,
         0.5,
         6,
         3,
         true},
    };
    fitted_data d;
    for (int shape = 0; shape < 2; shape++) {
        fitted_data_init(&d, shape == 0 ? USERS : 15, shape == 0 ? ITEMS : 30, true);
        double *values = calloc((size_t)d.columns.n, sizeof *values);
        for (int64_t k = 0; k < d.columns.n; k++) {
            values[k] = value_of((int)d.users[k], (int)d.items[k]);
        }
        d.columns.values = values;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            check_ials(&d, &cases[i]);
        }
        free(values);
        fitted_data_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(popularity_counts),
        cmocka_unit_test(ease_is_the_same_through_either_side),
        cmocka_unit_test(ials_sweeps_as_dense_equations_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
