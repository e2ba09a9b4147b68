#include "train/fitted.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static double uniform(uint64_t a, uint64_t b, uint64_t c)
{
    return (double)(mix(mix(mix(a) + b) + c) >> 11) * 0x1p-53;
}

static void *take(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);
    assert_non_null(p);
    return p;
}

/* Taste in four groups, and items that are the rarer the larger their number. */
static void draw_train(fitted_data *d, bool with_cold)
{
    const int users = d->n_users - with_cold, items = d->n_items - with_cold;
    for (int u = 0; u < users; u++) {
        for (int i = 0; i < items; i++) {
            double chance = 0.5 / sqrt(1 + 0.2 * i) * (u % 4 == i % 4 ? 1.6 : 0.5);
            d->has[u * d->n_items + i] = uniform(1, (uint64_t)u, (uint64_t)i) < chance ||
                                         (u % items) == i || (i % users) == u;
        }
    }
}

static void add_row(fitted_data *d, int user, int item, rk_part part)
{
    int64_t n = d->columns.n++;
    d->users[n] = user;
    d->items[n] = item;
    d->row_times[n] = d->times[user * d->n_items + item];
    d->parts[n] = (uint8_t)part;
}

/* The first items from `from` on that the user does not have in train. */
static int next_free(const fitted_data *d, int user, int from)
{
    for (int step = 0; step < d->n_items; step++) {
        int item = (from + step) % d->n_items;
        if (!d->has[user * d->n_items + item]) {
            return item;
        }
    }
    return -1;
}

void fitted_data_init(fitted_data *d, int n_users, int n_items, bool with_cold)
{
    const size_t n = (size_t)(n_users * n_items);
    *d = (fitted_data){.n_users = n_users, .n_items = n_items, .columns = rk_columns_defaults()};
    d->has = take(n, sizeof *d->has);
    d->times = take(n, sizeof *d->times);
    d->users = take(2 * n, sizeof *d->users);
    d->items = take(2 * n, sizeof *d->items);
    d->row_times = take(2 * n, sizeof *d->row_times);
    d->parts = take(2 * n, sizeof *d->parts);
    draw_train(d, with_cold);
    for (size_t i = 0; i < n; i++) {
        d->times[i] = 1e9 + floor(uniform(2, i, 0) * 200) * 86400 / 2;
    }
    for (int u = 0; u < n_users; u++) {
        for (int i = 0; i < n_items; i++) {
            if (d->has[u * n_items + i]) {
                add_row(d, u, i, RK_TRAIN);
            }
        }
        int valid = next_free(d, u, 7 * u), test = next_free(d, u, valid + 1);
        if (valid >= 0 && test != valid) {
            add_row(d, u, valid, RK_VALID);
            add_row(d, u, test, RK_TEST);
        }
    }
    if (with_cold) { /* or it would not be an item at all */
        add_row(d, 0, n_items - 1, RK_TEST);
    }
    d->columns.users = d->users;
    d->columns.items = d->items;
    d->columns.times = d->row_times;
    d->columns.parts = d->parts;
}

void fitted_data_free(fitted_data *d)
{
    free(d->has);
    free(d->times);
    free(d->users);
    free(d->items);
    free(d->row_times);
    free(d->parts);
    *d = (fitted_data){0};
}

int64_t fitted_train(const fitted_data *d, int64_t user, int32_t *items)
{
    int64_t n = 0;
    for (int32_t i = 0; i < d->n_items; i++) {
        if (d->has[user * d->n_items + i]) {
            items[n++] = i;
        }
    }
    return n;
}

int fitted_item_degree(const fitted_data *d, int item)
{
    int n = 0;
    for (int u = 0; u < d->n_users; u++) {
        n += d->has[u * d->n_items + item];
    }
    return n;
}

int fitted_user_degree(const fitted_data *d, int user)
{
    int n = 0;
    for (int i = 0; i < d->n_items; i++) {
        n += d->has[user * d->n_items + i];
    }
    return n;
}

