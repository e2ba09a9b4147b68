/*
 * train.refit: the model of a run is the chosen one fitted once more to train and valid, as if the
 * files had said that all of it is train.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "data/join.h"
#include "train/runs.h"

/* joined.yaml: the planted files with the rows of valid in the train part. */
static void write_joined(const runs *r)
{
    char *text = test_read(test_path(r->data, "exp.yaml"));
    char *part = strstr(text, "part: valid");
    assert_non_null(part);
    memcpy(part, "part: train", strlen("part: train"));
    test_write(test_path(r->data, "joined.yaml"), text, -1);
    free(text);
}

static void joined_rows_are_those_of_both_parts(void **state)
{
    (void)state;
    rk_dataset *d = planted_dataset(true), *joined = NULL;
    const rk_lists *train = &d->parts[RK_TRAIN], *valid = &d->parts[RK_VALID];
    assert_ok(rk__dataset_join_valid(d, &joined));
    const rk_lists *both = &joined->parts[RK_TRAIN];
    for (int64_t user = 0; user < d->n_users; user++) {
        assert_int_equal(rk__lists_count(both, user),
                         rk__lists_count(train, user) + rk__lists_count(valid, user));
        for (int32_t item = 0; item < d->n_items; item++) {
            assert_true(rk__lists_has(both, user, item) ==
                        (rk__lists_has(train, user, item) || rk__lists_has(valid, user, item)));
            assert_true(rk__lists_has(&joined->parts[RK_TEST], user, item) ==
                        rk__lists_has(&d->parts[RK_TEST], user, item));
        }
    }
    assert_int_equal(joined->stats.train, d->stats.train + d->stats.valid);
    assert_int_equal(joined->stats.valid, 0);
    assert_string_not_equal(joined->fingerprint, d->fingerprint);
    rk_dataset_free(joined);
    planted_free(d);
}

/* Held-out users, values and times: what is given of the users of valid is train, too. */
static void given_rows_of_valid_users_join_too(void **state)
{
    (void)state;
    enum { USERS = 3 };
    int64_t train_offsets[] = {0, 2, 2, 2}, valid_offsets[] = {0, 0, 1, 1};
    int64_t test_offsets[] = {0, 0, 0, 1}, given_offsets[] = {0, 0, 2, 4};
    int32_t train[] = {0, 3}, valid[] = {2}, test[] = {4}, given[] = {1, 5, 0, 2};
    float values[RK_PARTS][4] = {{1, 2}, {3}, {4}, {5, 6, 7, 8}};
    double times[RK_PARTS][4] = {{10, 20}, {30}, {40}, {50, 60, 70, 80}};
    rk_dataset d = {.n_users = USERS, .n_items = 6};
    d.parts[RK_TRAIN] = (rk_lists){USERS, train_offsets, train};
    d.parts[RK_VALID] = (rk_lists){USERS, valid_offsets, valid};
    d.parts[RK_TEST] = (rk_lists){USERS, test_offsets, test};
    d.parts[RK_GIVEN] = (rk_lists){USERS, given_offsets, given};
    int64_t users[USERS] = {1, 2, 3}, items[6] = {1, 2, 3, 4, 5, 6};
    d.users = (rk_ids){USERS, users, NULL};
    d.items = (rk_ids){6, items, NULL};
    for (int part = 0; part < RK_PARTS; part++) {
        d.details[part] = (rk_details){.value = values[part], .time = times[part]};
    }
    static const int64_t offsets[] = {0, 2, 5, 5};
    static const int32_t expected[] = {0, 3, 1, 2, 5};
    static const float expected_values[] = {1, 2, 5, 3, 6};
    static const double expected_times[] = {10, 20, 50, 30, 60};
    rk_dataset *joined = NULL;
    assert_ok(rk__dataset_join_valid(&d, &joined));
    assert_memory_equal(joined->parts[RK_TRAIN].offsets, offsets, sizeof offsets);
    assert_memory_equal(joined->parts[RK_TRAIN].items, expected, sizeof expected);
    assert_memory_equal(joined->details[RK_TRAIN].value, expected_values, sizeof expected_values);
    assert_memory_equal(joined->details[RK_TRAIN].time, expected_times, sizeof expected_times);
    assert_int_equal(rk__lists_count(&joined->parts[RK_GIVEN], 1), 0);
    assert_int_equal(rk__lists_count(&joined->parts[RK_GIVEN], 2), 2);
    assert_int_equal(joined->parts[RK_GIVEN].items[0], 0);
    assert_true(joined->details[RK_GIVEN].value[1] == 8);
    rk_dataset_free(joined);
}

