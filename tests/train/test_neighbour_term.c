/*
 * The item-item term in whole runs: what it learns, that it goes on after an interruption, what a
 * program with it is made of, what it says and refuses.
 */
#include <math.h>

#include "base/alloc.h"
#include "train/profile.h"
#include "train/runs.h"
#include "train/set_up.h"

static const char *const ULTRAGCN[] = {
    "model.kind=mf",          "loss.kind=bce",           "loss.bce_w2=1",
    "loss.bce_w4=1",          "loss.neighbours=6",       "loss.neighbours_weight=0.5",
    "loss.negative_weight=2", "sampling.per_positive=4", "train.learning_rate=0.05"};
static const char *const LIGHTGCN[] = {"model.layers=2", "loss.neighbours=3",
                                       "loss.neighbours_weight=0.2", "train.propagation=fp16"};

static run_how how_of(const char *epochs, const char *const *settings, size_t n)
{
    run_how how = {.settings = {epochs}};
    for (size_t i = 0; i < n; i++) {
        how.settings[1 + i] = settings[i];
    }
    return how;
}

static void check_run(const char *const *settings, size_t n)
{
    runs r;
    stop_after stop;
    runs_begin(&r);
    run_how how = how_of("train.epochs=8", settings, n);
    assert_ok(runs_train(&r, "whole", how));
    assert_true(runs_reported(&r, "whole", "test.ndcg@10") >
                1.3 * runs_reported(&r, "whole", "popularity.test.ndcg@10"));
    char *metrics = runs_metrics(&r, "whole"),
         *log = test_read(runs_file(&r, "whole", "train.log"));
    assert_non_null(strstr(metrics, "\"neighbours\": "));
    assert_non_null(strstr(log, "nearest of each of 150 items by common users"));
    free(metrics);
    free(log);
    stop_after_init(&stop, 5);
    how.hooks = &stop.hooks;
    assert_int_equal(runs_train(&r, "parts", how), RK_ERR_INTERRUPTED);
    how.hooks = NULL;
    how.resume = true;
    assert_ok(runs_train(&r, "parts", how));
    runs_assert_same_file(&r, "whole", "parts", "last.h5");
    how.settings[1 + n] = "loss.neighbours=2";
    assert_fails(RK_ERR_CONFIG, "loss.neighbours was", runs_train(&r, "parts", how));
    runs_end(&r);
}

static void runs_learn_and_resume(void **state)
{
    (void)state;
    check_run(ULTRAGCN, sizeof ULTRAGCN / sizeof ULTRAGCN[0]);
    check_run(LIGHTGCN, sizeof LIGHTGCN / sizeof LIGHTGCN[0]);
}

/* ---- steps ---- */

typedef struct fixture {
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
} fixture;

static rk_status set_up(fixture *f, const char *const *settings, size_t n)
{
    static const char *const common[] = {"run.device=cpu", "run.threads=1", "model.dim=16",
                                         "train.batch=256", "eval.k=[5, 10]"};
    *f = (fixture){0};
    assert_ok(rk_config_create(&f->config));
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(f->config, common[i], "test"));
    }
    for (size_t i = 0; i < n; i++) {
        assert_ok(rk_config_set(f->config, settings[i], "test"));
    }
    f->dataset = planted_dataset(true);
    return rk__set_up(&f->engine, &f->step, &f->scorer, rk__config_options(f->config), f->dataset,
                      false, NULL);
}

static void tear_down(fixture *f)
{
    rk__tear_down(&f->engine, &f->step, &f->scorer);
    planted_free(f->dataset);
    rk_config_free(f->config);
}

static int count(const rk_program *p, rk_op op)
{
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].op == op;
    }
    return n;
}

/* Two row sets, and the layers that both read are computed and differentiated once. */
static void layers_are_computed_once(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.layers=3", "loss.neighbours=4",
                                           "graph.form=direct"};
    fixture f;
    assert_ok(set_up(&f, settings, 3));
    const rk_program *p = &f.step.phases[0];
    assert_int_equal(count(p, RK_OP_UNIQUE_ROWS), 2);
    assert_int_equal(count(p, RK_OP_PROPAGATE) + count(p, RK_OP_PROPAGATE_ADAM), 4);
    assert_int_equal(count(p, RK_OP_PROPAGATE_ROWS), 2);
    assert_int_equal(count(p, RK_OP_PROPAGATE_FROM_ROWS) + count(p, RK_OP_PROPAGATE_FROM_ROWS_ADAM),
                     2);
    tear_down(&f);

    static const char *const gram[] = {"model.layers=3", "loss.neighbours=4", "graph.form=gram"};
    assert_ok(set_up(&f, gram, 3));
    int products = count(&f.step.phases[0], RK_OP_GRAM_PRODUCT);
    assert_int_equal(count(&f.step.phases[0], RK_OP_FOLD), 1);
    tear_down(&f);
    static const char *const without[] = {"model.layers=3", "graph.form=gram"};
    assert_ok(set_up(&f, without, 2));
    assert_int_equal(count(&f.step.phases[0], RK_OP_GRAM_PRODUCT), products);
    tear_down(&f);
}

