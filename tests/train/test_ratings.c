/*
 * Models of ratings, fitted through the public API and held against plain loops in double: their
 * equations, their predictions for known and new people, unseen items, and the errors of an
 * evaluation with those of the simple predictions beside them.
 */
#include <math.h>

#include "train/fitted.h"

enum { USERS = 21, ITEMS = 17, DIM = 3, SWEEPS = 20, RIDGE = 5 };
static const double low = 0.5, high = 5;

static double rating_of(int64_t user, int64_t item)
{
    return 0.5 + 0.5 * (double)((user * 7 + item * 5 + user * item) % 10);
}

typedef struct world {
    fitted_data d;
    fitted f;
    double mean;
} world;

static rk_status try_fit(world *w, const char *const *settings, double (*rating)(int64_t, int64_t))
{
    rk_train_options how = rk_train_defaults();
    rk_columns columns = w->d.columns;
    double *values = calloc((size_t)columns.n, sizeof *values);
    int64_t n = 0;
    w->mean = 0;
    for (int64_t k = 0; k < columns.n; k++) {
        values[k] = rating(w->d.users[k], w->d.items[k]);
        w->mean += w->d.parts[k] == RK_TRAIN ? values[k] : 0;
        n += w->d.parts[k] == RK_TRAIN;
    }
    w->mean /= (double)n;
    columns.values = values;
    w->f = (fitted){.config = fitted_config(settings)};
    rk_status status = rk_dataset_from_columns(w->f.config, &columns, NULL, &w->f.dataset);
    free(values);
    how.dataset = w->f.dataset;
    return status == RK_OK ? rk_model_fit(w->f.config, &how, NULL, &w->f.model) : status;
}

/* The dense index of an id is the id: the data names them all. */
static bool is_rated(const world *w, int u, int i)
{
    return w->d.has[u * ITEMS + i];
}

/* What a row of n ratings minimises, its factors and bias: |r - ...|^2 + ridge. others [n,w] with
 * the bias last; left out where there is none. */
static void solve_row(const world *w, int row, bool is_user, bool has_bias, const float *factors,
                      double l2_each, double bias_l2, double bias_l2_each, double *out)
{
    const int width = DIM + has_bias;
    double a[4 * 4] = {0}, b[4] = {0};
    int n = 0;
    for (int j = 0; j < (is_user ? ITEMS : USERS); j++) {
        const int u = is_user ? row : j, i = is_user ? j : row;
        if (!is_rated(w, u, i)) {
            continue;
        }
        const float *other = factors + (is_user ? USERS + i : u) * width;
        double z[4], rest = rating_of(u, i) - (has_bias ? w->mean + (double)other[DIM] : 0);
        for (int k = 0; k < width; k++) {
            z[k] = k < DIM ? (double)other[k] : 1;
        }
        for (int k = 0; k < width; k++) {
            b[k] += rest * z[k];
            for (int m = 0; m < width; m++) {
                a[k * width + m] += z[k] * z[m];
            }
        }
        n++;
    }
    for (int k = 0; k < width; k++) {
        a[k * width + k] += k < DIM ? l2_each * n : bias_l2 + bias_l2_each * n;
    }
    if (n > 0) {
        fitted_invert(a, width);
    }
    for (int k = 0; k < width; k++) {
        out[k] = 0;
        for (int m = 0; m < width; m++) {
            out[k] += a[k * width + m] * b[m];
        }
    }
}

static double clip(double rating)
{
    return fmin(fmax(rating, low), high);
}

/* mean + b_u + b_i + <x_u, y_i> of what was learnt, or without biases the product or the mean. */
static double predict(const world *w, const double *user, const float *item, bool has_bias,
                      bool knows_user, bool knows_item)
{
    double sum = has_bias ? w->mean : 0;
    if (!has_bias && !(knows_user && knows_item)) {
        return clip(w->mean);
    }
    for (int k = 0; k < DIM && knows_user && knows_item; k++) {
        sum += user[k] * (double)item[k];
    }
    sum += has_bias && knows_user ? user[DIM] : 0;
    sum += has_bias && knows_item ? (double)item[DIM] : 0;
    return clip(sum);
}

