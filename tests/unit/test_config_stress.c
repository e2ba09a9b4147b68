/* config: allocation failures at every place, mutated files, files made to be slow. */
#include "base/alloc.h"
#include "base/philox.h"
#include "base/timer.h"
#include "config/internal.h"
#include "support/support.h"

static const char yaml[] = "data:\n"
                           "    name: \"b\\u00e9\"\n"
                           "    root: sets/a\n"
                           "    sources:\n"
                           "        - &one {file: ratings.csv, where: rating >= 4, time: 't'}\n"
                           "        - file: b\n"
                           "          format: inter\n"
                           "        - *one\n"
                           "split: {kind: ratio, valid: 0.2}\n"
                           "train:\n"
                           "    epochs: 5\n"
                           "    learning_rate: 1e-2\n"
                           "eval:\n"
                           "    k: [5, 10]\n"
                           "    metrics: [recall, ndcg]\n";

/* Everything that a config does, stopped by the n-th allocation that fails. */
static rk_status use_a_config(const char *text)
{
    rk_status status = RK_OK;
    rk_config *config = NULL, *copy = NULL;
    char *printed = NULL, *reference = NULL;
    const char *value = NULL;
    RK_TRY_GOTO(done, rk__config_parse(&config, "dir/exp.yaml", text, (int64_t)strlen(text)));
    RK_TRY_GOTO(done, rk_config_set(config, "train.epochs=7", "--set"));
    RK_TRY_GOTO(done, rk_config_set(config, "eval.metrics=recall,ndcg", "--set"));
    RK_TRY_GOTO(done, rk_config_set(config, "data.root=/a", "--data"));
    RK_TRY_GOTO(done, rk_config_set(config, "data.sources[3].file=\"c\"", "--set"));
    RK_TRY_GOTO(done, rk_config_set(config, "data.sources[4].file=d", "--set"));
    RK_TRY_GOTO(done, rk_config_check(config));
    RK_TRY_GOTO(done, rk__config_copy(config, &copy));
    RK_TRY_GOTO(done, rk_config_set(config, "data.sources=[{file: a}, {file: b}]", "--set"));
    RK_TRY_GOTO(done, rk_config_text(config, true, &printed));
    RK_TRY_GOTO(done, rk_config_get(config, "eval.k", &value));
    RK_TRY_GOTO(done, rk_config_reference(true, &reference));
done:
    rk_string_free(reference);
    rk_string_free(printed);
    rk_config_free(copy);
    rk_config_free(config);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    rk_status status = RK_ERR_MEMORY;
    int64_t n = 0;
    for (; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = use_a_config(yaml);
        rk__alloc_fail_after(-1);
        if (status != RK_OK && status != RK_ERR_MEMORY) {
            fail_msg("allocation %lld: %s", (long long)n, rk_last_error());
        }
        assert_true(n < 100000);
    }
    assert_true(n > 200);
}

/* A message of a failure needs memory as well. */
static void errors_may_run_out_of_memory(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "train: {epoch: 5}",     "train: {epochs: x}", "train: {epochs: [1]}",
        "wholly_unlike: {a: 1}", "eval: {k: [1, 1]}",  "data: {sources: [{file: a, fil: b}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        rk_status status = RK_ERR_MEMORY;
        for (int64_t n = 0; status == RK_ERR_MEMORY; n++) {
            rk__alloc_fail_after(n);
            status = use_a_config(texts[i]);
            rk__alloc_fail_after(-1);
            assert_true(status == RK_ERR_MEMORY || status == RK_ERR_CONFIG);
        }
    }
}

/* A file with a few bytes changed loads or is refused; when it loads, it prints and loads again. */
static void mutated_files(void **state)
{
    (void)state;
    static const char alphabet[] = "[]{}:,-#&*!|>'\"%@` \n\t\\0159aetrn_.~?=<\x80\xc3\xe2\x00";
    char text[2 * sizeof yaml];
    int loaded = 0, refused = 0;
    for (uint64_t round = 0; round < 8000; round++) {
        size_t length = strlen(yaml);
        memcpy(text, yaml, length);
        rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, round, 0, 0);
        for (uint64_t edit = 0; edit <= w.v[0] % 3; edit++) {
            rk_words e = rk__philox(1, RK_PURPOSE_SYNTH, round, edit + 1, 0);
            size_t at = e.v[0] % length, span = 1 + e.v[2] % 8;
            span = at + span > length ? length - at : span;
            switch (e.v[1] % 4) {
            case 0: /* another byte */
                text[at] = alphabet[e.v[3] % sizeof alphabet];
                break;
            case 1: /* cut */
                memmove(text + at, text + at + span, length - at - span);
                length -= span;
                break;
            case 2: /* insert */
                memmove(text + at + 1, text + at, length - at);
                text[at] = alphabet[e.v[3] % sizeof alphabet];
                length++;
                break;
            default: /* double a piece */
                memmove(text + at + span, text + at, length - at);
                length += span;
                break;
            }
        }
        rk_config *config = NULL, *again = NULL;
        rk_status status = rk__config_parse(&config, "exp.yaml", text, (int64_t)length);
        if (status != RK_OK) {
            assert_int_equal(status, RK_ERR_CONFIG);
            assert_non_null(strstr(rk_last_error(), "exp.yaml:"));
            refused++;
            continue;
        }
        char *printed = NULL, *reprinted = NULL;
        assert_ok(rk_config_text(config, false, &printed));
        assert_ok(rk__config_parse(&again, "run/config.yaml", printed, (int64_t)strlen(printed)));
        assert_ok(rk_config_text(again, false, &reprinted));
        assert_string_equal(printed, reprinted);
        rk_string_free(printed);
        rk_string_free(reprinted);
        rk_config_free(config);
        rk_config_free(again);
        loaded++;
    }
    assert_true(loaded > 300 && refused > 300);
}

