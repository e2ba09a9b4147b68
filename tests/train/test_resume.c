/* Going on with a run: bit for bit as if it had never stopped, and refusing what would not be. */
#include <hdf5.h>
#include <unistd.h>

#include "train/runs.h"

/* All of these runs have checks, and so a best.h5. */
static void assert_same_run(const runs *r, const char *a, const char *b)
{
    assert_true(runs_has(r, a, "best.h5"));
    runs_assert_same(r, a, b);
}

static void ten_epochs_are_five_and_five(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "ten", (run_how){.settings = {"train.epochs=10"}}));
    assert_ok(runs_train(&r, "five", (run_how){.settings = {"train.epochs=5"}}));
    assert_ok(runs_train(&r, "five", (run_how){.settings = {"train.epochs=10"}, .resume = true}));
    assert_same_run(&r, "ten", "five");
    runs_end(&r);
}

static void every_kind_of_epoch_resumes(void **state)
{
    (void)state;
    static const char *const settings[][3] = {
        {"sampling.positives=shuffle", "sampling.negatives=dynamic", "sampling.candidates=3"},
        {"sampling.positives=interaction", "sampling.negatives=popularity"},
        {"train.optimizer=sgd", "train.steps_per_epoch=7"},
        {"train.propagation=fp16", "model.layers=3"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        runs r;
        runs_begin(&r);
        run_how how = {
            .settings = {"train.epochs=4", settings[i][0], settings[i][1], settings[i][2]}};
        assert_ok(runs_train(&r, "four", how));
        how.settings[0] = "train.epochs=3";
        assert_ok(runs_train(&r, "three", how));
        how.settings[0] = "train.epochs=4";
        how.resume = true;
        assert_ok(runs_train(&r, "three", how));
        assert_same_run(&r, "four", "three");
        runs_end(&r);
    }
}

/* A network with dropout: the same draws behind a stop in the middle of an epoch. */
static void networks_resume(void **state)
{
    (void)state;
    runs r;
    stop_after stop;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=4", "model.kind=neumf", "model.dim=8",
                                "model.hidden=[16, 8]", "model.dropout=0.2", "loss.kind=bce"},
                   .config = "plain.yaml"};
    assert_ok(runs_train(&r, "four", how));
    stop_after_init(&stop, 5);
    how.hooks = &stop.hooks;
    assert_int_equal(runs_train(&r, "stopped", how), RK_ERR_INTERRUPTED);
    how.resume = true;
    how.hooks = NULL;
    assert_ok(runs_train(&r, "stopped", how));
    assert_same_run(&r, "four", "stopped");
    runs_end(&r);
}

/* Sweeps: stopped between epochs, and in the middle of one. */
static void sweeps_resume(void **state)
{
    (void)state;
    static const char *const solvers[] = {"model.solver=cholesky", "model.solver=cg"};
    for (int i = 0; i < 2; i++) {
        runs r;
        int64_t stops = 0;
        runs_begin(&r);
        run_how how = {.settings = {"train.epochs=5", "model.kind=ials", "model.dim=8", solvers[i]},
                       .config = "plain.yaml"};
        assert_ok(runs_train(&r, "five", how));
        how.settings[0] = "train.epochs=3";
        assert_ok(runs_train(&r, "three", how));
        how.settings[0] = "train.epochs=5";
        how.resume = true;
        assert_ok(runs_train(&r, "three", how));
        assert_same_run(&r, "five", "three");
        for (how.resume = false;; how.resume = true, stops++) {
            stop_after stop;
            stop_after_init(&stop, 1);
            how.hooks = &stop.hooks;
            rk_status status = runs_train(&r, "stopped", how);
            if (status == RK_OK) {
                break;
            }
            assert_int_equal(status, RK_ERR_INTERRUPTED);
            assert_true(stops < 50);
        }
        assert_true(stops > 0);
        assert_same_run(&r, "five", "stopped");
        runs_end(&r);
    }
}