static void add_error(double errors[2], double prediction, double rating)
{
    errors[0] += pow(clip(prediction) - rating, 2);
    errors[1] += fabs(clip(prediction) - rating);
}

static void check_errors(const char *what, const double *actual, const double errors[2], int n)
{
    const double mse = errors[0] / n, mae = errors[1] / n, width = high - low;
    const double expected[RK_RATING_ERRORS] = {
        mse, sqrt(mse), mae, mse / width / width, sqrt(mse) / width, mae / width};
    for (int e = 0; e < RK_RATING_ERRORS; e++) {
        if (fabs(actual[e] - expected[e]) > 2e-6) {
            fail_msg("%s of %s is %g, expected %g", rk_rating_error_name(e), what, actual[e],
                     expected[e]);
        }
    }
}

/* The evaluation of test beside plain loops; scores [USERS, ITEMS]. */
static void check_evaluation(const world *w, const double *scores)
{
    double user_bias[USERS] = {0}, item_bias[ITEMS] = {0}, item_mean[ITEMS] = {0};
    double model[2] = {0}, mean[2] = {0}, items[2] = {0}, biases[2] = {0};
    rk_evaluate_options how = rk_evaluate_defaults();
    rk_evaluation e = {0};
    int n = 0;
    for (int i = 0; i < ITEMS; i++) {
        double sum = 0;
        int count = 0;
        for (int u = 0; u < USERS; u++) {
            sum += is_rated(w, u, i) ? rating_of(u, i) : 0;
            count += is_rated(w, u, i);
        }
        item_mean[i] = count > 0 ? sum / count : w->mean;
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (int row = 0; row < USERS + ITEMS; row++) {
            const bool is_user = row < USERS;
            double sum = 0;
            int count = 0;
            for (int j = 0; j < (is_user ? ITEMS : USERS); j++) {
                const int u = is_user ? row : j, i = is_user ? j : row - USERS;
                if (is_rated(w, u, i)) {
                    sum += rating_of(u, i) - w->mean - (is_user ? item_bias[i] : user_bias[u]);
                    count++;
                }
            }
            *(is_user ? &user_bias[row] : &item_bias[row - USERS]) = sum / (count + RIDGE);
        }
    }
    for (int64_t k = 0; k < w->d.columns.n; k++) {
        const int64_t u = w->d.users[k], i = w->d.items[k];
        if (w->d.parts[k] == RK_TEST) {
            add_error(model, scores[u * ITEMS + i], rating_of(u, i));
            add_error(mean, w->mean, rating_of(u, i));
            add_error(items, item_mean[i], rating_of(u, i));
            add_error(biases, w->mean + user_bias[u] + item_bias[i], rating_of(u, i));
            n++;
        }
    }
    assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
    assert_int_equal(e.ratings.pairs, n);
    assert_true(e.ratings.low == low && e.ratings.high == high);
    check_errors("the model", e.ratings.model, model, n);
    check_errors("the mean", e.ratings.global_mean, mean, n);
    check_errors("the items' means", e.ratings.item_mean, items, n);
    check_errors("the biases", e.ratings.biases, biases, n);
    rk_evaluation_free(&e);
    how.popularity = true;
    assert_ok(rk_evaluate(w->f.model, &how, NULL, &e));
    assert_int_equal(e.ratings.pairs, 0);
    rk_evaluation_free(&e);
}

typedef struct form {
    const char *settings[12];
    bool has_bias, is_als;
    double l2_each, bias_l2, bias_l2_each;
} form;

