/*
 * rk_sweep without memory: while the first, the second, ... allocation of a whole sweep fails,
 * until none does. Each time it says so, and what it leaves goes on to what it would have come to.
 */
#include <unistd.h>

#include "base/alloc.h"
#include "train/runs.h"

enum {
    TRIALS = 2,
    /* At first every allocation fails in turn, then each STRIDE-th, which has no factor in common
     * with what a trial takes. Each RESUMED-th time the sweep is gone on with. */
    ALL = 60,
    STRIDE = 431,
    RESUMED = 7,
    MOST = 1 << 20
};

typedef struct world {
    char *folder;
    rk_config *config;
    rk_dataset *dataset;
} world;

static int set_up(void **state)
{
    static world w;
    w.folder = test_scratch();
    w.dataset = planted_dataset(true);
    w.config = config_of("model.kind=item_knn; eval.k=5; eval.metric=ndcg@5; run.device=cpu; "
                         "run.threads=1");
    test_write(test_path(w.folder, "space.yaml"), "model.neighbours: [4, 9]\n", -1);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    rk_config_free(w->config);
    planted_free(w->dataset);
    test_scratch_remove(w->folder);
    return 0;
}

static rk_status sweep(const world *w, const char *name, bool resume)
{
    rk_sweep_options how = rk_sweep_defaults();
    how.run_dir = test_path(w->folder, name);
    how.space = test_path(w->folder, "space.yaml");
    how.method = RK_SWEEP_GRID;
    how.dataset = w->dataset;
    how.resume = resume;
    return rk_sweep(w->config, &how, NULL);
}

/* What has come of it. */
static void check(const world *w, const char *name, double *best, double *test)
{
    rk_report *report = NULL;
    assert_ok(rk_report_open(test_path(w->folder, name), &report));
    *best = rk_report_number(report, "best.value");
    *test = rk_report_number(report, "test.ndcg@5");
    assert_true(rk_report_number(report, "sweep.trials") == TRIALS);
    assert_true(rk_report_number(report, "sweep.failed") == 0);
    rk_report_free(report);
}

/* On with what the sweep has left, if it has begun. */
static void go_on(const world *w, const char *name, const double *wanted)
{
    double found[2];
    const char *begun = test_path(test_path(w->folder, name), "sweep.yaml");
    assert_ok(sweep(w, name, access(begun, F_OK) == 0));
    check(w, name, &found[0], &found[1]);
    assert_true(found[0] == wanted[0] && found[1] == wanted[1]);
}

static void no_memory(void **state)
{
    const world *w = *state;
    double wanted[2];
    assert_ok(sweep(w, "whole", false));
    check(w, "whole", &wanted[0], &wanted[1]);
    assert_true(wanted[0] > 0 && wanted[1] > 0);
    int64_t failures = 0;
    rk_status status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n += n < ALL ? 1 : STRIDE, failures++) {
        assert_true(n < MOST);
        rk__alloc_fail_after(n);
        status = sweep(w, "cut", false);
        rk__alloc_fail_after(-1);
        if (status != RK_OK && status != RK_ERR_MEMORY) {
            fail_msg("allocation %lld: %s", (long long)n, rk_last_error());
        }
        if (status != RK_OK && failures % RESUMED == 0) {
            go_on(w, "cut", wanted);
        }
        test_scratch_remove(strdup(test_path(w->folder, "cut")));
    }
    print_message("%lld allocations failed\n", (long long)failures);
    assert_true(failures > ALL + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
