/* train: JSON, drawings, and what may differ between a checkpoint and its continuation. */
#include <math.h>

#include "base/alloc.h"
#include "page/chart.h"
#include "support/support.h"
#include "train/json.h"
#include "train/trajectory.h"

static void json_is_escaped_and_exact(void **state)
{
    (void)state;
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    char *text = NULL;
    rk__json_begin(&json, NULL, '{');
    rk__json_text(&json, "a \"b\"\\", "tab\t caf\xc3\xa9 \xf0\x9f\x8e\xb5");
    rk__json_text(&json, "bad", "\xff|\xc3|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82");
    rk__json_real(&json, "third", 1.0 / 3);
    rk__json_real(&json, "nan", NAN);
    rk__json_real(&json, "inf", -INFINITY);
    rk__json_int(&json, "int", INT64_MIN);
    rk__json_begin(&json, "list", '[');
    rk__json_bool(&json, NULL, true);
    rk__json_null(&json, NULL);
    rk__json_begin(&json, NULL, '{');
    rk__json_end(&json, '}');
    rk__json_end(&json, ']');
    rk__json_end(&json, '}');
    assert_ok(rk__buffer_take(&buffer, &text));
    assert_string_equal(text, "{\"a \\\"b\\\"\\\\\": \"tab\\u0009 caf\xc3\xa9 \xf0\x9f\x8e\xb5\", "
                              "\"bad\": \"\\ufffd|\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|"
                              "\\ufffd\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\", "
                              "\"third\": 0.3333333333333333, \"nan\": null, \"inf\": null, "
                              "\"int\": -9223372036854775808, \"list\": [true, null, {}]}");
    rk__free(text);

    json = (rk_json){.out = &buffer, .indent = 2};
    rk__json_begin(&json, NULL, '{');
    rk__json_int(&json, "a", 1);
    rk__json_begin(&json, "b", '[');
    rk__json_int(&json, NULL, 2);
    rk__json_end(&json, ']');
    rk__json_end(&json, '}');
    assert_ok(rk__buffer_take(&buffer, &text));
    assert_string_equal(text, "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}");
    rk__free(text);
}

static void ticks_are_round(void **state)
{
    (void)state;
    static const struct {
        double range;
        int most;
        double step;
    } cases[] = {{1, 5, 0.2},      {1, 10, 0.1}, {99, 10, 10}, {999, 6, 200},
                 {0.053, 6, 0.01}, {7, 6, 2},    {24, 8, 5},   {1e-6, 4, 5e-7}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_close(rk__chart_tick(cases[i].range, cases[i].most), cases[i].step, 1e-9, 0);
    }
}

/* Count of a text in another. */
static int count(const char *in, const char *what)
{
    int n = 0;
    for (const char *at = in; (at = strstr(at, what)); at++) {
        n++;
    }
    return n;
}

static void a_drawing_stays_inside_and_takes_gaps(void **state)
{
    (void)state;
    double x[2500], y[2500];
    for (int i = 0; i < 2500; i++) {
        x[i] = i + 1;
        y[i] = i % 100 == 50 ? NAN : sin(i / 300.0);
    }
    rk_buffer buffer = {0};
    rk_line line = {.name = "run", .x = x, .y = y, .n = 2500, .chosen_x = 700};
    rk_chart chart = {"Title", "epoch", "loss", &line, 1, NULL, 0};
    rk__chart_add(&buffer, &chart);
    char *text = NULL;
    assert_ok(rk__buffer_take(&buffer, &text));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_int_equal(count(text, "<svg"), 1);
    assert_int_equal(count(text, "chosen"), 1);
    const char *path = strstr(text, " d=\"");
    assert_non_null(path);
    int points = 0;
    for (const char *at = path; *at != '/'; at++) {
        if (*at == 'M' || *at == 'L') {
            double px = 0, py = 0;
            assert_int_equal(sscanf(at + 1, "%lf %lf", &px, &py), 2);
            assert_true(px >= 0 && px <= 480 && py >= 0 && py <= 270);
            points++;
        }
    }
    assert_true(points > 500 && points < 1010);
    rk__free(text);

    /* One point, equal points, none at all. */
    for (int n = 0; n < 3; n++) {
        double same_y[] = {0.25, 0.25}, same_x[] = {1, 2}, no_y[] = {NAN, NAN};
        line = (rk_line){.name = "T",
                         .x = same_x,
                         .y = n == 0 ? no_y : same_y,
                         .n = n == 0 ? 2 : n,
                         .chosen_x = NAN};
        rk__chart_add(&buffer, &chart);
        assert_ok(rk__buffer_take(&buffer, &text));
        assert_null(strstr(text, "nan"));
        assert_int_equal(count(text, "<circle"), n); /* a dot for each of few points */
        rk__free(text);
    }
}