/* The direct form and the Gram form, fused and not, are the same sums. */
static void forms_agree(void **state)
{
    (void)state;
    static const char *const forms[] = {"graph.form=direct", "graph.form=gram"};
    double losses[2];
    for (int i = 0; i < 2; i++) {
        const char *const settings[] = {"model.layers=3", "loss.neighbours=4", forms[i],
                                        "train.learning_rate=0.02"};
        fixture f;
        assert_ok(set_up(&f, settings, 4));
        rk_step_state at = rk__step_first_state(&f.step);
        assert_ok(rk__step_set_state(&f.step, &at));
        assert_ok(rk__step_run(&f.step, at.steps_per_epoch));
        assert_ok(rk__step_get_state(&f.step, &at));
        double sums[4];
        assert_int_equal(f.step.n_terms, 3);
        assert_string_equal(f.step.terms[2].name, "neighbours");
        assert_ok(rk__step_get_sums(&f.step, sums));
        assert_true(sums[3] > 0);
        assert_close(sums[1] + sums[2] + sums[3], sums[0], 1e-12, 0);
        losses[i] = at.last_loss;
        tear_down(&f);
    }
    assert_close(losses[1], losses[0], 1e-5, 0);
}

/* Rows that a step touches: users and positives and a negative each; users and neighbours. */
static void profiles_know_both_row_sets(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.kind=mf", "loss.neighbours=5",
                                           "sampling.positives=shuffle"};
    fixture f;
    rk_batch_facts *facts = NULL;
    int n = 0;
    rk_traffic work[RK_OP_COUNT];
    assert_ok(set_up(&f, settings, 3));
    assert_ok(rk__profile_batch(&f.step, &facts, &n));
    assert_int_equal(n, 2);
    for (int i = 0; i < n; i++) {
        assert_true(facts[i].rows > 50 && facts[i].rows <= PLANTED_USERS + PLANTED_ITEMS);
        assert_true(facts[i].edges > facts[i].user_edges && facts[i].user_edges > 0);
    }
    rk__program_traffic(&f.step.phases[0], facts, work);
    const double row = 16 * sizeof(float);
    assert_close(work[RK_OP_COMBINE_ROWS].bytes, 2 * row * (facts[0].rows + facts[1].rows), 1e-12,
                 0);
    assert_close(work[RK_OP_SCATTER_ROWS].bytes + work[RK_OP_SCATTER_ADD_ROWS].bytes,
                 row * (facts[0].rows + 3 * facts[1].rows + PLANTED_USERS + PLANTED_ITEMS), 1, 0);
    assert_close(work[RK_OP_NEIGHBOUR_LOSS].flops, 2. * 256 * 5 * 16, 1e-12, 0);
    assert_int_equal(work[RK_OP_NEIGHBOUR_SLOTS].gathers, 1);
    rk__free(facts);
    tear_down(&f);
}

static void more_neighbours_than_items_are_refused(void **state)
{
    (void)state;
    static const char *const settings[] = {"loss.neighbours=151"};
    fixture f;
    assert_int_equal(set_up(&f, settings, 1), RK_ERR_CONFIG);
    assert_non_null(
        strstr(rk_last_error(), "loss.neighbours is 151, but there are only 150 items"));
    tear_down(&f);
}

static void set_up_survives_lack_of_memory(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.layers=2", "loss.neighbours=5"};
    fixture f;
    assert_ok(set_up(&f, settings, 2));
    rk__tear_down(&f.engine, &f.step, &f.scorer);
    planted_set_up_survives_lack_of_memory(rk__config_options(f.config), f.dataset);
    tear_down(&f);
}

/* Whoever only ranks has no use for neighbours. */
static void evaluation_does_not_look_for_them(void **state)
{
    (void)state;
    static const char *const settings[] = {"loss.neighbours=5"};
    fixture f;
    assert_ok(set_up(&f, settings, 1));
    rk__tear_down(&f.engine, &f.step, &f.scorer);
    assert_ok(rk__set_up(&f.engine, NULL, &f.scorer, rk__config_options(f.config), f.dataset, false,
                         NULL));
    assert_int_equal(rk__store_find(&f.engine.store, "neighbours.items"), -1);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_learn_and_resume),
        cmocka_unit_test(layers_are_computed_once),
        cmocka_unit_test(forms_agree),
        cmocka_unit_test(profiles_know_both_row_sets),
        cmocka_unit_test(more_neighbours_than_items_are_refused),
        cmocka_unit_test(set_up_survives_lack_of_memory),
        cmocka_unit_test(evaluation_does_not_look_for_them),
    };
    return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
