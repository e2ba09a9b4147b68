/*
 * Graph networks that predict ratings: one layer of gcn, and of rgcn with a type of edges for each
 * value (GC-MC), from the definition in double; the errors of an evaluation; what is refused.
 */
#include <math.h>

#include "train/fitted.h"

enum { USERS = 19, ITEMS = 15, NODES = USERS + ITEMS, DIM = 4, LEVELS = 5 };

static double rating_of(int64_t user, int64_t item)
{
    return 1 + (double)((user * 7 + item * 5 + user * item) % LEVELS);
}

static double halves(int64_t user, int64_t item)
{
    return (double)(user * ITEMS + item) / 8;
}

static rk_status try_fit_from(const fitted_data *d, const char *const *settings,
                              double (*rating)(int64_t, int64_t), const char *from, fitted *out)
{
    rk_train_options how = rk_train_defaults();
    rk_columns columns = d->columns;
    double *values = calloc((size_t)columns.n, sizeof *values);
    for (int64_t k = 0; k < columns.n; k++) {
        values[k] = rating(d->users[k], d->items[k]);
    }
    columns.values = values;
    *out = (fitted){.config = fitted_config(settings)};
    rk_status status = rk_dataset_from_columns(out->config, &columns, NULL, &out->dataset);
    free(values);
    how.dataset = out->dataset;
    how.from = from;
    return status == RK_OK ? rk_model_fit(out->config, &how, NULL, &out->model) : status;
}

static rk_status try_fit(const fitted_data *d, const char *const *settings,
                         double (*rating)(int64_t, int64_t), fitted *out)
{
    return try_fit_from(d, settings, rating, NULL, out);
}

/* Do they have an edge, of which level? -1 = none. */
static int level_of(const fitted_data *d, int a, int b)
{
    const int user = a < b ? a : b, item = (a < b ? b : a) - USERS;
    return user < USERS && item >= 0 && d->has[user * ITEMS + item] ? (int)rating_of(user, item) - 1
                                                                    : -1;
}

static int degree(const fitted_data *d, int node, int level)
{
    int n = 0;
    for (int other = 0; other < NODES; other++) {
        const int here = level_of(d, node, other);
        n += here >= 0 && (level < 0 || here == level);
    }
    return n;
}

/* What is summed of a neighbour: with typed edges the mean of each type, times a matrix of its own;
 * else over the roots of both degrees. */
static void encode(const fitted_data *d, const rk_model *m, bool is_typed, double out[NODES][DIM])
{
    float *x = fitted_tensor(m, "embedding", NULL, NULL);
    float *w = fitted_tensor(m, is_typed ? "layer1.relations" : "layer1.weight", NULL, NULL);
    float *b = fitted_tensor(m, "layer1.bias", NULL, NULL);
    for (int v = 0; v < NODES; v++) {
        for (int c = 0; c < DIM; c++) {
            out[v][c] = (double)b[c];
        }
        for (int u = 0; u < NODES; u++) {
            const int level = level_of(d, v, u), type = 2 * level + (v >= USERS);
            if (level < 0) {
                continue;
            }
            const double by = is_typed ? 1.0 / degree(d, v, level)
                                       : 1 / sqrt((double)degree(d, v, -1) * degree(d, u, -1));
            for (int c = 0; c < DIM * DIM; c++) {
                const int first = is_typed ? type * DIM : 0;
                out[v][c % DIM] += by * (double)x[u * DIM + c / DIM] *
                                   (double)w[(first + c / DIM) * DIM + c % DIM];
            }
        }
    }
    free(x);
    free(w);
    free(b);
}

static const char *const gcn[] = {"model.kind=gcn",
                                  "model.dim=4",
                                  "model.layers=1",
                                  "model.self=none",
                                  "loss.kind=mse",
                                  "model.scorer=biased",
                                  "train.epochs=8",
                                  "train.batch=32",
                                  "loss.l2=0.1",
                                  "train.learning_rate=0.02",
                                  NULL};
static const char *const gcmc[] = {"model.kind=rgcn",     "model.dim=4",
                                   "model.layers=1",      "model.self=none",
                                   "loss.kind=mse",       "model.scorer=biased",
                                   "train.epochs=8",      "train.batch=32",
                                   "loss.l2=0.1",         "train.learning_rate=0.02",
                                   "model.type_by=value", "train.message_share=0.6",
                                   "model.edges=mean",    NULL};