/* Every prediction, for known users and for people who have the same ratings. */
static void check_predictions(const world *w, const form *m, const float *factors)
{
    const int width = DIM + m->has_bias;
    double *scores = calloc(USERS * ITEMS, sizeof *scores);
    for (int u = 0; u < USERS; u++) {
        const bool is_known = fitted_user_degree(&w->d, u) > 0;
        double own[4] = {0}, folded[4] = {0}, expected[ITEMS];
        int32_t items[ITEMS];
        float ratings[ITEMS];
        const int64_t n = fitted_train(&w->d, u, items);
        for (int64_t j = 0; j < n; j++) {
            ratings[j] = (float)rating_of(u, items[j]);
        }
        for (int k = 0; k < width; k++) {
            own[k] = (double)factors[u * width + k];
        }
        for (int i = 0; i < ITEMS; i++) {
            scores[u * ITEMS + i] = predict(w, own, factors + (USERS + i) * width, m->has_bias,
                                            is_known, fitted_item_degree(&w->d, i) > 0);
        }
        float *actual = fitted_user_scores(w->f.model, u);
        fitted_assert_near("a known user", actual, scores + u * ITEMS, ITEMS, 1e-5);
        free(actual);
        solve_row(w, u, true, m->has_bias, factors, m->l2_each, m->bias_l2, m->bias_l2_each,
                  folded);
        for (int i = 0; i < ITEMS; i++) {
            expected[i] = predict(w, folded, factors + (USERS + i) * width, m->has_bias, n > 0,
                                  fitted_item_degree(&w->d, i) > 0);
        }
        if (n > 0) {
            actual = fitted_list_scores(w->f.model, items, ratings, n);
            fitted_assert_near("somebody new", actual, expected, ITEMS, 1e-4);
            free(actual);
        }
    }
    check_evaluation(w, scores);
    free(scores);
}

static const form forms[] = {
    {{"model.kind=als", "model.dim=3", "train.epochs=4", "model.l2=0.1", "model.bias_l2=2",
      "data.value_range=[0.5, 5]"},
     .has_bias = true,
     .is_als = true,
     .l2_each = 0.1,
     .bias_l2 = 2},
    {{"model.kind=als", "model.dim=3", "train.epochs=3", "model.l2=0.2", "model.biases=false"},
     .is_als = true,
     .l2_each = 0.2},
    {{"model.kind=svd", "model.dim=3", "train.epochs=5", "loss.kind=mse", "loss.l2=0.3",
      "train.batch=32", "sampling.positives=shuffle", "train.learning_rate=0.01"},
     .has_bias = true,
     .l2_each = 0.15,
     .bias_l2_each = 0.15},
    {{"model.kind=fm", "model.dim=3", "train.epochs=5", "loss.kind=mse", "loss.l2=0.3",
      "train.batch=32", "sampling.positives=shuffle", "train.learning_rate=0.01"},
     .has_bias = true,
     .l2_each = 0.15,
     .bias_l2_each = 0.15},
};

static void ratings_are_predicted(void **unused)
{
    (void)unused;
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        const form *m = &forms[f];
        const int width = DIM + m->has_bias;
        world w;
        int64_t rows = 0, cols = 0;
        fitted_data_init(&w.d, USERS, ITEMS, true);
        assert_ok(try_fit(&w, m->settings, rating_of));
        float *factors = fitted_tensor(w.f.model, "factors", &rows, &cols);
        assert_int_equal(rows, USERS + ITEMS);
        assert_int_equal(cols, width);
        for (int i = 0; m->is_als && i < ITEMS; i++) { /* the last phase was theirs */
            double expected[4];
            if (fitted_item_degree(&w.d, i) > 0) {
                solve_row(&w, i, false, m->has_bias, factors, m->l2_each, m->bias_l2,
                          m->bias_l2_each, expected);
                fitted_assert_near("an item", factors + (USERS + i) * width, expected, width, 1e-4);
            }
        }
        check_predictions(&w, m, factors);
        free(factors);
        fitted_free(&w.f);
        fitted_data_free(&w.d);
    }
}