static void the_trajectory_names_what_differs(void **state)
{
    (void)state;
    rk_config *config = NULL;
    char *before = NULL, *now = NULL;
    assert_ok(rk_config_create(&config));
    assert_ok(rk__trajectory_text(config, NULL, &before));
    assert_non_null(strstr(before, "model.dim: 64\n"));
    assert_non_null(strstr(before, "run.seed: 2020\n"));
    static const char *const may[] = {"train.epochs=7",           "run.threads=3",
                                      "run.device=cpu",           "eval.patience=9",
                                      "train.checkpoint_every=2", "data.min_user=5"};
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++) {
        assert_ok(rk_config_set(config, may[i], "test"));
    }
    assert_ok(rk__trajectory_text(config, NULL, &now));
    assert_ok(rk__trajectory_compare(before, now));
    rk__free(now);
    assert_ok(rk_config_set(config, "train.beta2=0.99", "test"));
    assert_ok(rk__trajectory_text(config, NULL, &now));
    assert_fails(RK_ERR_CONFIG, "train.beta2 was 0.999 when this run began and is 0.99 now",
                 rk__trajectory_compare(before, now));
    rk__free(before);
    rk__free(now);
    rk_config_free(config);
}

/* A copy of a text without its line "KEY: ..."; free with rk__free. */
static char *without(const char *text, const char *key)
{
    rk_buffer buffer = {0};
    char *out = NULL;
    const char *line = strstr(text, key);
    assert_non_null(line);
    const char *rest = strchr(line, '\n') + 1;
    rk__buffer_add_bytes(&buffer, text, line - text);
    rk__buffer_add(&buffer, "%s", rest);
    assert_ok(rk__buffer_take(&buffer, &out));
    return out;
}

/* An option that is younger than the run had its default all the time. */
static void an_option_that_the_checkpoint_does_not_know(void **state)
{
    (void)state;
    rk_config *config = NULL;
    char *now = NULL;
    assert_ok(rk_config_create(&config));
    assert_ok(rk__trajectory_text(config, NULL, &now));
    static const char *const keys[] = {"run.seed:",   "model.half_life:", "model.given_weights:",
                                       "model.kind:", "loss.contrast:",   "train.propagation:"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char *before = without(now, keys[i]);
        assert_ok(rk__trajectory_compare(before, now));
        rk__free(before);
    }
    assert_ok(rk__trajectory_compare("", now));
    rk__free(now);

    static const char *const others[][3] = {
        {"model.half_life=30", "model.half_life:", "the checkpoint knows no model.half_life"},
        {"model.kind=mf", "model.kind:", "the checkpoint knows no model.kind"},
        {"run.seed=20201", "run.seed:", "the checkpoint knows no run.seed"},
        {"model.given_weights=[1, 1]", "model.given_weights:", "knows no model.given_weights"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        rk_config *other = NULL;
        assert_ok(rk_config_create(&other));
        assert_ok(rk_config_set(other, others[i][0], "test"));
        assert_ok(rk__trajectory_text(other, NULL, &now));
        char *before = without(now, others[i][1]);
        assert_fails(RK_ERR_CONFIG, others[i][2], rk__trajectory_compare(before, now));
        rk__free(before);
        rk__free(now);
        rk_config_free(other);
    }
    rk_config_free(config);
}

/* The times of interactions belong to the course of a model that goes by them. */
static void times_are_part_of_the_trajectory(void **state)
{
    (void)state;
    rk_config *config = NULL;
    char *without_times = NULL, *with_times = NULL, *others = NULL;
    assert_ok(rk_config_create(&config));
    assert_ok(rk__trajectory_text(config, NULL, &without_times));
    assert_ok(rk__trajectory_text(config, "0123456789abcdef", &with_times));
    assert_ok(rk__trajectory_text(config, "fedcba9876543210", &others));
    assert_ok(rk__trajectory_compare(with_times, with_times));
    assert_fails(RK_ERR_CONFIG, "data.times was 0123456789abcdef when this run began",
                 rk__trajectory_compare(with_times, others));
    assert_fails(RK_ERR_CONFIG, "the checkpoint knows no data.times",
                 rk__trajectory_compare(without_times, with_times));
    rk__free(without_times);
    rk__free(with_times);
    rk__free(others);
    rk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_escaped_and_exact),
        cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(a_drawing_stays_inside_and_takes_gaps),
        cmocka_unit_test(the_trajectory_names_what_differs),
        cmocka_unit_test(an_option_that_the_checkpoint_does_not_know),
        cmocka_unit_test(times_are_part_of_the_trajectory),
    };
    return cmocka_run_group_tests_name("train text", tests, NULL, NULL);
}