static void lack_of_memory_leaves_nothing(void **state)
{
    (void)state;
    rk_dataset *d = planted_dataset(true);
    for (int64_t n = 0;; n++) {
        rk_dataset *joined = NULL;
        rk__alloc_fail_after(n);
        rk_status status = rk__dataset_join_valid(d, &joined);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            assert_true(n > 5);
            rk_dataset_free(joined);
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
        assert_null(joined);
    }
    planted_free(d);
}

/* The metrics of test of a run's model, as it is opened. */
static double opened_metric(const runs *r, const char *name, const char *metric, int64_t *epoch)
{
    rk_model *model = NULL;
    rk_metrics metrics;
    double value = NAN;
    assert_ok(rk_model_open(test_path(r->data, name), NULL, NULL, NULL, &model));
    assert_ok(rk_model_evaluate(model, RK_TEST, false, NULL, &metrics));
    for (int64_t i = 0; i < metrics.count; i++) {
        value = strcmp(metrics.values[i].name, metric) == 0 ? metrics.values[i].value : value;
    }
    *epoch = rk_model_get_facts(model).epoch;
    rk_metrics_free(&metrics);
    rk_model_free(model);
    return value;
}

/* Of a kind of model, by settings: refit beside a run on files where valid is train. */
static void refit_is_a_run_on_both(const runs *r, const char *config_name, run_how how)
{
    int64_t epoch = 0, other = 0, n = 0;
    char epochs[64];
    run_how refit = how, both = how;
    while (how.settings[n]) {
        n++;
    }
    refit.settings[n] = "train.refit=true";
    refit.config = config_name;
    assert_ok(runs_train(r, "refit", refit));
    assert_true(runs_has(r, "refit", "refit.h5"));
    double value = opened_metric(r, "refit", "ndcg@10", &epoch);
    assert_true(runs_reported(r, "refit", "refit.test.ndcg@10") == value);
    assert_true(runs_reported(r, "refit", "chosen.epoch") == (double)epoch);
    assert_true(runs_reported(r, "refit", "refit.interactions") ==
                PLANTED_USERS * (PLANTED_TRAIN + PLANTED_VALID));
    snprintf(epochs, sizeof epochs, "train.epochs=%lld", (long long)epoch);
    both.settings[n] = "eval.every=0";
    if (!isnan(runs_reported(r, "refit", "train.loss"))) {
        both.settings[n + 1] = epochs; /* behind the others, so it counts */
    }
    both.config = "joined.yaml";
    assert_ok(runs_train(r, "both", both));
    assert_true(opened_metric(r, "both", "ndcg@10", &other) == value);
    assert_int_equal(epoch, other);
    /* before, the model was another one */
    assert_true(runs_reported(r, "refit", "test.ndcg@10") != value);
}

static void a_refit_by_gradients_is_a_run_on_both_parts(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    write_joined(&r);
    refit_is_a_run_on_both(&r, "exp.yaml", (run_how){.settings = {"train.epochs=6"}});
    runs_end(&r);
}

static void a_refit_in_closed_form_is_a_run_on_both_parts(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    char *text = test_read(test_path(r.data, "plain.yaml"));
    char *part = strstr(text, "part: valid");
    memcpy(part, "part: train", strlen("part: train"));
    test_write(test_path(r.data, "joined.yaml"), text, -1);
    free(text);
    refit_is_a_run_on_both(&r, "plain.yaml", (run_how){.settings = {"model.kind=ease"}});
    runs_end(&r);
}

