/*
 * Learning-rate schedules and clipping, from their formulas to whole runs. The rates, the plateau
 * rule's and the clipped gradients were computed with PyTorch 2 (torch.optim.lr_scheduler:
 * LinearLR then CosineAnnealingLR, ReduceLROnPlateau with patience one smaller, as it counts the
 * checks it lets pass; torch.nn.utils.clip_grad_norm_).
 */
#include <math.h>

#include "config/options.h"
#include "device/device.h"
#include "ops/builder.h"
#include "train/runs.h"
#include "train/schedule.h"

static void rates_are_pytorchs(void **state)
{
    (void)state;
    static const double cosine[] = {
        0.5,   0.488987716166, 0.457028823734, 0.407251681766,  0.344528823734,
        0.275, 0.205471176266, 0.142748318234, 0.0929711762656, 0.0610122838336,
        0.05};
    static const double warm[] = {0.125, 0.25,   0.375,           0.5, 0.5, 0.469855715851, 0.3875,
                                  0.275, 0.1625, 0.0801442841485, 0.05};
    const rk_schedule plain = {.rate = 0.5, .floor = 0.1, .cosine_to = 10};
    const rk_schedule warmed = {
        .rate = 0.5, .floor = 0.1, .warmup = 4, .cosine_from = 4, .cosine_to = 10};
    for (int t = 0; t < 11; t++) {
        assert_close(rk__schedule_rate(&plain, t, 1), cosine[t], 1e-11, 1);
        assert_close(rk__schedule_rate(&warmed, t, 1), warm[t], 1e-11, 1);
    }
    assert_close(rk__schedule_rate(&plain, 1000, 0.5), 0.025, 1e-15, 1);
}

static void plateaus_are_pytorchs(void **state)
{
    (void)state;
    static const double values[] = {.1, .2, .2, .15, .25, .24, .25, .2, .1, .05, .3, .3, .3, .3};
    static const double rates[] = {1, 1, 1, .3, .3, .3, .09, .09, .05, .05, .05, .05, .05, .05};
    rk_options o = {.train = {.schedule = RK_SCHEDULE_PLATEAU,
                              .plateau_factor = 0.3,
                              .plateau_patience = 2,
                              .schedule_floor = 0.05}};
    double best = 0, scale = 1;
    int64_t checks = 0;
    for (int i = 0; i < 14; i++) {
        if (values[i] > best) {
            best = values[i];
            checks = 0;
        } else {
            double before = scale;
            bool lowered = rk__schedule_plateau(&o, &checks, &scale);
            assert_int_equal(lowered, scale < before);
        }
        assert_close(scale, rates[i], 1e-15, 0);
    }
    o.train.schedule = RK_SCHEDULE_COSINE;
    assert_false(rk__schedule_plateau(&o, &checks, &scale));
}

/* Gradients {{0.3, -1.2}, {2.5, 0.1}} and {{-0.7}, {1.9}}. */
static void clipped_norms_are_pytorchs(void **state)
{
    (void)state;
    static const float a[] = {0.3f, -1.2f, 2.5f, 0.1f}, b[] = {-0.7f, 1.9f};
    static const double expected[2][6] = {
        {0.130503297, -0.522013187, 1.08752739, 0.0435010977, -0.304507673, 0.82652086},
        {0.3, -1.2, 2.5, 0.1, -0.7, 1.9}};
    for (int large = 0; large < 2; large++) {
        rk_store store = {0};
        rk_program p = {0};
        rk_device_context *context = NULL;
        rk_loaded *loaded = NULL;
        int32_t stored[4] = {0};
        float out[6];
        assert_ok(rk__store_add(&store, "a", RK_F32, 2, 2, a, &stored[0]));
        assert_ok(rk__store_add(&store, "b", RK_F32, 2, 1, b, &stored[1]));
        assert_ok(rk__store_add(&store, "clipped a", RK_F32, 2, 2, NULL, &stored[2]));
        assert_ok(rk__store_add(&store, "clipped b", RK_F32, 2, 1, NULL, &stored[3]));
        rk__program_init(&p, &store, "clip");
        rk_value in[] = {rk__use(&p, stored[0]), rk__use(&p, stored[1])};
        rk_value factor = rk__clip_factor(&p, in, 2, large ? 10 : 1.5f);
        for (int i = 0; i < 2; i++) {
            rk__assign(&p, stored[2 + i], rk__clip(&p, in[i], factor, INFINITY));
        }
        assert_ok(p.status);
        assert_ok(rk__program_verify(&p));
        assert_ok(rk__program_plan(&p));
        assert_ok(rk__device_cpu.open(&(rk_device_options){.threads = 1}, &context));
        assert_ok(rk__device_cpu.bind(context, &store));
        assert_ok(rk__device_cpu.load(context, &p, &loaded));
        assert_ok(rk__device_cpu.run(context, loaded, 1));
        assert_ok(rk__device_cpu.read(context, stored[2], 0, 2, out));
        assert_ok(rk__device_cpu.read(context, stored[3], 0, 2, out + 4));
        for (int i = 0; i < 6; i++) {
            assert_close((double)out[i], expected[large][i], 5e-7, 0.1);
        }
        rk__device_cpu.close(context);
        rk__program_free(&p);
        rk__store_free(&store);
    }
}

