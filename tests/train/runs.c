#include "train/runs.h"

#include <math.h>
#include <unistd.h>

void runs_begin(runs *r)
{
    r->data = test_scratch();
    planted_write(r->data);
}

void runs_end(runs *r)
{
    test_scratch_remove(r->data);
}

const char *runs_file(const runs *r, const char *name, const char *file)
{
    return test_path(test_path(r->data, name), file);
}

bool runs_has(const runs *r, const char *name, const char *file)
{
    return access(runs_file(r, name, file), F_OK) == 0;
}

static rk_config *configure(const runs *r, const run_how *how)
{
    rk_config *config = NULL;
    assert_ok(rk_config_load(&config, test_path(r->data, how->config ? how->config : "exp.yaml")));
    assert_ok(rk_config_set(config, "run.device=cpu", "test"));
    assert_ok(rk_config_set(config, "run.threads=1", "test"));
    for (int i = 0; how->settings[i]; i++) {
        assert_ok(rk_config_set(config, how->settings[i], "test"));
    }
    return config;
}

rk_status runs_train(const runs *r, const char *name, run_how how)
{
    rk_config *config = configure(r, &how);
    rk_train_options options = rk_train_defaults();
    options.run_dir = test_path(r->data, name);
    options.resume = how.resume;
    options.force = how.force;
    rk_status status = rk_train(config, &options, how.hooks);
    rk_config_free(config);
    return status;
}

rk_status runs_fit(const runs *r, run_how how, rk_model **out)
{
    rk_config *config = configure(r, &how);
    const rk_train_options options = rk_train_defaults();
    rk_status status = rk_model_fit(config, &options, how.hooks, out);
    rk_config_free(config);
    return status;
}

double runs_reported(const runs *r, const char *name, const char *path)
{
    rk_report *report = NULL;
    assert_ok(rk_report_open(test_path(r->data, name), &report));
    double value = rk_report_number(report, path);
    rk_report_free(report);
    return value;
}

char *runs_metrics(const runs *r, const char *name)
{
    char *text = test_read(runs_file(r, name, "metrics.jsonl"));
    assert_non_null(text);
    char *to = text;
    for (char *at = text; *at;) {
        char *end = strchr(at, '\n');
        assert_non_null(end); /* no half line */
        for (char *member = at; member <= end;) {
            size_t length = strcspn(member, ",}\n") + 1;
            bool is_time = memmem(member, length, "second", 6) != NULL;
            if (!is_time) {
                memmove(to, member, length);
                to += length;
            }
            member += length;
        }
        at = end + 1;
    }
    *to = '\0';
    return text;
}

static char *read_bytes(const char *path, size_t *out_length)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *out_length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*out_length);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *out_length, file), *out_length);
    fclose(file);
    return bytes;
}

void runs_assert_same_file(const runs *r, const char *a, const char *b, const char *file)
{
    size_t length_a = 0, length_b = 0;
    char *bytes_a = read_bytes(runs_file(r, a, file), &length_a);
    char *bytes_b = read_bytes(runs_file(r, b, file), &length_b);
    assert_int_equal(length_a, length_b);
    assert_memory_equal(bytes_a, bytes_b, length_a);
    free(bytes_a);
    free(bytes_b);
}

void runs_assert_same(const runs *r, const char *a, const char *b)
{
    runs_assert_same_file(r, a, b, "last.h5");
    assert_true(runs_has(r, a, "best.h5") == runs_has(r, b, "best.h5"));
    if (runs_has(r, a, "best.h5")) {
        runs_assert_same_file(r, a, b, "best.h5");
    }
    char *left = runs_metrics(r, a), *right = runs_metrics(r, b);
    assert_string_equal(left, right);
    free(left);
    free(right);
    assert_true(runs_reported(r, a, "test.ndcg@10") == runs_reported(r, b, "test.ndcg@10"));
    assert_true(runs_reported(r, a, "valid.recall@5") == runs_reported(r, b, "valid.recall@5"));
    const double loss = runs_reported(r, a, "train.loss"),
                 other = runs_reported(r, b, "train.loss");
    assert_true(loss == other || (isnan(loss) && isnan(other))); /* sweeps have none */
}

static void count_progress(void *user, const rk_progress *progress)
{
    stop_after *s = user;
    s->seen += strcmp(progress->phase, "training") == 0;
}

static bool is_enough(void *user)
{
    stop_after *s = user;
    return s->seen >= s->calls;
}

void stop_after_init(stop_after *s, int64_t calls)
{
    *s = (stop_after){.calls = calls};
    s->hooks = (rk_hooks){.progress = count_progress, .should_stop = is_enough, .user = s};
}