/* Stops after every number of progress reports there is, resumes until it is done. */
static void interruptions_change_nothing(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=4"}};
    assert_ok(runs_train(&r, "straight", how));
    int interruptions = 0;
    for (int64_t calls = 1; calls < 8; calls += 3) {
        stop_after stop;
        char name[32];
        snprintf(name, sizeof name, "stopped%d", (int)calls);
        how.resume = false;
        how.hooks = &stop.hooks;
        for (;; how.resume = true) {
            stop_after_init(&stop, calls);
            rk_status status = runs_train(&r, name, how);
            if (status == RK_OK) {
                break;
            }
            assert_int_equal(status, RK_ERR_INTERRUPTED);
            assert_non_null(strstr(rk_last_error(), "resume goes on"));
            interruptions++;
            assert_true(interruptions < 500);
        }
        how.hooks = NULL;
        assert_same_run(&r, "straight", name);
    }
    assert_true(interruptions > 4);
    runs_end(&r);
}

/* The names of the history's columns in last.h5 become others of the same length. */
static void rename_columns(const runs *r, const char *name, const char *columns)
{
    char before[64] = "";
    hid_t file = H5Fopen(runs_file(r, name, "last.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t attribute = H5Aopen(file, "history.columns", H5P_DEFAULT);
    hid_t type = H5Aget_type(attribute);
    assert_int_equal(H5Tget_size(type), strlen(columns) + 1);
    assert_true(H5Aread(attribute, type, before) >= 0);
    assert_string_not_equal(before, columns);
    assert_true(H5Awrite(attribute, type, columns) >= 0);
    assert_true(H5Tclose(type) >= 0 && H5Aclose(attribute) >= 0 && H5Fclose(file) >= 0);
}

/* The options in last.h5 without the line "KEY: ...", as an older version wrote them. */
static void forget_option(const runs *r, const char *name, const char *key)
{
    char line[64], *text = NULL;
    hid_t file = H5Fopen(runs_file(r, name, "last.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t attribute = H5Aopen(file, "trajectory", H5P_DEFAULT);
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    text = calloc(1, H5Tget_size(type) + 1);
    assert_non_null(text);
    assert_true(H5Aread(attribute, type, text) >= 0);
    snprintf(line, sizeof line, "%s: ", key);
    char *at = strstr(text, line);
    assert_non_null(at);
    const char *rest = strchr(at, '\n') + 1;
    memmove(at, rest, strlen(rest) + 1);
    hid_t shorter = H5Tcopy(type);
    assert_true(H5Aclose(attribute) >= 0 && H5Adelete(file, "trajectory") >= 0);
    assert_true(H5Tset_size(shorter, strlen(text) + 1) >= 0);
    attribute = H5Acreate2(file, "trajectory", shorter, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, shorter, text) >= 0);
    assert_true(H5Tclose(shorter) >= 0 && H5Tclose(type) >= 0 && H5Sclose(space) >= 0);
    assert_true(H5Aclose(attribute) >= 0 && H5Fclose(file) >= 0);
    free(text);
}

/* An option that came later had its default when the run began: with that it goes on, bit for bit,
 * with another value it does not. */
static void options_that_came_later_have_their_default(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=2"}}));
    forget_option(&r, "out", "model.half_life");
    forget_option(&r, "out", "loss.contrast");
    forget_option(&r, "out", "train.weight_decay");
    run_how how = {.settings = {"train.epochs=4", "train.weight_decay=0.1"}, .resume = true};
    assert_fails(RK_ERR_CONFIG, "the checkpoint knows no train.weight_decay",
                 runs_train(&r, "out", how));
    how.settings[1] = "loss.contrast=simgcl";
    assert_fails(RK_ERR_CONFIG, "the checkpoint knows no loss.contrast",
                 runs_train(&r, "out", how));
    how.settings[1] = NULL;
    assert_ok(runs_train(&r, "out", how));
    how.resume = false;
    assert_ok(runs_train(&r, "straight", how));
    assert_same_run(&r, "straight", "out");

    /* One that the run had, and not by its default. */
    how = (run_how){.settings = {"train.epochs=2", "train.weight_decay=0.1"}};
    assert_ok(runs_train(&r, "decays", how));
    forget_option(&r, "decays", "train.weight_decay");
    how.resume = true;
    assert_fails(RK_ERR_CONFIG, "the checkpoint knows no train.weight_decay",
                 runs_train(&r, "decays", how));
    runs_end(&r);
}

/* Older versions called the first term of every loss bpr. */
static void columns_of_older_checkpoints_are_known(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=2", "loss.kind=ccl", "loss.margin=0.4",
                                "sampling.per_positive=3"}};
    assert_ok(runs_train(&r, "parts", how));
    how.resume = true;
    how.settings[0] = "train.epochs=4";
    rename_columns(&r, "parts", "loss, xyz, l2, check");
    assert_fails(RK_ERR_DATA,
                 "has a history of \"loss, xyz, l2, check\", this run makes \"loss, ccl",
                 runs_train(&r, "parts", how));
    rename_columns(&r, "parts", "loss, bpr, l2, check");
    assert_ok(runs_train(&r, "parts", how));
    how.resume = false;
    assert_ok(runs_train(&r, "whole", how));
    assert_same_run(&r, "whole", "parts");
    runs_end(&r);
}

/* A killed process may leave lines of epochs that its checkpoint does not know, and half a line. */
static void metrics_are_cut_to_the_checkpoint(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "straight", (run_how){.settings = {"train.epochs=4"}}));
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=2"}}));
    FILE *file = fopen(runs_file(&r, "out", "metrics.jsonl"), "ab");
    assert_non_null(file);
    fputs("{\"epoch\": 3, \"loss\": 9}\n{\"epoch\": 4, \"lo", file);
    fclose(file);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=4"}, .resume = true}));
    assert_same_run(&r, "straight", "out");
    runs_end(&r);
}