rk_config *fitted_config(const char *const *settings)
{
    static const char *const common[] = {
        "run.device=cpu", "run.threads=1",      "data.name=generated", "split.kind=given",
        "eval.k=[5]",     "eval.metric=ndcg@5", "eval.every=0",        "eval.select=last"};
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(config, common[i], "test"));
    }
    for (int i = 0; settings[i]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

rk_dataset *fitted_dataset(const fitted_data *d, bool with_times)
{
    static const char *const none[] = {NULL};
    rk_config *config = fitted_config(none);
    rk_columns columns = d->columns;
    rk_dataset *dataset = NULL;
    columns.times = with_times ? columns.times : NULL;
    assert_ok(rk_dataset_from_columns(config, &columns, NULL, &dataset));
    rk_config_free(config);
    assert_int_equal(rk_dataset_get_stats(dataset)->users, d->n_users);
    assert_int_equal(rk_dataset_get_stats(dataset)->items, d->n_items);
    return dataset;
}

static rk_status fit(const fitted_data *d, const char *const *settings, fitted *f)
{
    rk_train_options how = rk_train_defaults();
    *f = (fitted){.config = fitted_config(settings), .dataset = fitted_dataset(d, true)};
    how.dataset = f->dataset;
    return rk_model_fit(f->config, &how, NULL, &f->model);
}

fitted fitted_fit(const fitted_data *d, const char *const *settings)
{
    fitted f;
    assert_ok(fit(d, settings, &f));
    return f;
}

void fitted_free(fitted *f)
{
    rk_model_free(f->model);
    rk_dataset_free(f->dataset);
    rk_config_free(f->config);
    *f = (fitted){0};
}

rk_status fitted_refuses(const fitted_data *d, const char *const *settings)
{
    fitted f;
    rk_status status = fit(d, settings, &f);
    assert_null(f.model);
    fitted_free(&f);
    return status;
}

void *fitted_tensor(const rk_model *model, const char *name, int64_t *rows, int64_t *cols)
{
    rk_tensor_info info;
    assert_ok(rk_model_find_tensor(model, name, &info));
    int64_t bytes = info.rows * info.cols * (info.type == RK_TENSOR_I64 ? 8 : 4);
    void *values = take((size_t)bytes, 1);
    assert_ok(rk_model_read_tensor(model, name, 0, info.rows, values, bytes));
    if (rows) {
        *rows = info.rows;
    }
    if (cols) {
        *cols = info.cols;
    }
    return values;
}

float *fitted_scores(const rk_model *model, rk_query query)
{
    const int64_t n = rk_model_get_facts(model).items;
    int32_t *items = take((size_t)n, sizeof *items);
    float *scores = take((size_t)n, sizeof *scores);
    for (int32_t i = 0; i < n; i++) {
        items[i] = i;
    }
    assert_ok(rk_model_score(model, &query, 1, items, n, scores));
    free(items);
    return scores;
}

float *fitted_user_scores(const rk_model *model, int64_t user)
{
    return fitted_scores(model, (rk_query){.user = user});
}

float *fitted_list_scores(const rk_model *model, const int32_t *items, const float *weights,
                          int64_t n)
{
    return fitted_scores(model,
                         (rk_query){.user = -1, .items = items, .weights = weights, .n_items = n});
}

void fitted_assert_near(const char *what, const float *actual, const double *expected, int64_t n,
                        double bound)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = isinf(expected[i]) ? largest : fmax(largest, fabs(expected[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        bool same = isinf(expected[i]) ? (double)actual[i] == expected[i]
                                       : fabs((double)actual[i] - expected[i]) <= bound * largest;
        if (!same) {
            fail_msg("%s: element %lld of %lld is %.9g, expected %.9g to %g of %.9g", what,
                     (long long)i, (long long)n, (double)actual[i], expected[i], bound, largest);
        }
    }
}

void fitted_invert(double *a, int n)
{
    double *b = take((size_t)(n * n), sizeof *b);
    for (int i = 0; i < n; i++) {
        b[i * n + i] = 1;
    }
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int r = c + 1; r < n; r++) {
            pivot = fabs(a[r * n + c]) > fabs(a[pivot * n + c]) ? r : pivot;
        }
        assert_true(fabs(a[pivot * n + c]) > 0);
        double scale = 1 / a[pivot * n + c];
        for (int k = 0; k < n; k++) {
            double x = a[pivot * n + k], y = b[pivot * n + k];
            a[pivot * n + k] = a[c * n + k];
            b[pivot * n + k] = b[c * n + k];
            a[c * n + k] = x * scale;
            b[c * n + k] = y * scale;
        }
        for (int r = 0; r < n; r++) {
            double factor = a[r * n + c];
            for (int k = 0; k < n && r != c; k++) {
                a[r * n + k] -= factor * a[c * n + k];
                b[r * n + k] -= factor * b[c * n + k];
            }
        }
    }
    memcpy(a, b, (size_t)(n * n) * sizeof *a);
    free(b);
}

void fitted_check_scores(const char *what, const rk_model *model, const fitted_data *d,
                         const double *expected, double bound)
{
    double *row = calloc((size_t)d->n_items, sizeof *row);
    for (int u = 0; u < d->n_users; u++) {
        bool is_cold = fitted_user_degree(d, u) == 0;
        for (int i = 0; i < d->n_items; i++) {
            int users = fitted_item_degree(d, i);
            row[i] = users == 0 ? -INFINITY : is_cold ? users : expected[u * d->n_items + i];
        }
        float *scores = fitted_user_scores(model, u);
        fitted_assert_near(what, scores, row, d->n_items, bound);
        free(scores);
    }
    free(row);
}
