/* Spaces of sweeps and their journal: read back what was printed, lack of memory, torn lines. */
#include <math.h>

#include "base/alloc.h"
#include "support/support.h"
#include "sweep/journal.h"
#include "sweep/space.h"

static const char yaml_space[] = "model.dim: [32, 64]\n"
                                 "model.layers: {int: [1, 4]}\n"
                                 "train.learning_rate: {log: [1e-4, 1e-2]}\n"
                                 "model.dropout: {step: [0, 0.5, 0.1]}\n"
                                 "loss.kind + sampling.negatives: [[bpr, uniform], [softmax, "
                                 "in_batch]]\n"
                                 "data.name: [\"a b\", '[1]', 'x: y']\n";
static const char hyper_test[] = "learning_rate loguniform -8,0\n\nnothing here\n"
                                 "embedding_size choice [32, 64]\nreg_weight uniform 0,1\n"
                                 "n_layers quniform 1,5,2\n";

static rk_status read_text(const char *folder, const char *text, const rk_config *config,
                           rk_space *out)
{
    const char *path = test_path(folder, "space");
    test_write(path, text, -1);
    return rk__space_read(out, path, config);
}

static char *print(const rk_space *space)
{
    rk_buffer buffer = {0};
    char *text = NULL;
    rk__space_print(space, "", &buffer);
    assert_ok(rk__buffer_take(&buffer, &text));
    return text;
}

static void spaces_read_back(void **state)
{
    (void)state;
    char *folder = test_scratch();
    rk_config *config = config_of("");
    const char *const texts[] = {yaml_space, hyper_test};
    for (int i = 0; i < 2; i++) {
        rk_space first = {0}, second = {0};
        assert_ok(read_text(folder, texts[i], config, &first));
        char *once = print(&first);
        assert_ok(read_text(folder, once, config, &second));
        char *twice = print(&second);
        assert_string_equal(once, twice);
        if (i == 1) {
            assert_string_equal(once, "train.learning_rate: {log: [0.000335463, 1]}\n"
                                      "model.dim: [32, 64]\nloss.l2: {uniform: [0, 1]}\n"
                                      "model.layers: {step: [1, 5, 2]}\n");
            assert_int_equal(rk__axis_count(&second.axes[3]), 3);
            assert_true(rk__axis_at(&second.axes[3], 2) == 5);
        }
        rk__free(once);
        rk__free(twice);
        rk__space_free(&first);
        rk__space_free(&second);
    }
    rk_config_free(config);
    test_scratch_remove(folder);
}

/* Each allocation in turn. */
static void lack_of_memory_is_an_error(void **state)
{
    (void)state;
    char *folder = test_scratch();
    rk_config *config = config_of("");
    const char *const texts[] = {yaml_space, hyper_test};
    for (int i = 0; i < 2; i++) {
        rk_status status = RK_ERR_MEMORY;
        int64_t n = 0;
        const char *path = test_path(folder, "space");
        test_write(path, texts[i], -1);
        for (; status != RK_OK; n++) {
            rk_space space = {0};
            rk__alloc_fail_after(n);
            status = rk__space_read(&space, path, config);
            rk__alloc_fail_after(-1);
            if (status != RK_OK && status != RK_ERR_MEMORY) {
                fail_msg("allocation %lld: %s", (long long)n, rk_last_error());
            }
            rk__space_free(&space);
        }
        assert_true(n > 20);
    }
    rk_config_free(config);
    test_scratch_remove(folder);
}

static void numbers_are_short_and_inside(void **state)
{
    (void)state;
    rk_axis axis = {.domain = RK_DOMAIN_LOG, .low = 1e-5, .high = 0.3};
    for (int i = 0; i < 20000; i++) {
        const double x = 1e-5 * pow(3e4, i / 20000.0), place = rk__axis_round(&axis, x);
        char *text = NULL;
        assert_true(place >= axis.low && place <= axis.high && fabs(place / x - 1) < 6e-6);
        assert_ok(rk__axis_text(&axis, place, 0, &text));
        assert_true(strlen(text) <= 12);
        rk__free(text);
    }
}

static void journals_drop_torn_lines_and_notice_others(void **state)
{
    (void)state;
    char *folder = test_scratch();
    const rk_journal_end none = {.seconds = NAN}, some = {.seconds = 1.5},
                         why = {.seconds = NAN, .why = "a \"word\""};
    rk_journal j;
    assert_ok(rk__journal_open(&j, folder));
    assert_ok(rk__journal_say(&j, "{\"event\": \"asked\", \"trial\": 1", none));
    assert_ok(rk__journal_say(&j, "{\"event\": \"done\", \"value\": 0.25", some));
    assert_ok(rk__journal_say(&j, "{\"event\": \"failed\", \"trial\": 2", why));
    rk__journal_close(&j);
    const char *path = test_path(folder, "trials.jsonl");
    char *text = test_read(path);
    const size_t whole = strlen(text);
    for (size_t cut = 0; cut <= whole; cut++) { /* killed while writing, anywhere */
        test_write(path, text, (int64_t)cut);
        assert_ok(rk__journal_open(&j, folder));
        assert_ok(rk__journal_say(&j, "{\"event\": \"asked\", \"trial\": 1", none));
        if (rk__journal_next_is(&j, "done")) {
            assert_true(rk__journal_number(&j, "value") == 0.25);
        }
        assert_ok(rk__journal_say(&j, "{\"event\": \"done\", \"value\": 0.25", some));
        if (rk__journal_next_is(&j, "failed")) {
            char *word = NULL;
            assert_ok(rk__journal_text(&j, "why", &word));
            assert_string_equal(word, "a \"word\"");
            rk__free(word);
        }
        assert_ok(rk__journal_say(&j, "{\"event\": \"failed\", \"trial\": 2", why));
        rk__journal_close(&j);
        char *again = test_read(path);
        assert_string_equal(again, text);
        free(again);
    }
    assert_ok(rk__journal_open(&j, folder));
    assert_fails(RK_ERR_DATA, "trials.jsonl:1 says",
                 rk__journal_say(&j, "{\"event\": \"asked\", \"trial\": 2", none));
    rk__journal_close(&j);
    free(text);
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spaces_read_back),
        cmocka_unit_test(lack_of_memory_is_an_error),
        cmocka_unit_test(numbers_are_short_and_inside),
        cmocka_unit_test(journals_drop_torn_lines_and_notice_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