/* One step over all ratings: x - rate (mean of 2 e y + l2 x), as often as they occur. */
static void svd_steps_down_the_gradient(void **unused)
{
    (void)unused;
    enum { WIDTH = DIM + 1 };
    const char *settings[] = {"model.kind=svd",      "model.dim=3",
                              "loss.kind=mse",       "loss.l2=0.3",
                              "train.batch=1000",    "sampling.positives=shuffle",
                              "train.optimizer=sgd", "train.learning_rate=0.5",
                              "train.epochs=0",      NULL};
    world w;
    double *expected = calloc((USERS + ITEMS) * WIDTH, sizeof *expected);
    fitted_data_init(&w.d, USERS, ITEMS, true);
    assert_ok(try_fit(&w, settings, rating_of));
    float *before = fitted_tensor(w.f.model, "factors", NULL, NULL);
    fitted_free(&w.f);
    settings[8] = "train.epochs=1";
    assert_ok(try_fit(&w, settings, rating_of));
    float *after = fitted_tensor(w.f.model, "factors", NULL, NULL);
    int n = 0;
    for (int u = 0; u < USERS; u++) {
        n += fitted_user_degree(&w.d, u);
    }
    for (int e = 0; e < (USERS + ITEMS) * WIDTH; e++) {
        expected[e] = (double)before[e];
    }
    for (int p = 0; p < USERS * ITEMS; p++) {
        const float *x = before + p / ITEMS * WIDTH, *y = before + (USERS + p % ITEMS) * WIDTH;
        double *to_x = expected + p / ITEMS * WIDTH, *to_y = expected + (USERS + p % ITEMS) * WIDTH;
        double error = w.mean + (double)x[DIM] + (double)y[DIM] - rating_of(p / ITEMS, p % ITEMS);
        for (int k = 0; k < DIM; k++) {
            error += (double)x[k] * (double)y[k];
        }
        for (int k = 0; k < WIDTH && w.d.has[p]; k++) {
            to_x[k] -= 0.5 / n * (2 * error * (k < DIM ? (double)y[k] : 1) + 0.3 * (double)x[k]);
            to_y[k] -= 0.5 / n * (2 * error * (k < DIM ? (double)x[k] : 1) + 0.3 * (double)y[k]);
        }
    }
    fitted_assert_near("a step", after, expected, (USERS + ITEMS) * WIDTH, 1e-6);
    free(before);
    free(after);
    free(expected);
    fitted_free(&w.f);
    fitted_data_free(&w.d);
}

/* Ratings that are no part of the data set: of users and items who were rated, and of both of whom
 * nothing was learnt. */
static void new_ratings_are_evaluated(void **unused)
{
    (void)unused;
    const int32_t users[] = {3, 0, USERS - 1, 3, 5, 5}, items[] = {0, 0, 2, ITEMS - 1, 0, 0};
    float ratings[] = {2, 4.5f, 5, 0.5f, 1, 3}; /* of a pair twice the last one stays */
    double errors[2] = {0};
    rk_evaluate_options how = rk_evaluate_defaults();
    rk_evaluation e = {0};
    rk_holdout *holdout = NULL;
    world w;
    int n = 0;
    fitted_data_init(&w.d, USERS, ITEMS, true);
    for (int u = 0; u < USERS; u++) { /* nobody of them has item 0 in train or valid */
        w.d.has[u * ITEMS] = false;
    }
    for (int64_t k = 0; k < w.d.columns.n; k++) {
        w.d.parts[k] = w.d.items[k] == 0 ? RK_TEST : w.d.parts[k];
    }
    assert_ok(try_fit(&w, forms[0].settings, rating_of));
    assert_ok(rk_holdout_from_ratings(w.f.model, users, items, ratings, 6, &holdout));
    const rk_holdout_facts facts = rk_holdout_get_facts(holdout);
    for (int k = 0; k < 6; k++) {
        const bool is_known = k != 4;
        float *scores = is_known ? fitted_user_scores(w.f.model, users[k]) : NULL;
        const int32_t *valid;
        int64_t n_valid = 0, at = 0;
        assert_ok(rk_dataset_items(w.f.dataset, RK_VALID, users[k], &valid, &n_valid));
        while (at < n_valid && valid[at] != items[k]) {
            at++;
        }
        if (is_known && at == n_valid && !w.d.has[users[k] * ITEMS + items[k]]) {
            add_error(errors, (double)scores[items[k]], (double)ratings[k]);
            n++;
        }
        free(scores);
    }
    assert_int_equal(facts.pairs, n);
    assert_int_equal(facts.repeated, 1);
    how.holdout = holdout;
    assert_ok(rk_evaluate(w.f.model, &how, NULL, &e));
    assert_int_equal(e.ratings.pairs, n);
    check_errors("new ratings", e.ratings.model, errors, n);
    rk_evaluation_free(&e);
    rk_holdout_free(holdout);
    assert_ok(rk_holdout_from_pairs(w.f.model, users, items, 6, &holdout));
    how.holdout = holdout;
    assert_ok(rk_evaluate(w.f.model, &how, NULL, &e));
    assert_int_equal(e.ratings.pairs, 0);
    rk_evaluation_free(&e);
    rk_holdout_free(holdout);
    ratings[2] = 5.5f;
    holdout = NULL;
    assert_int_equal(rk_holdout_from_ratings(w.f.model, users, items, ratings, 6, &holdout),
                     RK_ERR_DATA);
    assert_null(holdout);
    assert_non_null(strstr(rk_last_error(), "the rating 5.5 lies outside"));
    fitted_free(&w.f);
    fitted_data_free(&w.d);
}

