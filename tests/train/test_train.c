/* rk_train from files to report: what it learns, when it stops, what it leaves behind. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "train/runs.h"

static int count_lines(const char *text)
{
    int lines = 0;
    for (const char *at = text; *at; at++) {
        lines += *at == '\n';
    }
    return lines;
}

static void a_run_learns_and_reports(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {NULL}}));
    static const char *const files[] = {"config.yaml",   "environment.json", "train.log",
                                        "metrics.jsonl", "last.h5",          "best.h5",
                                        "report.json",   "report.html"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_true(runs_has(&r, "out", files[i]));
    }
    assert_true(runs_reported(&r, "out", "train.epochs") == 10);
    assert_true(runs_reported(&r, "out", "train.loss") < 0.5);
    double model = runs_reported(&r, "out", "test.ndcg@10");
    double popularity = runs_reported(&r, "out", "popularity.test.ndcg@10");
    assert_true(popularity > 0 && model > 1.5 * popularity);
    assert_true(runs_reported(&r, "out", "valid.ndcg@10") >
                runs_reported(&r, "out", "popularity.valid.ndcg@10"));
    assert_true(runs_reported(&r, "out", "dataset.train") == PLANTED_USERS * PLANTED_TRAIN);
    assert_true(runs_reported(&r, "out", "memory.peak_bytes") > 1e6);
    assert_true(runs_reported(&r, "out", "timing.total_seconds") > 0);
    assert_true(runs_reported(&r, "out", "timing.processor_seconds") > 0);

    char *metrics = test_read(runs_file(&r, "out", "metrics.jsonl"));
    assert_int_equal(count_lines(metrics), 10);
    assert_memory_equal(metrics, "{\"epoch\": 1, \"loss\": 0.6", 24);
    assert_non_null(strstr(metrics, "\"valid\": {\"recall@5\": 0."));
    free(metrics);
    char *page = test_read(runs_file(&r, "out", "report.html"));
    assert_non_null(strstr(page, "<svg"));
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "http")); /* nothing from outside */
    free(page);
    char *log = test_read(runs_file(&r, "out", "train.log"));
    assert_non_null(strstr(log, "240 users, 150 items, 2880 train, 480 valid and 720 test"));
    assert_non_null(strstr(log, "epoch 10: loss"));
    free(log);
    runs_end(&r);
}

/* Every line of metrics.jsonl is an object of its own, as any reader of JSON takes it. */
static void every_line_of_metrics_parses(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=4", "eval.every=2"}}));
    char *metrics = test_read(runs_file(&r, "out", "metrics.jsonl"));
    int epoch = 0;
    for (char *line = strtok(metrics, "\n"); line; line = strtok(NULL, "\n")) {
        test_write(test_path(r.data, "report.json"), line, -1);
        rk_report *read = NULL;
        assert_ok(rk_report_open(r.data, &read));
        epoch++;
        assert_true(rk_report_number(read, "epoch") == epoch);
        double loss = rk_report_number(read, "loss");
        assert_close(rk_report_number(read, "bpr") + rk_report_number(read, "l2"), loss, 1e-12, 0);
        assert_true(rk_report_number(read, "seconds") > 0);
        assert_true(rk_report_number(read, "samples_per_second") > 0);
        assert_true(isnan(rk_report_number(read, "valid.ndcg@10")) == (epoch % 2 == 1));
        rk_report_free(read);
    }
    assert_int_equal(epoch, 4);
    free(metrics);
    runs_end(&r);
}

/* What hooks.scalar was told. */
typedef struct scalars {
    int n;
    struct {
        char name[64];
        int64_t step;
        double value;
    } v[200];
} scalars;

static void on_scalar(void *user, const char *name, int64_t step, double value)
{
    scalars *s = user;
    assert_true(s->n < 200);
    snprintf(s->v[s->n].name, sizeof s->v[s->n].name, "%s", name);
    s->v[s->n].step = step;
    s->v[s->n++].value = value;
}

/* "train/loss" is the member loss of its epoch's line, "valid/ndcg@10" one of its object valid. All
 * of the line but the epoch itself and what was measured in seconds (3 members, 4 if checked). */