/* The rates in metrics.jsonl, by epoch; returns how many. */
static int read_rates(const runs *r, const char *name, double *out, int capacity)
{
    char *metrics = test_read(runs_file(r, name, "metrics.jsonl"));
    int n = 0;
    for (char *at = metrics; (at = strstr(at, "\"learning_rate\": ")) && n < capacity; at++) {
        out[n++] = strtod(at + 17, NULL);
    }
    free(metrics);
    return n;
}

/* 12 steps an epoch: the line of an epoch has the rate of its last step. */
static void a_run_follows_its_schedule(void **state)
{
    (void)state;
    runs r;
    double rates[16];
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=6", "train.schedule=cosine", "train.warmup_epochs=2",
                                "train.schedule_floor=0.25", "train.schedule_epochs=5",
                                "train.steps_per_epoch=12"}};
    assert_ok(runs_train(&r, "cosine", how));
    assert_int_equal(read_rates(&r, "cosine", rates, 16), 6);
    assert_close(rates[0], 0.02 * 12 / 24, 1e-12, 0);
    assert_close(rates[1], 0.02, 1e-12, 0);
    for (int epoch = 3; epoch <= 5; epoch++) {
        double done = (12 * epoch - 1 - 24) / 36.0;
        double rate = 0.02 * (0.25 + 0.75 * (1 + cos(acos(-1) * done)) / 2);
        assert_close(rates[epoch - 1], rate, 1e-12, 0);
    }
    assert_close(rates[5], 0.02 * 0.25, 1e-12, 0);
    assert_ok(runs_train(&r, "constant", (run_how){.settings = {"train.epochs=2"}}));
    assert_int_equal(read_rates(&r, "constant", rates, 16), 2);
    assert_true(rates[0] == 0.02 && rates[1] == 0.02);
    runs_end(&r);
}

static void a_plateau_lowers_the_rate_and_resumes(void **state)
{
    (void)state;
    runs r;
    double rates[32];
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=16", "train.learning_rate=0.3",
                                "train.schedule=plateau", "train.plateau_patience=2",
                                "train.plateau_factor=0.5", "train.warmup_steps=3"}};
    assert_ok(runs_train(&r, "whole", how));
    assert_int_equal(read_rates(&r, "whole", rates, 32), 16);
    int cuts = 0;
    for (int i = 1; i < 16; i++) {
        assert_true(rates[i] == rates[i - 1] || rates[i] == 0.5 * rates[i - 1]);
        cuts += rates[i] < rates[i - 1];
    }
    assert_true(rates[0] == 0.3 && cuts >= 2);
    /* Stopped after every few looks, resumed each time: the same bits. */
    for (int tries = 0;; tries++) {
        stop_after stop;
        stop_after_init(&stop, 5);
        how.hooks = &stop.hooks;
        how.resume = tries > 0;
        rk_status status = runs_train(&r, "parts", how);
        if (status == RK_OK) {
            assert_true(tries > 2);
            break;
        }
        assert_int_equal(status, RK_ERR_INTERRUPTED);
        assert_true(tries < 200);
    }
    runs_assert_same_file(&r, "whole", "parts", "last.h5");
    char *left = runs_metrics(&r, "whole"), *right = runs_metrics(&r, "parts");
    assert_string_equal(left, right);
    free(left), free(right);
    runs_end(&r);
}