/* Full-size files of one repeated piece: refused or read in bounded time and stack. */
static void hostile_files(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "[",     "{",   "- ", "? ",    "a: ",    "&a ",  "*a ",    "!a ",  "\"",         "'", "|\n",
        "{a: [", "#\n", "\n", "---\n", "a: 1\n", "- - ", "%A 1\n", "[a, ", "? a\n: b\n", "x", "  ",
    };
    char *text = malloc(RK_LONGEST_YAML + 16);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t piece = strlen(pieces[i]), length = 0;
        for (; length + piece <= RK_LONGEST_YAML; length += piece) {
            memcpy(text + length, pieces[i], piece);
        }
        rk_config *config = NULL;
        double start = rk__now();
        rk_status status = rk__config_parse(&config, "exp.yaml", text, (int64_t)length);
        double seconds = rk__now() - start;
        assert_true(status == RK_OK || status == RK_ERR_CONFIG);
        rk_config_free(config);
        if (seconds > 5) {
            fail_msg("%.1f s for a file of '%s'", seconds, pieces[i]);
        }
    }
    free(text);
}

/* Aliases of a list of aliases stay as small as the file's own text allows. */
static void aliases_do_not_explode(void **state)
{
    (void)state;
    rk_config *config = NULL;
    static const char bomb[] = "a: &a [x, x, x, x, x, x, x, x, x]\n"
                               "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                               "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
                               "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
                               "eval: {k: *d}\n";
    assert_fails(RK_ERR_CONFIG, "unknown section 'a'",
                 rk__config_parse(&config, "exp.yaml", bomb, (int64_t)strlen(bomb)));
    static const char loop[] = "data: {sources: &a [*a]}\n";
    assert_fails(RK_ERR_CONFIG, "data.sources[0] is a list",
                 rk__config_parse(&config, "exp.yaml", loop, (int64_t)strlen(loop)));
    static const char self[] = "&a train: &b {epochs: *b}\n";
    assert_fails(RK_ERR_CONFIG, "not a map",
                 rk__config_parse(&config, "exp.yaml", self, (int64_t)strlen(self)));

    /* 2000 aliases of one source: refused at the limit. */
    enum { ALIASES = 2000 };
    char *text = malloc(64 + 4 * ALIASES);
    assert_non_null(text);
    char *at = text + snprintf(text, 64, "data: {sources: [&a {file: b}");
    for (int i = 0; i < ALIASES; i++) {
        memcpy(at, ",*a ", 4);
        at += 4;
    }
    memcpy(at, "]}", 3);
    assert_fails(RK_ERR_CONFIG, "more than 1024 sources",
                 rk__config_parse(&config, "exp.yaml", text, (int64_t)strlen(text)));
    free(text);
}

/* Thousands of anchors are refused before libyaml compares each with all. */
static void anchors_are_limited(void **state)
{
    (void)state;
    enum { ANCHORS = 80000 };
    char *text = malloc(16 * ANCHORS);
    assert_non_null(text);
    char *at = text;
    for (int i = 0; i < ANCHORS; i++) {
        at += snprintf(at, 16, "- &a%d x\n", i);
    }
    rk_config *config = NULL;
    assert_fails(RK_ERR_CONFIG, "exp.yaml:1001: more than 1000 anchors",
                 rk__config_parse(&config, "exp.yaml", text, at - text));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(errors_may_run_out_of_memory),
        cmocka_unit_test(mutated_files),
        cmocka_unit_test(hostile_files),
        cmocka_unit_test(aliases_do_not_explode),
        cmocka_unit_test(anchors_are_limited),
    };
    return cmocka_run_group_tests_name("config stress", tests, NULL, NULL);
}