static void scalars_are_those_of_metrics(void **state)
{
    (void)state;
    runs r;
    scalars s = {0};
    const rk_hooks hooks = {.scalar = on_scalar, .user = &s};
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=3", "eval.every=2", "train.warmup_epochs=2"},
                   .hooks = &hooks};
    assert_ok(runs_train(&r, "out", how));
    char *metrics = test_read(runs_file(&r, "out", "metrics.jsonl"));
    int epoch = 0, at = 0;
    for (char *line = strtok(metrics, "\n"); line; line = strtok(NULL, "\n")) {
        test_write(test_path(r.data, "report.json"), line, -1);
        rk_report *read = NULL;
        assert_ok(rk_report_open(r.data, &read));
        bool has_loss = false, has_term = false, has_rate = false, has_metric = false;
        int first = at;
        epoch++;
        for (; at < s.n && s.v[at].step == epoch; at++) {
            char path[64];
            bool of_train = strncmp(s.v[at].name, "train/", 6) == 0;
            snprintf(path, sizeof path, "%s", s.v[at].name + (of_train ? 6 : 0));
            if (!of_train) {
                *strchr(path, '/') = '.';
            }
            assert_true(rk_report_number(read, path) == s.v[at].value);
            has_loss = has_loss || strcmp(s.v[at].name, "train/loss") == 0;
            has_term = has_term || strcmp(s.v[at].name, "train/bpr") == 0;
            has_rate = has_rate || strcmp(s.v[at].name, "train/learning_rate") == 0;
            has_metric = has_metric || strcmp(s.v[at].name, "valid/ndcg@10") == 0;
        }
        assert_true(has_loss && has_term && has_rate && has_metric == (epoch == 2));
        assert_int_equal(at - first, rk_report_count(read) - (epoch == 2 ? 4 : 3));
        rk_report_free(read);
    }
    assert_int_equal(epoch, 3);
    assert_int_equal(at, s.n);
    free(metrics);
    runs_end(&r);
}

/* The best epoch by the history in metrics.jsonl is the one that is reported and kept. */
static void the_best_epoch_is_chosen(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.learning_rate=0.2", "train.epochs=15"}};
    assert_ok(runs_train(&r, "best", how));
    how.settings[2] = "eval.select=last";
    assert_ok(runs_train(&r, "last", how));

    char *metrics = test_read(runs_file(&r, "best", "metrics.jsonl"));
    double best = -1;
    int best_epoch = 0, epoch = 0;
    for (char *at = metrics; (at = strstr(at, "\"ndcg@10\": ")); at++) {
        double value = strtod(at + 11, NULL);
        epoch++;
        if (value > best) {
            best = value;
            best_epoch = epoch;
        }
    }
    free(metrics);
    assert_int_equal(epoch, 15);
    assert_true(best_epoch < 15); /* so that best and last differ at all */
    assert_true(runs_reported(&r, "best", "chosen.epoch") == best_epoch);
    assert_true(runs_reported(&r, "best", "chosen.value") == best);
    assert_true(runs_reported(&r, "best", "valid.ndcg@10") == best);
    assert_true(runs_reported(&r, "last", "chosen.epoch") == 15);
    assert_true(runs_reported(&r, "last", "valid.ndcg@10") < best);
    runs_end(&r);
}

static void patience_stops_early(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.learning_rate=0.2", "train.epochs=200", "eval.patience=3"}};
    assert_ok(runs_train(&r, "out", how));
    double epochs = runs_reported(&r, "out", "train.epochs");
    assert_true(epochs < 200);
    assert_true(epochs == runs_reported(&r, "out", "chosen.epoch") + 3);
    char *log = test_read(runs_file(&r, "out", "train.log"));
    assert_non_null(strstr(log, "stopped early after epoch"));
    free(log);
    runs_end(&r);
}

static const char *reported_text(const runs *r, const char *name, const char *path, char out[256])
{
    rk_report *report = NULL;
    assert_ok(rk_report_open(test_path(r->data, name), &report));
    const char *text = rk_report_text(report, path);
    snprintf(out, 256, "%s", text ? text : "(none)");
    rk_report_free(report);
    return out;
}

