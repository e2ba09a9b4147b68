/* An ensemble of runs: its scores, its weights, and that it needs the runs no longer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "train/runs.h"

static runs shared;

/* Three members over the planted files, fitted again to train and valid, too. */
static int train_members(void **state)
{
    (void)state;
    runs_begin(&shared);
    assert_ok(
        runs_train(&shared, "ease",
                   (run_how){.config = "plain.yaml",
                             .settings = {"model.kind=ease", "model.l2=20", "train.refit=true"}}));
    assert_ok(runs_train(&shared, "knn",
                         (run_how){.config = "plain.yaml",
                                   .settings = {"model.kind=item_knn", "model.neighbours=10",
                                                "model.aggregate=bars", "train.refit=true"}}));
    assert_ok(runs_train(&shared, "graph",
                         (run_how){.settings = {"train.epochs=5", "train.refit=true"}}));
    return 0;
}

static int remove_members(void **state)
{
    (void)state;
    runs_end(&shared);
    return 0;
}

/* "model.members=[...]" of the named runs. */
static const char *members(const char *const *names, int n)
{
    static char text[1024];
    int length = snprintf(text, sizeof text, "model.members=[");
    for (int i = 0; i < n; i++) {
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%s", i > 0 ? ", " : "",
                           test_path(shared.data, names[i]));
    }
    snprintf(text + length, sizeof text - (size_t)length, "]");
    return text;
}

static const char *const all[] = {"ease", "knn", "graph"};
enum { N_MEMBERS = 3 };

static run_how ensemble(const char *which, const char *more, const char *even_more)
{
    return (run_how){.config = "plain.yaml",
                     .settings = {"model.kind=ensemble", which, more, even_more}};
}

static rk_model *opened(const char *name)
{
    rk_model *model = NULL;
    assert_ok(rk_model_open(test_path(shared.data, name), NULL, NULL, NULL, &model));
    return model;
}

/* Adds weight times the ranks of a model's scores, by comparing each with all. */
static void add_ranks(const rk_model *model, const rk_query *query, bool reciprocal, double weight,
                      double *sum)
{
    float scores[PLANTED_ITEMS];
    int32_t items[PLANTED_ITEMS];
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        items[i] = i;
    }
    assert_ok(rk_model_score(model, query, 1, items, PLANTED_ITEMS, scores));
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        double worse = 0, equal = 0;
        for (int k = 0; k < PLANTED_ITEMS; k++) {
            worse += scores[k] < scores[i];
            equal += scores[k] == scores[i];
        }
        const double below = worse + (equal - 1) / 2, rank = PLANTED_ITEMS - below;
        sum[i] += weight * (reciprocal ? 60 / (60 + rank) : below / (PLANTED_ITEMS - 1));
    }
}

/* Adds weight times the standardised scores of a model for a query. */
static void add_standardised(const rk_model *model, const rk_query *query, double weight,
                             double *sum)
{
    float scores[PLANTED_ITEMS];
    int32_t items[PLANTED_ITEMS];
    double mean = 0, variance = 0;
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        items[i] = i;
    }
    assert_ok(rk_model_score(model, query, 1, items, PLANTED_ITEMS, scores));
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        assert_true(isfinite(scores[i]));
        mean += (double)scores[i] / PLANTED_ITEMS;
    }
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        variance += pow((double)scores[i] - mean, 2) / PLANTED_ITEMS;
    }
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        sum[i] += weight * ((double)scores[i] - mean) / sqrt(variance);
    }
}

static void assert_scores(const rk_model *model, const rk_query *query, const double *expected)
{
    int32_t items[PLANTED_ITEMS];
    float scores[PLANTED_ITEMS];
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        items[i] = i;
    }
    assert_ok(rk_model_score(model, query, 1, items, PLANTED_ITEMS, scores));
    for (int i = 0; i < PLANTED_ITEMS; i++) {
        assert_true(fabs((double)scores[i] - expected[i]) < 1e-4);
    }
}

