/* split.carve_valid: a valid part taken from train where a data set comes as train and test. */
#include "train/runs.h"

/* The planted files without their valid part. */
static rk_dataset *prepare(const runs *r, const char *share, const char *seed)
{
    rk_config *config = NULL;
    rk_dataset *dataset = NULL;
    assert_ok(rk_config_load(&config, test_path(r->data, "exp.yaml")));
    assert_ok(rk_config_set(config,
                            "data.sources=[{file: train.txt, format: adjacency, part: train}, "
                            "{file: test.txt, format: adjacency, part: test}]",
                            "test"));
    assert_ok(rk_config_set(config, share, "test"));
    assert_ok(rk_config_set(config, seed, "test"));
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    rk_config_free(config);
    return dataset;
}

static int64_t items(const rk_dataset *d, rk_part part, int64_t user, const int32_t **out)
{
    int64_t n = 0;
    assert_ok(rk_dataset_items(d, part, user, out, &n));
    return n;
}

static bool has(const int32_t *list, int64_t n, int32_t item)
{
    for (int64_t i = 0; i < n; i++) {
        if (list[i] == item) {
            return true;
        }
    }
    return false;
}

/* 12 train items a user: floor(0.2 * 12) = 2 of them become valid, test stays as it is. */
static void a_share_of_each_user_moves(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    rk_dataset *whole = prepare(&r, "split.carve_valid=0", "split.seed=1");
    rk_dataset *carved = prepare(&r, "split.carve_valid=0.2", "split.seed=1");
    rk_dataset *other = prepare(&r, "split.carve_valid=0.2", "split.seed=2");
    assert_int_equal(rk_dataset_get_stats(whole)->valid, 0);
    assert_int_equal(rk_dataset_get_stats(carved)->valid, 2 * PLANTED_USERS);
    assert_int_equal(rk_dataset_get_stats(carved)->train, 10 * PLANTED_USERS);
    assert_string_not_equal(rk_dataset_fingerprint(whole), rk_dataset_fingerprint(carved));
    assert_string_not_equal(rk_dataset_fingerprint(other), rk_dataset_fingerprint(carved));
    int differ = 0;
    for (int64_t u = 0; u < PLANTED_USERS; u++) {
        const int32_t *all, *train, *valid, *valid2, *test, *test2;
        int64_t n = items(whole, RK_TRAIN, u, &all);
        int64_t n_train = items(carved, RK_TRAIN, u, &train);
        int64_t n_valid = items(carved, RK_VALID, u, &valid);
        assert_int_equal(n_train + n_valid, n);
        assert_int_equal(n_valid, 2);
        for (int64_t i = 0; i < n; i++) {
            assert_int_equal(has(train, n_train, all[i]) + has(valid, n_valid, all[i]), 1);
        }
        assert_int_equal(items(whole, RK_TEST, u, &test), items(carved, RK_TEST, u, &test2));
        assert_memory_equal(test, test2, PLANTED_TEST * sizeof *test);
        assert_int_equal(items(other, RK_VALID, u, &valid2), 2);
        differ += memcmp(valid, valid2, 2 * sizeof *valid) != 0;
    }
    assert_true(differ > PLANTED_USERS * 3 / 4); /* another seed, other items */
    rk_dataset_free(whole);
    rk_dataset_free(carved);
    rk_dataset_free(other);
    runs_end(&r);
}

/* A share that rounds to nothing takes one item; users with fewer than 3 keep theirs. */
static void small_users(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    test_write(test_path(r.data, "train.txt"), "1 1 2\n2 1 2 3\n3 4\n4 1 2 3 4 5\n", -1);
    test_write(test_path(r.data, "test.txt"), "1 3\n2 4\n3 1\n", -1);
    rk_dataset *d = prepare(&r, "split.carve_valid=0.01", "split.seed=1");
    static const int64_t expected[] = {0, 1, 0, 1};
    for (int64_t u = 0; u < 4; u++) {
        const int32_t *valid;
        assert_int_equal(items(d, RK_VALID, u, &valid), expected[u]);
    }
    rk_dataset_free(d);
    d = prepare(&r, "split.carve_valid=0.9", "split.seed=1");
    static const int64_t most[] = {0, 2, 0, 4};
    for (int64_t u = 0; u < 4; u++) {
        const int32_t *valid;
        assert_int_equal(items(d, RK_VALID, u, &valid), most[u]);
    }
    rk_dataset_free(d);
    runs_end(&r);
}

/* Chosen on the carved part, and the report says so. */
static void a_run_chooses_on_it(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"data.sources=[{file: train.txt, format: adjacency, part: train}, "
                                "{file: test.txt, format: adjacency, part: test}]",
                                "split.carve_valid=0.2", "train.epochs=3"}};
    assert_ok(runs_train(&r, "out", how));
    assert_true(runs_reported(&r, "out", "dataset.valid_carved_from_train") == 0.2);
    assert_true(runs_reported(&r, "out", "valid.users") == PLANTED_USERS);
    assert_true(runs_reported(&r, "out", "chosen.value") > 0);
    char *page = test_read(runs_file(&r, "out", "report.html"));
    assert_non_null(strstr(page, "valid, taken from train"));
    free(page);
    how.settings[0] = "split.kind=given";
    assert_fails(RK_ERR_CONFIG, "is a valid part already", runs_train(&r, "no", how));
    how.settings[0] = "split.kind=ratio";
    assert_fails(RK_ERR_CONFIG, "part", runs_train(&r, "no", how));
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_each_user_moves),
        cmocka_unit_test(small_users),
        cmocka_unit_test(a_run_chooses_on_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