static void choosing_on_test_is_stamped(void **state)
{
    (void)state;
    runs r;
    char text[256];
    runs_begin(&r);
    run_how how = {.settings = {"eval.split=test", "train.epochs=3"}};
    assert_ok(runs_train(&r, "best", how));
    assert_string_equal(reported_text(&r, "best", "chosen.by", text), "ndcg@10 on test");
    assert_string_equal(reported_text(&r, "best", "chosen.on_test", text), "true");
    assert_non_null(strstr(reported_text(&r, "best", "chosen.note", text), "chosen on test"));
    char *page = test_read(runs_file(&r, "best", "report.html"));
    assert_non_null(strstr(page, "Chosen on test"));
    free(page);
    how.settings[2] = "eval.select=last";
    assert_ok(runs_train(&r, "last", how));
    assert_string_equal(reported_text(&r, "last", "chosen.on_test", text), "false");
    assert_string_equal(reported_text(&r, "last", "chosen.by", text), "last epoch");
    how.settings[3] = "eval.patience=50";
    assert_ok(runs_train(&r, "patient", how));
    assert_string_equal(reported_text(&r, "patient", "chosen.on_test", text), "true");
    runs_end(&r);
}

static void without_a_valid_part_the_last_epoch_counts(void **state)
{
    (void)state;
    runs r;
    char text[256];
    runs_begin(&r);
    test_write(test_path(r.data, "valid.txt"), "100\n", -1); /* a user with no items */
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=3"}}));
    assert_false(runs_has(&r, "out", "best.h5"));
    assert_string_equal(reported_text(&r, "out", "chosen.by", text), "last epoch");
    assert_true(isnan(runs_reported(&r, "out", "valid.ndcg@10")));
    assert_true(runs_reported(&r, "out", "test.ndcg@10") > 0);
    char *log = test_read(runs_file(&r, "out", "train.log"));
    assert_non_null(strstr(log, "the valid part is empty: no checks while training"));
    free(log);
    runs_end(&r);
}

static void no_epoch_at_all_is_a_run_too(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=0"}}));
    assert_true(runs_has(&r, "out", "last.h5"));
    assert_true(isnan(runs_reported(&r, "out", "train.loss")));
    assert_true(runs_reported(&r, "out", "test.ndcg@10") >= 0);
    runs_end(&r);
}

static void divergence_names_the_step_and_keeps_the_checkpoint(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_fails(RK_ERR_DIVERGED, "at step 2 (epoch 1, step 2 of 12)",
                 runs_train(&r, "out", (run_how){.settings = {"train.learning_rate=1e30"}}));
    assert_non_null(strstr(rk_last_error(), "smaller train.learning_rate (now 1e+30)"));
    assert_false(runs_has(&r, "out", "last.h5"));
    assert_false(runs_has(&r, "out", "report.json"));
    assert_int_equal(rk_status_exit_code(RK_ERR_DIVERGED), 5);
    runs_end(&r);
}

/* Grows by a factor a step and overflows after some epochs: the checkpoint from before stays. */
static void late_divergence_keeps_the_last_good_checkpoint(void **state)
{
    (void)state;
    runs r;
    rk_model *model = NULL;
    float *values = NULL;
    rk_tensor_info t;
    runs_begin(&r);
    run_how how = {.settings = {"train.learning_rate=1e6", "train.optimizer=sgd",
                                "train.steps_per_epoch=1", "train.checkpoint_every=1", "loss.l2=0",
                                "eval.select=last"}};
    assert_fails(RK_ERR_DIVERGED, "the checkpoints are as they were before",
                 runs_train(&r, "out", how));
    assert_ok(rk_model_open(test_path(r.data, "out"), NULL, NULL, NULL, &model));
    assert_ok(rk_model_find_tensor(model, "final", &t));
    const int64_t bytes = t.rows * t.cols * (int64_t)sizeof *values;
    assert_ok(rk__alloc(&values, bytes, 1, "the final embeddings"));
    assert_ok(rk_model_read_tensor(model, "final", 0, t.rows, values, bytes));
    for (int64_t i = 0; i < t.rows * t.cols; i++) {
        assert_true(isfinite(values[i]));
    }
    assert_true(rk_model_get_facts(model).epoch >= 1);
    rk__free(values);
    rk_model_free(model);
    runs_end(&r);
}

/* ---- the folder ---- */