/* Known users and somebody new, by given weights. */
static void scores_are_means_of_standardised_scores(void **state)
{
    (void)state;
    static const double weights[N_MEMBERS] = {0.5, 0.125, 0.375};
    static const int32_t list[] = {3, 8, 13, 50};
    rk_model *of[N_MEMBERS], *model = NULL;
    assert_ok(runs_train(
        &shared, "given",
        ensemble(members(all, N_MEMBERS), "model.member_weights=[4, 1, 3]", "train.refit=true")));
    model = opened("given");
    for (int m = 0; m < N_MEMBERS; m++) {
        of[m] = opened(all[m]);
        char path[64];
        snprintf(path, sizeof path, "members.%d.weight", m);
        assert_true(fabs(runs_reported(&shared, "given", path) - weights[m]) < 1e-6);
    }
    assert_true(rk_model_get_facts(model).folds_in);
    for (int q = 0; q < 6; q++) {
        double expected[PLANTED_ITEMS] = {0};
        const rk_query query =
            q < 5 ? (rk_query){.user = 7 * q} : (rk_query){.user = -1, .items = list, .n_items = 4};
        for (int m = 0; m < N_MEMBERS; m++) {
            add_standardised(of[m], &query, weights[m], expected);
        }
        assert_scores(model, &query, expected);
    }
    const rk_query query = {.user = 0};
    int32_t item = 0;
    rk_reason reason;
    rk_explanation explanation;
    assert_fails(RK_ERR_CONFIG, "ask one of its members",
                 rk_model_explain(model, &query, &item, 1, 1, &reason, &explanation));
    for (int m = 0; m < N_MEMBERS; m++) {
        rk_model_free(of[m]);
    }
    rk_model_free(model);
}

static void ranks_are_averaged_in_place_of_scores(void **state)
{
    (void)state;
    static const double weights[2] = {0.75, 0.25};
    static const char *const pair[] = {"ease", "knn"};
    static const int32_t list[] = {3, 8, 13, 50};
    rk_model *of[2] = {opened("ease"), opened("knn")}, *model = NULL;
    for (int reciprocal = 0; reciprocal < 2; reciprocal++) {
        const char *name = reciprocal ? "reciprocal" : "ranks";
        run_how how =
            ensemble(members(pair, 2), "model.member_weights=[3, 1]",
                     reciprocal ? "model.member_scale=reciprocal" : "model.member_scale=ranks");
        how.settings[4] = "train.refit=true";
        assert_ok(runs_train(&shared, name, how));
        model = opened(name);
        for (int q = 0; q < 6; q++) {
            double expected[PLANTED_ITEMS] = {0};
            const rk_query query = q < 5 ? (rk_query){.user = 7 * q}
                                         : (rk_query){.user = -1, .items = list, .n_items = 4};
            for (int m = 0; m < 2; m++) {
                add_ranks(of[m], &query, reciprocal, weights[m], expected);
            }
            assert_scores(model, &query, expected);
        }
        rk_model_free(model);
    }
    rk_model_free(of[0]);
    rk_model_free(of[1]);
}

/* The chosen weights are at least as good as equal ones and as each member alone, and given, they
 * come to the same. */
static void weights_are_chosen_on_valid(void **state)
{
    (void)state;
    char given[256];
    int length = snprintf(given, sizeof given, "model.member_weights=[");
    assert_ok(runs_train(&shared, "chosen", ensemble(members(all, N_MEMBERS), NULL, NULL)));
    const double value = runs_reported(&shared, "chosen", "valid.ndcg@10");
    for (int m = 0; m < N_MEMBERS; m++) {
        char path[64];
        snprintf(path, sizeof path, "members.%d.valid", m);
        const double alone = runs_reported(&shared, "chosen", path);
        assert_true(alone == runs_reported(&shared, all[m], "valid.ndcg@10"));
        assert_true(value >= alone);
        snprintf(path, sizeof path, "members.%d.weight", m);
        length += snprintf(given + length, sizeof given - (size_t)length, "%s%.9g",
                           m > 0 ? ", " : "", runs_reported(&shared, "chosen", path));
    }
    snprintf(given + length, sizeof given - (size_t)length, "]");
    assert_ok(
        runs_train(&shared, "equal",
                   ensemble(members(all, N_MEMBERS), "model.member_weights=[1, 1, 1]", NULL)));
    assert_true(value > runs_reported(&shared, "equal", "valid.ndcg@10"));
    assert_ok(runs_train(&shared, "again", ensemble(members(all, N_MEMBERS), given, NULL)));
    assert_true(value == runs_reported(&shared, "again", "valid.ndcg@10"));
    run_how resumed = ensemble(members(all, N_MEMBERS), NULL, NULL);
    resumed.resume = true;
    assert_ok(runs_train(&shared, "chosen", resumed));
    assert_true(value == runs_reported(&shared, "chosen", "valid.ndcg@10"));
}

static double on_test(const rk_model *model)
{
    rk_metrics metrics;
    double value = NAN;
    assert_ok(rk_model_evaluate(model, RK_TEST, false, NULL, &metrics));
    for (int64_t i = 0; i < metrics.count; i++) {
        value = strcmp(metrics.values[i].name, "ndcg@10") == 0 ? metrics.values[i].value : value;
    }
    rk_metrics_free(&metrics);
    return value;
}

