/* Pages about runs and sweeps when memory runs out: allocations fail in turn, every time the call
 * says so and leaves nothing behind; and the page is the same whenever it is made. */
#include "base/alloc.h"
#include "rankine/page.h"
#include "train/runs.h"

enum { FEW_USERS = 20 };

static int begin(void **state)
{
    runs *r = calloc(1, sizeof *r);
    assert_non_null(r);
    runs_begin(r);
    run_how how = {.settings = {"train.epochs=2", "model.dim=4", "eval.k=[10]"}};
    assert_ok(runs_train(r, "one", how));
    how.settings[3] = "loss.kind=hinge";
    assert_ok(runs_train(r, "two", how));
    *state = r;
    return 0;
}

static int end(void **state)
{
    runs *r = *state;
    runs_end(r);
    free(r);
    return 0;
}

/* The page is made while an allocation fails, until none does: each in turn or, of many, some that
 * are `stride` apart and ever further. */
static void page_survives_lack_of_memory(const char *const *paths, int64_t n,
                                         const rk_page_options *how, int64_t stride,
                                         int64_t at_least)
{
    char *wanted = NULL, *page = NULL;
    assert_ok(rk_page_text(paths, n, how, NULL, &wanted));
    for (int64_t after = 0;; after += stride == 1 ? 1 : stride + after / 16) {
        rk__alloc_fail_after(after);
        const rk_status status = rk_page_text(paths, n, how, NULL, &page);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            assert_in_range(after, at_least, INT64_MAX);
            break;
        }
        if (status != RK_ERR_MEMORY) {
            fail_msg("allocation %lld: %s: %s", (long long)after, rk_status_text(status),
                     rk_last_error());
        }
        assert_null(page);
    }
    assert_string_equal(page, wanted);
    rk_string_free(page);
    rk_string_free(wanted);
}

static void pages_of_files_survive(void **state)
{
    const runs *r = *state;
    rk_page_options how = rk_page_defaults();
    how.asks_models = false;
    char one[512], two[512];
    snprintf(one, sizeof one, "%s", test_path(r->data, "one"));
    snprintf(two, sizeof two, "%s", test_path(r->data, "two"));
    const char *const paths[] = {one, two};
    page_survives_lack_of_memory(paths, 1, &how, 3, 500);
    page_survives_lack_of_memory(paths, 2, &how, 11, 1000);
}

static void pages_that_ask_models_survive(void **state)
{
    const runs *r = *state;
    rk_page_options how = rk_page_defaults();
    how.users = FEW_USERS;
    how.samples = 2;
    char one[512];
    snprintf(one, sizeof one, "%s", test_path(r->data, "one"));
    const char *const paths[] = {one};
    page_survives_lack_of_memory(paths, 1, &how, 40, 1000);
}

static const char *const trials =
    "{\"event\": \"asked\", \"trial\": 1, \"options\": {\"model.dim\": 4, \"loss.kind\": "
    "\"bpr\"}}\n"
    "{\"event\": \"done\", \"trial\": 1, \"epochs\": 4, \"value\": 0.25, \"seconds\": 1.5}\n"
    "{\"event\": \"asked\", \"trial\": 2, \"options\": {\"model.dim\": 8, \"loss.kind\": "
    "\"bce\"}}\n"
    "{\"event\": \"failed\", \"trial\": 2, \"why\": \"the loss is not a number\"}\n";

static const char *const report =
    "{\"sweep\": {\"method\": \"grid\", \"metric\": \"ndcg@10\", \"lower_is_better\": false,\n"
    "  \"seconds\": 3.5}, \"best\": {\"trial\": 1},\n"
    " \"options\": [{\"key\": \"train.learning_rate\", \"domain\": \"log\"}],\n"
    " \"trials\": [{\"trial\": 1, \"state\": \"done\", \"value\": 0.25, \"epochs\": 4,\n"
    "  \"seconds\": 2, \"options\": {\"train.learning_rate\": 0.01, \"loss.kind\": \"bpr\"}}],\n"
    " \"final\": [{\"trial\": 1, \"seeds\": 2, \"mean\": 0.2, \"sd\": 0.01}],\n"
    " \"test\": {\"ndcg@10\": 0.2}, \"popularity\": {\"test\": {\"ndcg@10\": 0.1}}}\n";

static void pages_of_sweeps_survive(void **state)
{
    const runs *r = *state;
    const rk_page_options how = rk_page_defaults();
    char *folder = test_scratch(), *config = test_read(runs_file(r, "one", "config.yaml"));
    const char *const paths[] = {folder};
    test_write(test_path(folder, "config.yaml"), config, -1);
    test_write(test_path(folder, "trials.jsonl"), trials, -1);
    page_survives_lack_of_memory(paths, 1, &how, 1, 300);
    test_write(test_path(folder, "report.json"), report, -1);
    page_survives_lack_of_memory(paths, 1, &how, 1, 300);
    free(config);
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_files_survive),
        cmocka_unit_test(pages_that_ask_models_survive),
        cmocka_unit_test(pages_of_sweeps_survive),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