/* With a cosine as long as the run, the length of the run is part of its course. */
static void a_cosine_run_keeps_its_length(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=2", "train.schedule=cosine"}};
    assert_ok(runs_train(&r, "out", how));
    how.resume = true;
    how.settings[0] = "train.epochs=3";
    assert_fails(RK_ERR_CONFIG, "train.epochs was 2 when this run began and is 3 now",
                 runs_train(&r, "out", how));
    runs_end(&r);
}

/* A norm that nothing exceeds changes no bit; a small one changes the course, by the same bits
 * each time. */
static void clipping_in_a_run(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "free", (run_how){.settings = {"train.epochs=2"}}));
    assert_ok(
        runs_train(&r, "wide", (run_how){.settings = {"train.epochs=2", "train.clip_norm=1e6"}}));
    assert_true(runs_reported(&r, "free", "train.loss") == runs_reported(&r, "wide", "train.loss"));
    static const char *const limits[] = {"train.clip_norm=1e-3", "train.clip_value=1e-5"};
    for (int i = 0; i < 2; i++) {
        run_how how = {.settings = {"train.epochs=2", limits[i], "train.optimizer=sgd",
                                    "train.learning_rate=30"},
                       .force = i > 0};
        assert_ok(runs_train(&r, "clipped", how));
        how.settings[4] = "run.threads=2";
        assert_ok(runs_train(&r, "again", how));
        double clipped = runs_reported(&r, "clipped", "train.loss");
        assert_true(runs_reported(&r, "again", "train.loss") == clipped);
        assert_true(clipped > 0.69); /* hardly moved from log 2 */
        how.settings[1] = "train.clip_norm=0";
        how.settings[4] = NULL;
        how.force = true;
        assert_ok(runs_train(&r, "free", how));
        assert_true(runs_reported(&r, "free", "train.loss") < clipped);
    }
    runs_end(&r);
}

static void bad_schedules_are_refused_before_the_first_step(void **state)
{
    (void)state;
    static const struct {
        const char *settings[4], *message;
    } cases[] = {
        {{"train.warmup_epochs=2", "train.warmup_steps=3"}, "take one of them"},
        {{"train.warmup_epochs=4"}, "the warm-up must be shorter than the run"},
        {{"train.warmup_steps=48", "train.steps_per_epoch=12"},
         "the warm-up takes 48 steps (train.warmup_steps), but the run has only 48"},
        {{"train.schedule=cosine", "train.schedule_epochs=5"}, "the schedule is longer than"},
        {{"train.schedule_epochs=2"}, "or take train.schedule cosine"},
        {{"train.schedule=cosine", "train.schedule_epochs=1", "train.warmup_epochs=1"},
         "but the cosine schedule ends after"},
        {{"train.schedule=plateau", "eval.every=0"}, "without checks there is no metric"},
        {{"train.schedule=plateau", "eval.patience=3"}, "would stop before the rate is ever"},
        {{"train.clip_norm=1", "train.clip_value=1"}, "take one of them"},
    };
    runs r;
    runs_begin(&r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_how how = {.settings = {"train.epochs=4"}};
        memcpy(how.settings + 1, cases[i].settings, sizeof cases[i].settings);
        assert_fails(RK_ERR_CONFIG, cases[i].message, runs_train(&r, "out", how));
        assert_false(runs_has(&r, "out", "config.yaml"));
    }
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_pytorchs),
        cmocka_unit_test(plateaus_are_pytorchs),
        cmocka_unit_test(clipped_norms_are_pytorchs),
        cmocka_unit_test(a_run_follows_its_schedule),
        cmocka_unit_test(a_plateau_lowers_the_rate_and_resumes),
        cmocka_unit_test(a_cosine_run_keeps_its_length),
        cmocka_unit_test(clipping_in_a_run),
        cmocka_unit_test(bad_schedules_are_refused_before_the_first_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