static void check(const char *const *settings, bool is_typed)
{
    static double x[NODES][DIM];
    fitted_data d;
    fitted f;
    double mean = 0, squares = 0;
    int n_train = 0, n = 0;
    fitted_data_init(&d, USERS, ITEMS, false);
    assert_ok(try_fit(&d, settings, rating_of, &f));
    encode(&d, f.model, is_typed, x);
    float *b = fitted_tensor(f.model, "bias", NULL, NULL);
    for (int p = 0; p < USERS * ITEMS; p++) {
        mean += d.has[p] ? rating_of(p / ITEMS, p % ITEMS) : 0;
        n_train += d.has[p];
    }
    mean /= n_train;
    double scores[USERS][ITEMS];
    for (int u = 0; u < USERS; u++) {
        for (int i = 0; i < ITEMS; i++) {
            double sum = mean + (double)b[u] + (double)b[USERS + i];
            for (int c = 0; c < DIM; c++) {
                sum += x[u][c] * x[USERS + i][c];
            }
            scores[u][i] = fmin(fmax(sum, 1), LEVELS);
        }
        float *actual = fitted_user_scores(f.model, u);
        fitted_assert_near("predicted ratings", actual, scores[u], ITEMS, 2e-5);
        free(actual);
    }
    for (int64_t k = 0; k < d.columns.n; k++) {
        if (d.parts[k] == RK_TEST) {
            squares += pow(scores[d.users[k]][d.items[k]] - rating_of(d.users[k], d.items[k]), 2);
            n++;
        }
    }
    rk_evaluate_options how = rk_evaluate_defaults();
    rk_evaluation e = {0};
    assert_ok(rk_evaluate(f.model, &how, NULL, &e));
    assert_int_equal(e.ratings.pairs, n);
    assert_close(e.ratings.model[0], squares / n, 1e-5, 1e-5);
    rk_evaluation_free(&e);
    free(b);
    fitted_free(&f);
    fitted_data_free(&d);
}

static void ratings_are_those_of_the_definition(void **unused)
{
    (void)unused;
    check(gcn, false);
    check(gcmc, true);
}

static void refused(const char *const *settings, double (*rating)(int64_t, int64_t),
                    const char *says)
{
    fitted_data d;
    fitted f;
    fitted_data_init(&d, USERS, ITEMS, false);
    assert_true(try_fit(&d, settings, rating, &f) != RK_OK);
    if (!strstr(rk_last_error(), says)) {
        fail_msg("'%s' does not say: %s", rk_last_error(), says);
    }
    fitted_free(&f);
    fitted_data_free(&d);
}

static void labels_are_not_given_away(void **unused)
{
    (void)unused;
    const char *whole[16], *dots[16];
    int n = 0;
    for (; gcmc[n]; n++) {
        whole[n] =
            strncmp(gcmc[n], "train.message_share", 19) == 0 ? "train.message_share=1" : gcmc[n];
        dots[n] = strncmp(gcmc[n], "model.scorer", 12) == 0 ? "model.scorer=dot" : gcmc[n];
    }
    whole[n] = dots[n] = NULL;
    refused(whole, rating_of, "would give it away");
    refused(dots, rating_of, "take model.scorer biased");
    refused(gcmc, halves, "more than 64 different values");
}

/* Of as many values as the run to begin from has, but others. */
static double shifted(int64_t user, int64_t item)
{
    return rating_of(user, item) + 0.5;
}

static void values_to_begin_from_are_the_same(void **unused)
{
    (void)unused;
    char *folder = test_scratch();
    const char *path = test_path(folder, "first.h5");
    fitted_data d;
    fitted first, again, other;
    fitted_data_init(&d, USERS, ITEMS, false);
    assert_ok(try_fit(&d, gcmc, rating_of, &first));
    assert_ok(rk_model_save(first.model, path, false));
    assert_ok(try_fit_from(&d, gcmc, rating_of, path, &again));
    assert_fails(RK_ERR_DATA, "the values of interactions of the data set are not those of the run",
                 try_fit_from(&d, gcmc, shifted, path, &other));
    fitted_free(&first);
    fitted_free(&again);
    fitted_free(&other);
    fitted_data_free(&d);
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratings_are_those_of_the_definition),
        cmocka_unit_test(labels_are_not_given_away),
        cmocka_unit_test(values_to_begin_from_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
