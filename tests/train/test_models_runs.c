/*
 * Run folders of models that are solved for: interrupted anywhere they go on bit for bit, a
 * finished one reports again, another trajectory is refused, and the table of memory is there.
 * tests/cli/test_models.sh has what else they share with models that are trained by gradients.
 */
#include "train/fitted.h"
#include "train/runs.h"

/* Neutral settings beside the planted config, which has options of gradients. */
#define PLAIN "model.layers=3", "train.batch=2048", "train.learning_rate=0.001"
#define CLOSED PLAIN, "train.epochs=100", "model.dim=64"

/* The first chunk of a run is one phase: with a stop behind it, each run does half a sweep. */
static void ials_goes_on_in_the_middle_of_a_sweep(void **unused)
{
    (void)unused;
    static const char *const rules[][3] = {
        {"model.weighting=frequency", "model.solver=cholesky"},
        {"model.weighting=frequency", "model.solver=cg"},
        {"model.weighting=confidence", "model.solver=cg", "model.cg_steps=2"}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        runs r;
        runs_begin(&r);
        run_how how = {.settings = {"model.kind=ials", PLAIN, "train.epochs=3", rules[i][0],
                                    rules[i][1], rules[i][2]}};
        assert_ok(runs_train(&r, "straight", how));
        stop_after stop;
        int interruptions = 0, in_a_sweep = 0;
        rk_status status = RK_ERR_INTERRUPTED;
        how.hooks = &stop.hooks;
        while (status == RK_ERR_INTERRUPTED) {
            stop_after_init(&stop, 1);
            status = runs_train(&r, "stopped", how);
            how.resume = true;
            if (status == RK_ERR_INTERRUPTED) {
                interruptions++;
                in_a_sweep += strstr(rk_last_error(), "after step 1 of 2") != NULL;
            }
            assert_true(interruptions < 50);
        }
        assert_ok(status);
        assert_true(interruptions >= 3 && in_a_sweep >= 3);
        runs_assert_same(&r, "straight", "stopped");
        runs_end(&r);
    }
}

static void more_sweeps_go_on_from_fewer(void **unused)
{
    (void)unused;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"model.kind=ials", PLAIN, "train.epochs=5"}};
    assert_ok(runs_train(&r, "five", how));
    how.settings[4] = "train.epochs=2";
    assert_ok(runs_train(&r, "two", how));
    how.settings[4] = "train.epochs=5";
    how.resume = true;
    assert_ok(runs_train(&r, "two", how));
    runs_assert_same(&r, "five", "two");
    how.settings[5] = "model.l2=0.5";
    assert_fails(RK_ERR_CONFIG, "model.l2 was", runs_train(&r, "two", how));
    how.settings[5] = "model.solver=cg";
    assert_fails(RK_ERR_CONFIG, "model.solver was", runs_train(&r, "two", how));
    runs_end(&r);
}

static void a_finished_closed_model_reports_again(void **unused)
{
    (void)unused;
    static const char *const kinds[][2] = {{"model.kind=popularity", "run.seed=2020"},
                                           {"model.kind=item_knn", "model.neighbours=20"},
                                           {"model.kind=rp3beta", "model.walk_beta=0.2"},
                                           {"model.kind=slim", "model.l1=2"},
                                           {"model.kind=ease", "model.l2=20"}};
    static const char *const others[] = {"run.seed=1", "model.neighbours=21", "model.walk_beta=0.1",
                                         "model.l1=1", "model.l2=21"};
    static const char *const says[] = {"run.seed was", "model.neighbours was",
                                       "model.walk_beta was", "model.l1 was", "model.l2 was"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        runs r;
        runs_begin(&r);
        run_how how = {.settings = {CLOSED, kinds[i][0], kinds[i][1]}};
        assert_ok(runs_train(&r, "run", how));
        assert_ok(runs_train(&r, "again", how));
        runs_assert_same(&r, "run", "again");
        double recall = runs_reported(&r, "run", "test.recall@10");
        assert_true(recall > 0);
        remove(runs_file(&r, "run", "report.json"));
        how.resume = true;
        assert_ok(runs_train(&r, "run", how));
        assert_true(runs_reported(&r, "run", "test.recall@10") == recall);
        runs_assert_same(&r, "run", "again");

        how.settings[6] = others[i]; /* refused, and the run is as it was */
        assert_fails(RK_ERR_CONFIG, says[i], runs_train(&r, "run", how));
        runs_assert_same(&r, "run", "again");
        runs_end(&r);
    }
}

/* ---- what is told ---- */

typedef struct heard {
    char text[20000];
} heard;

static void hear(void *user, rk_log_level level, const char *message)
{
    heard *h = user;
    size_t length = strlen(h->text);
    (void)level;
    snprintf(h->text + length, sizeof h->text - length, "%s\n", message);
}

static void assert_heard(const heard *h, const char *const *texts)
{
    for (int i = 0; texts[i]; i++) {
        if (!strstr(h->text, texts[i])) {
            fail_msg("nobody said \"%s\", but:\n%s", texts[i], h->text);
        }
    }
}

/* Large enough for lines of their own; the small ones are summed up. */
static void memory_is_told_line_by_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *settings[5];
        const char *says[6];
    } cases[] = {
        {{"model.kind=popularity", NULL},
         {"memory on cpu: ", "smaller ones", "computed in one go: count", NULL}},
        {{"model.kind=item_knn", "model.neighbours=350", NULL},
         {"  neighbours ", "  similarities ", "  lists.values ", "computed in one go: neighbours",
          NULL}},
        {{"model.kind=ease", NULL},
         {"  ease.items ", "computed in one go: Gram matrix, inverse, weights", NULL}},
        {{"model.kind=slim", "model.l1=0.5", "model.passes=1", "model.neighbours=5"},
         {"of 400 items: coordinate descent was stopped by model.passes", NULL}},
        {{"model.kind=ials", "model.dim=350", "train.epochs=1", NULL},
         {"  factors ", "  fold.gram ", "an epoch is a sweep: users, items", NULL}},
    };
    fitted_data d;
    fitted_data_init(&d, 400, 400, true);
    rk_dataset *dataset = fitted_dataset(&d, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heard h = {""};
        const rk_hooks hooks = {.log = hear, .user = &h};
        rk_config *config = fitted_config(cases[i].settings);
        rk_train_options how = rk_train_defaults();
        rk_model *model = NULL;
        how.dataset = dataset;
        assert_ok(rk_model_fit(config, &how, &hooks, &model));
        assert_heard(&h, cases[i].says);
        assert_null(strstr(h.text, "nan")); /* what they do not have is not told */
        rk_model_free(model);
        rk_config_free(config);
    }
    rk_dataset_free(dataset);
    fitted_data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ials_goes_on_in_the_middle_of_a_sweep),
        cmocka_unit_test(more_sweeps_go_on_from_fewer),
        cmocka_unit_test(a_finished_closed_model_reports_again),
        cmocka_unit_test(memory_is_told_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