/* An older run gets its refit by going on; stopped in it, it begins the refit anew. */
static void a_finished_run_gets_its_refit_on_resume(void **state)
{
    (void)state;
    runs r;
    int64_t epoch = 0;
    runs_begin(&r);
    const run_how whole = {.settings = {"train.epochs=4", "train.refit=true"}};
    assert_ok(runs_train(&r, "whole", whole));
    assert_ok(runs_train(&r, "later", (run_how){.settings = {"train.epochs=4"}}));
    assert_false(runs_has(&r, "later", "refit.h5"));
    run_how resumed = whole;
    resumed.resume = true;
    stop_after stop;
    stop_after_init(&stop, 2);
    resumed.hooks = &stop.hooks;
    assert_fails(RK_ERR_INTERRUPTED, "after the last epoch", runs_train(&r, "later", resumed));
    rk_model *model = NULL;
    resumed.hooks = NULL;
    assert_fails(RK_ERR_IO, "no refit.h5 yet",
                 rk_model_open(test_path(r.data, "later"), NULL, NULL, NULL, &model));
    assert_ok(runs_train(&r, "later", resumed));
    assert_true(opened_metric(&r, "later", "ndcg@10", &epoch) ==
                opened_metric(&r, "whole", "ndcg@10", &epoch));
    assert_ok(runs_fit(&r, whole, &model)); /* the same without a folder */
    rk_metrics metrics;
    assert_ok(rk_model_evaluate(model, RK_TEST, false, NULL, &metrics));
    for (int64_t i = 0; i < metrics.count; i++) {
        char path[64];
        snprintf(path, sizeof path, "refit.test.%s", metrics.values[i].name);
        assert_true(metrics.values[i].value == runs_reported(&r, "whole", path));
    }
    rk_metrics_free(&metrics);
    rk_model_free(model);
    runs_end(&r);
}

/* Refitted or not, runs of one data set can be compared; on valid by the models before. */
static void refits_are_compared_with_others(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    const run_how ease = {.config = "plain.yaml", .settings = {"model.kind=ease"}};
    const run_how again = {.config = "plain.yaml",
                           .settings = {"model.kind=ease", "train.refit=true"}};
    assert_ok(runs_train(&r, "once", ease));
    assert_ok(runs_train(&r, "twice", again));
    const char *const folders[] = {test_path(r.data, "once"), test_path(r.data, "twice")};
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        rk_comparison *c = NULL;
        rk_compare_options how = rk_compare_defaults();
        how.part = part;
        assert_ok(rk_compare(folders, 2, &how, NULL, &c));
        assert_string_equal(c->metrics[0].name, "recall@5");
        const double value =
            runs_reported(&r, "twice", part == RK_VALID ? "valid.recall@5" : "refit.test.recall@5");
        assert_true(fabs(c->metrics[0].values[1] - value) < 1e-12);
        assert_true((c->metrics[0].values[0] == c->metrics[0].values[1]) == (part == RK_VALID));
        rk_comparison_free(c);
    }
    rk_model *model = NULL;
    rk_metrics metrics;
    assert_ok(rk_model_open(folders[1], NULL, NULL, NULL, &model));
    assert_fails(RK_ERR_DATA, "the model was fitted to valid, too",
                 rk_model_evaluate(model, RK_VALID, false, NULL, &metrics));
    rk_model_free(model);
    runs_end(&r);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    write_joined(&r);
    assert_fails(
        RK_ERR_CONFIG, "nothing to add to train",
        runs_train(&r, "a", (run_how){.settings = {"train.refit=true"}, .config = "joined.yaml"}));
    assert_fails(
        RK_ERR_CONFIG, "a refit has none",
        runs_train(&r, "a", (run_how){.settings = {"train.refit=true", "train.schedule=plateau"}}));
    assert_false(runs_has(&r, "a", "config.yaml"));
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_rows_are_those_of_both_parts),
        cmocka_unit_test(given_rows_of_valid_users_join_too),
        cmocka_unit_test(lack_of_memory_leaves_nothing),
        cmocka_unit_test(a_refit_by_gradients_is_a_run_on_both_parts),
        cmocka_unit_test(a_refit_in_closed_form_is_a_run_on_both_parts),
        cmocka_unit_test(a_finished_run_gets_its_refit_on_resume),
        cmocka_unit_test(refits_are_compared_with_others),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
