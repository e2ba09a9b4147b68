/*
 * What options of evaluation ask of each other, and of the split that they evaluate.
 */
#include <string.h>

#include "base/parse.h"
#include "base/rating_error.h"
#include "config/internal.h"

/* Who listens again is held out only where the ranking may show what they know. */
static rk_status check_repeats(const rk_config *config)
{
    const rk_options *o = &config->options;
    const bool can = o->split.kind == RK_SPLIT_TIME || o->split.kind == RK_SPLIT_GIVEN;
    if (o->data.repeats != RK_REPEATS_EACH_PART) {
        return RK_OK;
    }
    if (!can || o->split.carve_valid > 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: rows of one pair come into several parts by a moment or by given "
                "files only; take split.kind time or given",
                rk__config_says(config, "data.repeats").text,
                rk__config_says(config, can ? "split.carve_valid" : "split.kind").text);
    }
    if (o->eval.seen != RK_SEEN_RANK) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, so that what people repeat could never be hit: set eval.seen=rank",
                rk__config_says(config, "data.repeats").text,
                rk__config_says(config, "eval.seen").text);
    }
    return RK_OK;
}

/* "NDCG", "ndgc": a name that is none; the nearest one is, if it is near. */
static rk_status check_metric_name(const rk_config *config, size_t length, int64_t k)
{
    const char *wanted = config->options.eval.metric;
    const char *nearest = rk__choice_nearest(rk__option_find("eval", "metrics", 7), wanted, length);
    if (nearest && strlen(nearest) == length && memcmp(nearest, wanted, length) == 0) {
        return RK_OK; /* there is such a metric */
    }
    if (nearest) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but there is no metric '%.*s'; did you mean %s@%lld?",
                rk__config_says(config, "eval.metric").text, (int)(length < 60 ? length : 60),
                wanted, nearest, (long long)k);
    }
    rk_buffer names = {0};
    rk__option_describe(&names, rk__option_find("eval", "metrics", 7));
    rk_status status = names.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s, but there is no metric '%.*s'; eval.metrics is %s",
                          rk__config_says(config, "eval.metric").text,
                          (int)(length < 60 ? length : 60), wanted, names.at);
    }
    rk__buffer_free(&names);
    return status;
}

/* The metric without a cut-off that eval.metric begins with, NULL if it does with none. */
static const char *uncut_name(const rk_options *o)
{
    static const char *const names[] = {"auc", "filtered_mrr", "filtered_mr"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t length = strlen(names[i]);
        if (strncmp(o->eval.metric, names[i], length) == 0 && o->eval.metric[length] == '@') {
            return names[i];
        }
    }
    return NULL;
}

/* Is it auc@all, or the like, and that among eval.metrics? */
static bool is_of_order(const rk_options *o)
{
    const char *name = uncut_name(o);
    bool is_there = false;
    for (int64_t i = 0; name && i < o->eval.metrics.n; i++) {
        is_there = is_there ||
                   strcmp(rk__option_choice("eval.metrics", (int)o->eval.metrics.v[i]), name) == 0;
    }
    return is_there && strcmp(strchr(o->eval.metric, '@'), "@all") == 0;
}

/* eval.metric must be among eval.metrics x eval.k. */
static rk_status check_watched_metric(const rk_config *config)
{
    const rk_options *o = &config->options;
    const char *at = strchr(o->eval.metric, '@');
    int64_t k = 0;
    if (strncmp(o->eval.metric, "filtered_mr@", 12) == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, of which less is better: watch filtered_mrr@all",
                rk__config_says(config, "eval.metric").text);
    }
    if (is_of_order(o)) {
        return RK_OK;
    }
    if (rk__rating_error_find(o->eval.metric) >= 0) {
        return RK_OK; /* of ratings: whether the model predicts any is asked with the model */
    }
    if (!at || rk__parse_int(at + 1, strlen(at + 1), &k) != RK_PARSE_OK) {
        RK_FAIL(RK_ERR_CONFIG, "%s: write METRIC@K, e.g. ndcg@%lld",
                rk__config_says(config, "eval.metric").text, (long long)o->eval.k.v[0]);
    }
    size_t length = (size_t)(at - o->eval.metric);
    if (uncut_name(o)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s has no cut-off: write %s@all",
                rk__config_says(config, "eval.metric").text, uncut_name(o), uncut_name(o));
    }
    bool has_name = false, has_k = false;
    for (int64_t i = 0; i < o->eval.metrics.n; i++) {
        const char *name = rk__option_choice("eval.metrics", (int)o->eval.metrics.v[i]);
        has_name =
            has_name || (strlen(name) == length && memcmp(name, o->eval.metric, length) == 0);
    }
    for (int64_t i = 0; i < o->eval.k.n; i++) {
        has_k = has_k || o->eval.k.v[i] == k;
    }
    if (!has_name) {
        RK_TRY(check_metric_name(config, length, has_k ? k : o->eval.k.v[0]));
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: add %.*s there, or watch %s@%lld",
                rk__config_says(config, "eval.metric").text,
                rk__config_says(config, "eval.metrics").text, (int)(length < 60 ? length : 60),
                o->eval.metric, rk__option_choice("eval.metrics", (int)o->eval.metrics.v[0]),
                (long long)(has_k ? k : o->eval.k.v[0]));
    }
    if (!has_k) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: set eval.metric=%.*s@%lld or add %lld to eval.k",
                rk__config_says(config, "eval.metric").text, rk__config_says(config, "eval.k").text,
                (int)length, o->eval.metric, (long long)o->eval.k.v[0], (long long)k);
    }
    return RK_OK;
}

rk_status rk__config_check_eval(const rk_config *config)
{
    RK_TRY(check_watched_metric(config));
    RK_TRY(check_repeats(config));
    if (config->options.eval.among == RK_AMONG_CANDIDATES &&
        config->options.split.candidates == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: set split.candidates, e.g. to 99",
                rk__config_says(config, "eval.among").text,
                rk__config_says(config, "split.candidates").text);
    }
    if (config->options.eval.patience > 0 && config->options.eval.every == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: without checks nothing stops the training early",
                rk__config_says(config, "eval.patience").text,
                rk__config_says(config, "eval.every").text);
    }
    return RK_OK;
}
