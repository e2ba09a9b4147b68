/*
 * Factorisation machines of ratings with fields: predictions and the errors of an evaluation, row
 * by row in its context, from the definition in double.
 */
#include <math.h>

#include "train/fm_world.h"

enum { DIM = 4 };

/* What the model has learnt; b = mean of the train rows. */
typedef struct learnt {
    float *factors, *context, *weight;
    double mean;
    int n_moods;
    bool has_user[USERS], has_item[ITEMS];
    bool has_value[2 + ITEMS + 8]; /* rows of contexts that a train row has */
} learnt;

static rk_rows rows_of(const rk_dataset *d, rk_part part, int64_t user, const int32_t *values[2])
{
    rk_rows rows = rk_rows_defaults();
    assert_ok(rk_dataset_rows(d, part, user, &rows));
    for (int f = 0; f < 2; f++) {
        assert_ok(rk_dataset_field(d, f, part, user, &values[f]));
    }
    return rows;
}

/* The row of a field's value: mood first, then the item before; each begins with "empty". */
static int64_t row_of(const learnt *l, int field, int32_t value)
{
    return (field == 0 ? 0 : 1 + l->n_moods) + 1 + value;
}

static void learn(learnt *l, const fitted *f)
{
    char room[RK_ID_BYTES];
    int64_t n = 0;
    *l = (learnt){.factors = fitted_tensor(f->model, "factors", NULL, NULL),
                  .context = fitted_tensor(f->model, "context", NULL, NULL),
                  .weight = fitted_tensor(f->model, "context_weight", NULL, NULL)};
    while (rk_dataset_field_value(f->dataset, 0, l->n_moods, room)) {
        l->n_moods++;
    }
    for (int64_t u = 0; u < USERS; u++) {
        const int32_t *values[2];
        const rk_rows rows = rows_of(f->dataset, RK_TRAIN, u, values);
        for (int64_t i = 0; i < rows.n; i++) {
            l->has_user[u] = l->has_item[rows.items[i]] = true;
            l->has_value[row_of(l, 0, values[0][i])] = true;
            l->has_value[row_of(l, 1, values[1][i])] = true;
            l->mean += (double)rows.values[i];
            n++;
        }
    }
    l->mean /= (double)n;
}

static void forget(learnt *l)
{
    free(l->factors);
    free(l->context);
    free(l->weight);
}

/* The mean, the weights and the products of every two vectors of what was learnt of. */
static double define(const learnt *l, int64_t user, const int32_t values[2], int64_t item)
{
    const float *vectors[4];
    double y = l->mean;
    int n = 0;
    const bool is_there[] = {l->has_user[user], l->has_item[item]};
    const int64_t nodes[] = {user, USERS + item};
    for (int i = 0; i < 2; i++) {
        if (is_there[i]) {
            vectors[n++] = l->factors + nodes[i] * (DIM + 1);
            y += (double)l->factors[nodes[i] * (DIM + 1) + DIM];
        }
    }
    for (int f = 0; f < 2; f++) {
        const int64_t row = row_of(l, f, values[f]);
        if (l->has_value[row]) {
            vectors[n++] = l->context + row * DIM;
            y += (double)l->weight[row];
        }
    }
    for (int a = 0; a < n; a++) {
        for (int b = a + 1; b < n; b++) {
            for (int k = 0; k < DIM; k++) {
                y += (double)vectors[a][k] * (double)vectors[b][k];
            }
        }
    }
    return fmin(fmax(y, 1), 5);
}

static void rows_are_rated_in_their_context(void **unused)
{
    (void)unused;
    static world w;
    static learnt l;
    const char *settings[] = {"model.kind=fm",
                              "model.dim=4",
                              "loss.kind=mse",
                              "loss.l2=0.05",
                              "train.epochs=20",
                              "train.batch=32",
                              "train.learning_rate=.02",
                              "model.init=xavier",
                              "data.value_range=[1, 5]",
                              FIELDS,
                              NULL};
    rk_train_options how = rk_train_defaults();
    make_world(&w, false);
    w.columns.values = w.values;
    fitted f = {.config = fitted_config(settings)};
    assert_ok(rk_dataset_from_columns(f.config, &w.columns, NULL, &f.dataset));
    how.dataset = f.dataset;
    assert_ok(rk_model_fit(f.config, &how, NULL, &f.model));
    learn(&l, &f);
    double squares = 0, sizes = 0;
    int64_t n = 0;
    for (int64_t u = 0; u < USERS; u++) {
        const int32_t *values[2];
        const rk_rows rows = rows_of(f.dataset, RK_TEST, u, values);
        for (int64_t i = 0; i < rows.n; i++) {
            const int32_t context[2] = {values[0][i], values[1][i]};
            double expected[ITEMS];
            float *scores =
                fitted_scores(f.model, (rk_query){.user = u, .context = context, .n_context = 2});
            for (int64_t item = 0; item < ITEMS; item++) {
                expected[item] = define(&l, u, context, item);
            }
            fitted_assert_near("predicted ratings", scores, expected, ITEMS, 2e-6);
            const double error = expected[rows.items[i]] - (double)rows.values[i];
            squares += error * error;
            sizes += fabs(error);
            n++;
            free(scores);
        }
    }
    rk_evaluate_options evaluate = rk_evaluate_defaults();
    rk_evaluation e = {0};
    assert_ok(rk_evaluate(f.model, &evaluate, NULL, &e));
    assert_int_equal(e.ratings.pairs, n);
    assert_close(e.ratings.model[0], squares / (double)n, 1e-5, 1e-5);
    assert_close(e.ratings.model[2], sizes / (double)n, 1e-5, 1e-5);
    rk_evaluation_free(&e);
    forget(&l);
    fitted_free(&f);
}

static void a_pair_in_several_rows_is_refused(void **unused)
{
    (void)unused;
    const char *settings[] = {"model.kind=fm", "loss.kind=mse", "data.repeats=keep", FIELDS, NULL};
    static world w;
    rk_train_options how = rk_train_defaults();
    make_world(&w, true);
    w.columns.values = w.values;
    fitted f = {.config = fitted_config(settings)};
    assert_ok(rk_dataset_from_columns(f.config, &w.columns, NULL, &f.dataset));
    how.dataset = f.dataset;
    assert_int_equal(rk_model_fit(f.config, &how, NULL, &f.model), RK_ERR_CONFIG);
    assert_non_null(strstr(rk_last_error(), "take data.repeats merge"));
    fitted_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_rated_in_their_context),
        cmocka_unit_test(a_pair_in_several_rows_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