/* Its folder without those of its members, a file of it, and a model that was never in a folder. */
static void it_stands_alone(void **state)
{
    (void)state;
    static const char *const copies[] = {"copy-ease", "copy-knn"};
    rk_model *model = NULL;
    for (int m = 0; m < 2; m++) {
        run_how how = {
            .config = "plain.yaml",
            .settings = {m == 0 ? "model.kind=ease" : "model.kind=item_knn", "train.refit=true"}};
        assert_ok(runs_train(&shared, copies[m], how));
    }
    const run_how how = ensemble(members(copies, 2), "train.refit=true", NULL);
    assert_ok(runs_train(&shared, "alone", how));
    assert_ok(runs_fit(&shared, how, &model));
    const double value = runs_reported(&shared, "alone", "refit.test.ndcg@10");
    assert_true(on_test(model) == value);
    rk_model_free(model);
    test_scratch_remove(strdup(test_path(shared.data, copies[0])));
    test_scratch_remove(strdup(test_path(shared.data, copies[1])));
    model = opened("alone");
    assert_true(on_test(model) == value);
    assert_ok(rk_model_save(model, test_path(shared.data, "alone.h5"), true));
    rk_model_free(model);
    model = opened("alone.h5");
    assert_true(on_test(model) == value);
    rk_model_free(model);
}

static void what_cannot_be_a_member_is_refused(void **state)
{
    (void)state;
    static const char *const gone[] = {"ease", "nowhere"};
    static const char *const nested[] = {"ease", "pair"};
    static const char *const plain[] = {"ease", "plain"};
    static const char *const other[] = {"ease", "other"};
    assert_fails(RK_ERR_CONFIG, "an ensemble has 2 to",
                 runs_train(&shared, "x", ensemble(members(all, 1), NULL, NULL)));
    assert_fails(
        RK_ERR_CONFIG, "one weight a member",
        runs_train(&shared, "x", ensemble(members(all, 3), "model.member_weights=[1, 2]", NULL)));
    assert_fails(
        RK_ERR_CONFIG, "one weight a member, not all 0",
        runs_train(&shared, "x", ensemble(members(all, 2), "model.member_weights=[0, 0]", NULL)));
    assert_fails(RK_ERR_CONFIG, "the member 2",
                 runs_train(&shared, "x", ensemble(members(gone, 2), NULL, NULL)));
    assert_ok(runs_train(&shared, "pair", ensemble(members(all, 2), NULL, NULL)));
    assert_fails(RK_ERR_CONFIG, "is an ensemble itself",
                 runs_train(&shared, "x", ensemble(members(nested, 2), NULL, NULL)));
    const run_how ease = {.config = "plain.yaml", .settings = {"model.kind=ease"}};
    assert_ok(runs_train(&shared, "plain", ease));
    assert_fails(RK_ERR_CONFIG, "was trained without: fit it once more",
                 runs_train(&shared, "x", ensemble(members(plain, 2), "train.refit=true", NULL)));
    run_how filtered = ease;
    filtered.settings[1] = "data.min_item=30";
    assert_ok(runs_train(&shared, "other", filtered));
    assert_fails(RK_ERR_DATA, "members need the same data",
                 runs_train(&shared, "x", ensemble(members(other, 2), NULL, NULL)));
    assert_false(runs_has(&shared, "x", "config.yaml"));
}

static void set_up_survives_lack_of_memory(void **state)
{
    (void)state;
    rk_config *config = NULL;
    rk_dataset *dataset = planted_dataset(true);
    assert_ok(rk_config_create(&config));
    assert_ok(rk_config_set(config, "model.kind=ensemble", "test"));
    assert_ok(rk_config_set(config, "model.members=[a, b]", "test"));
    for (int m = 0; m < 2; m++) {
        rk_config *member = NULL;
        assert_ok(rk_config_create(&member));
        assert_ok(rk_config_set(member, m == 0 ? "model.kind=item_knn" : "model.kind=mf", "test"));
        assert_ok(rk__config_add_member(config, member));
    }
    assert_ok(rk_config_set(config, "run.device=cpu", "test"));
    planted_set_up_survives_lack_of_memory(rk__config_options(config), dataset);
    rk_config_free(config);
    planted_free(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_means_of_standardised_scores),
        cmocka_unit_test(ranks_are_averaged_in_place_of_scores),
        cmocka_unit_test(weights_are_chosen_on_valid),
        cmocka_unit_test(it_stands_alone),
        cmocka_unit_test(what_cannot_be_a_member_is_refused),
        cmocka_unit_test(set_up_survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, train_members, remove_members);
}