static void a_used_folder_is_refused(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=1"}};
    assert_ok(runs_train(&r, "out", how));
    assert_fails(RK_ERR_CONFIG, "holds a run already", runs_train(&r, "out", how));
    test_write(runs_file(&r, "out", "notes.txt"), "mine", -1);
    how.force = true;
    how.settings[1] = "eval.every=0";
    assert_ok(runs_train(&r, "out", how));
    assert_true(runs_has(&r, "out", "notes.txt"));
    assert_false(runs_has(&r, "out", "best.h5")); /* of the run before */

    assert_int_equal(mkdir(test_path(r.data, "other"), 0777), 0);
    assert_ok(
        runs_train(&r, "other", (run_how){.settings = {"train.epochs=1"}})); /* empty is fine */
    assert_int_equal(mkdir(test_path(r.data, "killed"), 0777), 0);           /* at its very start */
    test_write(runs_file(&r, "killed", "environment.json.tmp"), "{", -1);
    assert_ok(runs_train(&r, "killed", (run_how){.settings = {"train.epochs=1"}}));
    assert_false(runs_has(&r, "killed", "environment.json.tmp"));
    assert_int_equal(mkdir(test_path(r.data, "foreign"), 0777), 0);
    test_write(runs_file(&r, "foreign", "last.h5"), "precious", -1);
    assert_fails(RK_ERR_CONFIG, "no run folder", runs_train(&r, "foreign", how));
    char *kept = test_read(runs_file(&r, "foreign", "last.h5"));
    assert_string_equal(kept, "precious");
    free(kept);
    how.force = false;
    assert_fails(RK_ERR_CONFIG, "no run folder", runs_train(&r, "foreign", how));
    assert_fails(RK_ERR_CONFIG, "is a file", runs_train(&r, "train.txt", how));
    runs_end(&r);
}

static void a_folder_in_use_is_left_alone(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=1"}};
    assert_ok(runs_train(&r, "out", how));
    int held = open(test_path(r.data, "out"), O_RDONLY);
    assert_true(held >= 0);
    assert_int_equal(flock(held, LOCK_EX), 0);
    how.force = true;
    assert_fails(RK_ERR_IO, "out is in use: another process", runs_train(&r, "out", how));
    how.force = false;
    how.resume = true;
    assert_fails(RK_ERR_IO, "another process", runs_train(&r, "out", how));
    close(held);
    assert_ok(runs_train(&r, "out", how));
    runs_end(&r);
}

static void a_run_that_cannot_start_leaves_no_folder(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_fails(RK_ERR_CONFIG, "larger than the catalogue",
                 runs_train(&r, "out", (run_how){.settings = {"eval.k=[10, 9999]"}}));
    assert_false(runs_has(&r, "out", "."));
    test_write(test_path(r.data, "train.txt"), "100 1000 x\n", -1);
    assert_fails(RK_ERR_DATA, "train.txt:1:10",
                 runs_train(&r, "out", (run_how){.settings = {NULL}}));
    assert_false(runs_has(&r, "out", "."));
    runs_end(&r);
}

/* A data set that the caller has is not opened again: its file and its sources are gone by then.
 * The runs are those that prepare it themselves, and the data set can be used by several. */
static void a_given_data_set_is_not_opened_again(void **state)
{
    (void)state;
    runs r;
    rk_config *config = NULL;
    rk_dataset *dataset = NULL;
    static const char *const settings[] = {"train.epochs=2", "run.device=cpu", "run.threads=1"};
    runs_begin(&r);
    assert_ok(runs_train(&r, "own", (run_how){.settings = {"train.epochs=2"}}));
    assert_ok(rk_config_load(&config, test_path(r.data, "exp.yaml")));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    assert_ok(rk_dataset_prepare(config, false, NULL, &dataset));
    assert_int_equal(remove(rk_dataset_path(dataset)), 0);
    assert_int_equal(remove(test_path(r.data, "train.txt")), 0);

    rk_train_options one = {.run_dir = test_path(r.data, "given"), .dataset = dataset};
    assert_ok(rk_train(config, &one, NULL));
    runs_assert_same_file(&r, "own", "given", "last.h5");
    assert_true(runs_reported(&r, "given", "timing.data_seconds") > 0);
    assert_true(runs_reported(&r, "given", "timing.total_seconds") >=
                runs_reported(&r, "given", "timing.data_seconds") +
                    runs_reported(&r, "given", "timing.train_seconds"));
    rk_train_options several = {.run_dir = test_path(r.data, "seeds"), .dataset = dataset};
    assert_ok(rk_train_seeds(config, &several, 2, NULL));
    assert_true(runs_has(&r, "seeds", "report.json"));

    one.dataset = NULL;
    one.force = true;
    assert_fails(RK_ERR_IO, "train.txt", rk_train(config, &one, NULL));
    rk_dataset_free(dataset);
    rk_config_free(config);
    runs_end(&r);
}