static void another_trajectory_is_refused(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=1"}}));
    static const char *const settings[][2] = {
        {"model.dim=8", "model.dim was 16 when this run began and is 8 now"},
        {"train.learning_rate=0.5", "train.learning_rate was 0.02"},
        {"run.seed=1", "run.seed was 2020"},
        {"sampling.negatives=dynamic", "sampling.negatives was uniform"},
        {"loss.l2=1", "loss.l2 was 1e-4"},
        {"model.kind=mf", "model.kind was lightgcn"},
        {"train.batch=128", "train.batch was 256"},
        {"train.optimizer=sgd", "train.optimizer was adam"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        run_how how = {.settings = {"train.epochs=2", settings[i][0]}, .resume = true};
        assert_fails(RK_ERR_CONFIG, settings[i][1], runs_train(&r, "out", how));
    }
    runs_end(&r);
}

static void append(const char *path, const char *text)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void collect(void *user, rk_log_level level, const char *message)
{
    char *out = user;
    size_t length = strlen(out);
    snprintf(out + length, 4000 - length, "%d %s\n", (int)level, message);
}

/* A run goes on with the data set that it began with: with the same bits, and a word about it, when
 * the sources have changed since; refused where it has none of its own. */
static void changed_sources_change_no_run(void **state)
{
    (void)state;
    runs r;
    char told[4000] = "";
    const rk_hooks hooks = {.log = collect, .user = told};
    runs_begin(&r);
    assert_ok(runs_train(&r, "straight", (run_how){.settings = {"train.epochs=4"}}));
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=2"}}));
    assert_ok(runs_train(&r, "without",
                         (run_how){.settings = {"train.epochs=2", "run.keep_data=false"}}));
    run_how on = {.settings = {"train.epochs=3"}, .resume = true, .hooks = &hooks};
    assert_ok(runs_train(&r, "out", on));
    assert_null(strstr(told, "have changed"));

    append(test_path(r.data, "train.txt"), "9999 1000 1001\n");
    on.settings[0] = "train.epochs=4";
    assert_ok(runs_train(&r, "out", on));
    assert_non_null(strstr(told, "2 the sources have changed since this run began"));
    assert_same_run(&r, "straight", "out");
    assert_fails(RK_ERR_CONFIG, "fingerprint", runs_train(&r, "without", on));

    /* What the run's own data set is not made of is prepared, and then it must be the same. */
    on.settings[1] = "data.min_user=2";
    assert_fails(RK_ERR_CONFIG, "fingerprint", runs_train(&r, "out", on));
    runs_end(&r);
}

static void what_may_change_may_change(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=2"}}));
    assert_ok(runs_train(&r, "straight", (run_how){.settings = {"train.epochs=4"}}));
    run_how how = {.settings = {"train.epochs=4", "run.threads=2", "eval.patience=50",
                                "eval.k=[10]", "train.checkpoint_every=1"},
                   .resume = true};
    assert_ok(runs_train(&r, "out", how));
    runs_assert_same_file(&r, "out", "straight", "last.h5");

    /* Another metric: what was best by the old one is forgotten. */
    how.settings[0] = "train.epochs=5";
    how.settings[5] = "eval.metric=recall@10";
    assert_ok(runs_train(&r, "out", how));
    assert_true(runs_reported(&r, "out", "chosen.epoch") == 5);
    char *log = test_read(runs_file(&r, "out", "train.log"));
    assert_non_null(strstr(log, "\"ndcg@10 on valid\" and are of \"recall@10 on valid\""));
    free(log);
    runs_end(&r);
}

static void a_finished_run_says_so_and_reports_again(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=2"}};
    assert_ok(runs_train(&r, "out", how));
    assert_ok(runs_train(&r, "same", how));
    assert_int_equal(unlink(runs_file(&r, "out", "report.json")), 0);
    how.resume = true;
    assert_ok(runs_train(&r, "out", how));
    assert_same_run(&r, "out", "same");
    char *log = test_read(runs_file(&r, "out", "train.log"));
    assert_non_null(strstr(log, "the run is finished: it has trained 2 epochs"));
    free(log);
    runs_end(&r);
}

static void resume_needs_a_good_checkpoint(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=2"}, .resume = true};
    assert_fails(RK_ERR_CONFIG, "nothing to resume", runs_train(&r, "absent", how));
    assert_false(runs_has(&r, "absent", "."));
    how.force = true;
    assert_fails(RK_ERR_CONFIG, "exclude each other", runs_train(&r, "absent", how));
    how.force = how.resume = false;
    assert_ok(runs_train(&r, "out", how));
    how.resume = true;
    how.settings[0] = "train.epochs=3";

    /* A flipped byte anywhere, a missing end, a foreign file. */
    char path[512];
    snprintf(path, sizeof path, "%s", runs_file(&r, "out", "last.h5"));
    FILE *file = fopen(path, "rb");
    static char bytes[1 << 20];
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_true(length > 10000 && length < sizeof bytes);
    for (int i = 1; i < 10; i++) {
        size_t at = length * (size_t)i / 10;
        bytes[at] ^= 0x20;
        test_write(path, bytes, (int64_t)length);
        rk_status status = runs_train(&r, "out", how);
        bytes[at] ^= 0x20;
        /* A byte that nothing stands in may flip; what stands there may not. */
        assert_true(status == RK_ERR_DATA || status == RK_OK);
        if (status == RK_OK) {
            run_how anew = {.settings = {"train.epochs=3"}};
            char name[32];
            snprintf(name, sizeof name, "anew%d", i);
            assert_ok(runs_train(&r, name, anew));
            runs_assert_same_file(&r, "out", name, "last.h5");
        }
    }
    test_write(path, bytes, (int64_t)length / 2);
    assert_fails(RK_ERR_DATA, "last.h5", runs_train(&r, "out", how));
    test_write(path, "no checkpoint", -1);
    assert_fails(RK_ERR_DATA, "last.h5", runs_train(&r, "out", how));
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_epochs_are_five_and_five),
        cmocka_unit_test(every_kind_of_epoch_resumes),
        cmocka_unit_test(networks_resume),
        cmocka_unit_test(sweeps_resume),
        cmocka_unit_test(interruptions_change_nothing),
        cmocka_unit_test(options_that_came_later_have_their_default),
        cmocka_unit_test(columns_of_older_checkpoints_are_known),
        cmocka_unit_test(metrics_are_cut_to_the_checkpoint),
        cmocka_unit_test(another_trajectory_is_refused),
        cmocka_unit_test(changed_sources_change_no_run),
        cmocka_unit_test(what_may_change_may_change),
        cmocka_unit_test(a_finished_run_says_so_and_reports_again),
        cmocka_unit_test(resume_needs_a_good_checkpoint),
    };
    return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
