/*
 * Models by singular vectors, gf_cf and pure_svd, fitted through the public API and held against
 * dense matrices in double, whose eigenvectors come from Jacobi's rotations.
 */
#include <math.h>
#include <string.h>

#include "train/fitted.h"

enum { MOST = 64 };

/* Eigenvalues of a symmetric a [n,n] into value, falling, and its eigenvectors into the columns of
 * v; a is destroyed. */
static void eigenvectors(double *a, int n, double *value, double *v)
{
    memset(v, 0, (size_t)(n * n) * sizeof *v);
    for (int i = 0; i < n; i++) {
        v[i * n + i] = 1;
    }
    for (int pair = 0; pair < 40 * n * n; pair++) {
        int p = pair / n % n, q = pair % n;
        if (p >= q || a[p * n + q] == 0) {
            continue;
        }
        double angle = 0.5 * atan2(2 * a[p * n + q], a[q * n + q] - a[p * n + p]);
        double c = cos(angle), s = sin(angle);
        for (int k = 0; k < n; k++) {
            double x = a[k * n + p], y = a[k * n + q];
            a[k * n + p] = c * x - s * y;
            a[k * n + q] = s * x + c * y;
        }
        for (int k = 0; k < n; k++) {
            double x = a[p * n + k], y = a[q * n + k];
            a[p * n + k] = c * x - s * y;
            a[q * n + k] = s * x + c * y;
            x = v[k * n + p];
            y = v[k * n + q];
            v[k * n + p] = c * x - s * y;
            v[k * n + q] = s * x + c * y;
        }
    }
    for (int i = 0; i < n; i++) {
        value[i] = a[i * n + i];
    }
    for (int i = 0; i < n; i++) {
        int best = i;
        for (int j = i + 1; j < n; j++) {
            best = value[j] > value[best] ? j : best;
        }
        double other = value[i];
        value[i] = value[best];
        value[best] = other;
        for (int k = 0; k < n; k++) {
            other = v[k * n + i];
            v[k * n + i] = v[k * n + best];
            v[k * n + best] = other;
        }
    }
}

/* A dense matrix of users by items, and what a model says of it. */
typedef struct dense {
    int n_users, n_items, k;
    double *x;      /* [n_users, n_items]: its entries */
    double *square; /* [n_items, n_items]: X^T X */
    double *v;      /* [n_items, n_items]: eigenvectors of it in its columns */
    double value[MOST];
} dense;

static double scale_of(int degree, bool is_normal)
{
    return !is_normal ? 1 : degree > 0 ? 1 / sqrt(degree) : 0;
}

/* Of an interaction, where values count. */
static double value_of(int64_t user, int64_t item)
{
    return 1 + (double)((user * 5 + item * 3) % 7);
}

static dense dense_of(const fitted_data *d, int k, bool is_normal)
{
    const int n = d->n_items;
    dense m = {.n_users = d->n_users, .n_items = n, .k = k};
    double *copy = calloc((size_t)(n * n), sizeof *copy);
    m.x = calloc((size_t)(d->n_users * n), sizeof *m.x);
    m.square = calloc((size_t)(n * n), sizeof *m.square);
    m.v = calloc((size_t)(n * n), sizeof *m.v);
    for (int p = 0; p < d->n_users * n; p++) {
        m.x[p] = d->has[p] * (d->columns.values ? value_of(p / n, p % n) : 1) *
                 scale_of(fitted_user_degree(d, p / n), is_normal) *
                 scale_of(fitted_item_degree(d, p % n), is_normal);
    }
    for (int p = 0; p < n * n; p++) {
        for (int u = 0; u < d->n_users; u++) {
            m.square[p] += m.x[u * n + p / n] * m.x[u * n + p % n];
        }
        copy[p] = m.square[p];
    }
    eigenvectors(copy, n, m.value, m.v);
    free(copy);
    return m;
}

static void dense_free(dense *m)
{
    free(m->x);
    free(m->square);
    free(m->v);
}

/* V V^T of the k first. */
static double projection(const dense *m, int i, int j)
{
    double sum = 0;
    for (int c = 0; c < m->k; c++) {
        sum += m->v[i * m->n_items + c] * m->v[j * m->n_items + c];
    }
    return sum;
}

/* What item j adds to the score of i. */
static double weight(const fitted_data *d, const dense *m, double low_pass, int j, int i)
{
    const int n_i = fitted_item_degree(d, i), n_j = fitted_item_degree(d, j);
    if (low_pass < 0) { /* pure_svd */
        return projection(m, j, i);
    }
    return m->square[j * m->n_items + i] +
           low_pass * scale_of(n_j, true) * projection(m, j, i) * sqrt(n_i);
}

static void check_vectors(const rk_model *model, const dense *m)
{
    int64_t rows = 0, cols = 0;
    double expected[MOST], *outer = calloc((size_t)(m->n_items * m->n_items), sizeof *outer);
    float *found = calloc((size_t)(m->n_items * m->n_items), sizeof *found);
    float *values = fitted_tensor(model, "singular.values", &rows, &cols);
    assert_int_equal(rows, m->k);
    assert_int_equal(cols, 1);
    for (int c = 0; c < m->k; c++) {
        expected[c] = sqrt(fmax(m->value[c], 0));
    }
    fitted_assert_near("singular values", values, expected, m->k, 2e-6);
    float *v = fitted_tensor(model, "singular.items", &rows, &cols);
    assert_int_equal(rows, m->n_items);
    assert_int_equal(cols, m->k);
    for (int p = 0; p < m->n_items * m->n_items; p++) { /* whatever their signs */
        double sum = 0;
        outer[p] = projection(m, p / m->n_items, p % m->n_items);
        for (int c = 0; c < m->k; c++) {
            sum += (double)v[p / m->n_items * m->k + c] * (double)v[p % m->n_items * m->k + c];
        }
        found[p] = (float)sum;
    }
    fitted_assert_near("singular vectors", found, outer, m->n_items * m->n_items, 2e-5);
    free(values);
    free(found);
    free(outer);
    free(v);
}