static int count_asides(const char *folder)
{
    DIR *directory = opendir(folder);
    int n = 0;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        n += strstr(entry->d_name, ".tmp") != NULL;
    }
    closedir(directory);
    return n;
}

/* Whatever allocation fails, the run ends with that status and nothing is left lying about. */
static void lack_of_memory_is_survived(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    rk_status status = RK_ERR_MEMORY;
    assert_ok(runs_train(&r, "out", (run_how){.settings = {"train.epochs=1"}}));
    for (int64_t n = 0; status != RK_OK; n += 1 + n / 16) {
        rk_config *config = NULL;
        assert_ok(rk_config_load(&config, test_path(r.data, "exp.yaml")));
        assert_ok(rk_config_set(config, "train.epochs=1", "test"));
        assert_ok(rk_config_set(config, "run.device=cpu", "test"));
        rk_train_options options = {.run_dir = test_path(r.data, "out"), .force = true};
        rk__alloc_fail_after(n);
        status = rk_train(config, &options, NULL);
        rk__alloc_fail_after(-1);
        rk_config_free(config);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        assert_true(n < 1000000);
        assert_int_equal(count_asides(test_path(r.data, "out")), 0);
    }
    runs_end(&r);
}

/* With no space for a second checkpoint the first one stays and is good. */
static void no_space_left_keeps_the_old_checkpoint(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    run_how how = {.settings = {"train.epochs=2"}};
    assert_ok(runs_train(&r, "out", how));
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 20000;
    signal(SIGXFSZ, SIG_IGN); /* so that a write fails instead of killing the test */
    how.resume = true;
    how.settings[0] = "train.epochs=4";
    how.settings[1] = "eval.select=last"; /* and no best.h5 in between */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rk_status status = runs_train(&r, "out", how);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(status, RK_ERR_IO);
    assert_int_equal(count_asides(test_path(r.data, "out")), 0);
    assert_ok(runs_train(&r, "out", how));
    assert_true(runs_reported(&r, "out", "train.epochs") == 4);

    assert_ok(
        runs_train(&r, "straight", (run_how){.settings = {"train.epochs=4", "eval.select=last"}}));
    runs_assert_same_file(&r, "out", "straight", "last.h5");
    runs_end(&r);
}

static void threads_change_no_checkpoint(void **state)
{
    (void)state;
    runs r;
    runs_begin(&r);
    assert_ok(runs_train(&r, "one", (run_how){.settings = {"train.epochs=3"}}));
    assert_ok(runs_train(&r, "two", (run_how){.settings = {"train.epochs=3", "run.threads=2"}}));
    runs_assert_same_file(&r, "one", "two", "last.h5");
    runs_assert_same_file(&r, "one", "two", "best.h5");
    char *one = runs_metrics(&r, "one"), *two = runs_metrics(&r, "two");
    assert_string_equal(one, two);
    free(one);
    free(two);
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_learns_and_reports),
        cmocka_unit_test(every_line_of_metrics_parses),
        cmocka_unit_test(scalars_are_those_of_metrics),
        cmocka_unit_test(the_best_epoch_is_chosen),
        cmocka_unit_test(patience_stops_early),
        cmocka_unit_test(choosing_on_test_is_stamped),
        cmocka_unit_test(without_a_valid_part_the_last_epoch_counts),
        cmocka_unit_test(no_epoch_at_all_is_a_run_too),
        cmocka_unit_test(divergence_names_the_step_and_keeps_the_checkpoint),
        cmocka_unit_test(late_divergence_keeps_the_last_good_checkpoint),
        cmocka_unit_test(a_used_folder_is_refused),
        cmocka_unit_test(a_folder_in_use_is_left_alone),
        cmocka_unit_test(a_run_that_cannot_start_leaves_no_folder),
        cmocka_unit_test(a_given_data_set_is_not_opened_again),
        cmocka_unit_test(lack_of_memory_is_survived),
        cmocka_unit_test(no_space_left_keeps_the_old_checkpoint),
        cmocka_unit_test(threads_change_no_checkpoint),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