static double always_four(int64_t user, int64_t item)
{
    (void)user, (void)item;
    return 4;
}

static void refused(const char *const *settings, double (*rating)(int64_t, int64_t),
                    const char *text)
{
    world w;
    fitted_data_init(&w.d, USERS, ITEMS, true);
    assert_true(try_fit(&w, settings, rating) != RK_OK);
    if (!strstr(rk_last_error(), text)) {
        fail_msg("'%s' does not say: %s", rk_last_error(), text);
    }
    fitted_free(&w.f);
    fitted_data_free(&w.d);
}

static void bad_ratings_are_refused(void **unused)
{
    (void)unused;
    const char *als[] = {"model.kind=als", "model.dim=3", NULL};
    const char *range[] = {"model.kind=als", "model.dim=3", "data.value_range=[1, 5]", NULL};
    const char *turned[] = {"model.kind=als", "data.value_range=[5, 1]", NULL};
    const char *loss[] = {"model.kind=svd", "model.dim=3", NULL};
    const char *bare[] = {"model.kind=fm", "loss.kind=mse", "loss.l2=0", NULL};
    const char *metric[] = {"model.kind=ease", "eval.metric=rmse", NULL};
    const char *mse[] = {"model.kind=mf", "loss.kind=mse", NULL};
    refused(als, always_four, "all ");
    refused(range, rating_of, "outside of data.value_range [1, 5]");
    refused(turned, rating_of, "data.value_range");
    refused(loss, rating_of, "take loss.kind mse");
    refused(bare, rating_of, "are singular");
    refused(metric, rating_of, "predicts no ratings");
    refused(mse, rating_of, "predicts no ratings");
}

/* People who are known by items need ratings within the scale. */
static void lists_need_ratings(void **unused)
{
    (void)unused;
    const int32_t items[] = {1, 2};
    const float fine[] = {4, 0.5f}, outside[] = {4, 5.5f};
    float scores[2];
    const int64_t offsets[] = {0, 2};
    world w;
    (void)offsets, (void)scores;
    fitted_data_init(&w.d, USERS, ITEMS, true);
    assert_ok(try_fit(&w, forms[0].settings, rating_of));
    rk_recommendation best[3];
    const rk_selection all = rk_selection_defaults();
    rk_query q = {.user = -1, .items = items, .n_items = 2};
    assert_int_equal(rk_model_top_k(w.f.model, &q, 1, &all, 3, best), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "give one each, from 0.5 to 5"));
    q.weights = outside;
    assert_int_equal(rk_model_top_k(w.f.model, &q, 1, &all, 3, best), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "5.5"));
    q.weights = fine;
    assert_ok(rk_model_top_k(w.f.model, &q, 1, &all, 3, best));
    for (int i = 0; i < 3; i++) {
        assert_true(best[i].score >= 0.5f && best[i].score <= 5);
    }
    fitted_free(&w.f);
    fitted_data_free(&w.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratings_are_predicted),     cmocka_unit_test(svd_steps_down_the_gradient),
        cmocka_unit_test(new_ratings_are_evaluated), cmocka_unit_test(bad_ratings_are_refused),
        cmocka_unit_test(lists_need_ratings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