/* Of everybody, and of somebody new with weights. */
static void check_scores(const rk_model *model, const fitted_data *d, const dense *m,
                         double low_pass)
{
    static const int32_t some[] = {2, 7, 11};
    static const float c[] = {0.5f, 3, 1};
    const int n = m->n_items;
    double expected[MOST];
    for (int u = 0; u <= m->n_users; u++) {
        bool is_new = u == m->n_users;
        for (int i = 0; i < n; i++) {
            expected[i] = fitted_item_degree(d, i) == 0 ? -INFINITY : 0;
            for (int j = 0; j < n && !is_new; j++) {
                double has = low_pass < 0 ? m->x[u * n + j] : d->has[u * n + j];
                expected[i] += has * weight(d, m, low_pass, j, i);
            }
            for (int j = 0; j < 3 && is_new; j++) {
                expected[i] += (double)c[j] * weight(d, m, low_pass, some[j], i);
            }
        }
        if (!is_new && fitted_user_degree(d, u) == 0) {
            continue; /* ranked for by popularity */
        }
        float *scores =
            is_new ? fitted_list_scores(model, some, c, 3) : fitted_user_scores(model, u);
        fitted_assert_near("scores", scores, expected, n, 2e-5);
        free(scores);
    }
}

/* low_pass < 0: pure_svd. more: one more setting. */
static void check_model(int n_users, int n_items, int k, double low_pass, const char *more)
{
    char dim[32], by[48];
    const bool is_filter = low_pass >= 0;
    const char *settings[] = {is_filter ? "model.kind=gf_cf" : "model.kind=pure_svd", dim, more,
                              is_filter ? by : NULL, NULL};
    fitted_data d;
    snprintf(dim, sizeof dim, "model.dim=%d", k);
    snprintf(by, sizeof by, "model.low_pass=%g", low_pass);
    fitted_data_init(&d, n_users, n_items, true);
    double *values = calloc((size_t)d.columns.n, sizeof *values);
    for (int64_t row = 0; row < d.columns.n; row++) {
        values[row] = value_of(d.users[row], d.items[row]);
    }
    d.columns.values = strcmp(more, "model.weigh_by=value") == 0 ? values : NULL;
    fitted f = fitted_fit(&d, settings);
    dense m = dense_of(&d, k, is_filter);
    check_vectors(f.model, &m);
    check_scores(f.model, &d, &m, low_pass);
    dense_free(&m);
    free(values);
    fitted_free(&f);
    fitted_data_free(&d);
}

static void filters_of_the_graph(void **unused)
{
    (void)unused;
    check_model(37, 24, 4, 0.3, "run.threads=1");
    check_model(15, 38, 9, 2, "run.threads=2");
    check_model(37, 24, 6, 0, "run.threads=1");
}

static void projections_onto_singular_vectors(void **unused)
{
    (void)unused;
    check_model(37, 24, 5, -1, "run.threads=1");
    check_model(15, 38, 12, -1, "run.threads=2");
    check_model(23, 24, 1, -1, "run.threads=1");
    check_model(37, 24, 5, -1, "model.weigh_by=value");
    check_model(15, 38, 9, -1, "model.weigh_by=value");
}

/* A matrix of fewer ranks than singular vectors: every user has the items of a group, so that the
 * largest value is there as often as there are groups, and the rest are 0. */
static void equal_values_are_all_found(void **unused)
{
    (void)unused;
    enum { GROUPS = 24, EACH = 2, USERS = GROUPS * EACH, ITEMS = GROUPS * EACH, K = 26 };
    int64_t users[USERS * EACH], items[USERS * EACH];
    const char *settings[] = {"model.kind=gf_cf", "model.dim=26", NULL};
    for (int p = 0; p < USERS * EACH; p++) {
        users[p] = p / EACH;
        items[p] = p / EACH / EACH * EACH + p % EACH;
    }
    rk_columns columns = rk_columns_defaults();
    rk_train_options how = rk_train_defaults();
    const char *all[] = {
        settings[0],        settings[1], "split.kind=ratio", "split.test=0", "split.valid=0",
        "eval.select=last", NULL};
    columns.users = users;
    columns.items = items;
    columns.n = USERS * EACH;
    fitted f = {.config = fitted_config(all)};
    assert_ok(rk_dataset_from_columns(f.config, &columns, NULL, &f.dataset));
    how.dataset = f.dataset;
    assert_ok(rk_model_fit(f.config, &how, NULL, &f.model));
    float *values = fitted_tensor(f.model, "singular.values", NULL, NULL);
    for (int c = 0; c < K; c++) {
        assert_float_equal(values[c], c < GROUPS ? 1 : 0, c < GROUPS ? 1e-5F : 1e-3F);
    }
    free(values);
    fitted_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_of_the_graph),
        cmocka_unit_test(projections_onto_singular_vectors),
        cmocka_unit_test(equal_values_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
