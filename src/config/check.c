/* What no single option can see. A message names the options, their values and where those came
 * from, and says what to change. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/moment.h"
#include "base/parse.h"
#include "config/internal.h"

rk_said rk__config_says(const rk_config *config, const char *key)
{
    rk_said out;
    const char *value = "";
    RK_ASSERT(rk_config_get(config, key, &value) == RK_OK);
    const char *origin = rk__config_origin(config, key);
    if (strcmp(origin, "default") == 0) {
        origin = "the default";
    }
    snprintf(out.text, sizeof out.text, "%s is %.100s (%.80s)", key, value, origin);
    return out;
}

/* Where the other option of a condition is: in the same element, if it is one of its list. */
static rk_target condition_target(rk_target target, const rk_condition *condition)
{
    bool is_near = target.list && strcmp(condition->row->section, target.list->name) == 0;
    rk_target other = is_near ? target : (rk_target){0};
    other.row = condition->row;
    return other;
}

static rk_status fail_unread(const rk_config *config, rk_target target, const rk_condition *missed)
{
    rk_status status = RK_OK;
    char *key = NULL, *other = NULL;
    rk_buffer wanted = {0};
    RK_TRY_GOTO(done, rk__target_name(&key, target));
    RK_TRY_GOTO(done, rk__target_name(&other, condition_target(target, missed)));
    rk__condition_describe(&wanted, missed, "");
    RK_TRY_GOTO(done, wanted.status);
    RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s, but %s, so nothing looks at it: remove it, or take %s",
                 rk__config_says(config, key).text, rk__config_says(config, other).text, wanted.at);
done:
    rk__buffer_free(&wanted);
    rk__free(other);
    rk__free(key);
    return status;
}

static bool first_missed(const rk_config *config, rk_target target, rk_condition *out)
{
    const char *rest = target.row->only_with;
    while (rk__condition_next(&rest, out)) {
        rk_target other = condition_target(target, out);
        if (!rk__condition_holds(out, rk__config_field(config, other)->text)) {
            return true;
        }
    }
    return false;
}

bool rk__config_reads(const rk_config *config, const rk_option *row)
{
    rk_condition missed;
    return !first_missed(config, (rk_target){.row = row}, &missed);
}

rk_status rk_config_is_read(const rk_config *config, const char *key, bool *out)
{
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%s", rows[i].section, rows[i].key);
        if (strcmp(name, key) == 0) {
            *out = rk__config_reads(config, &rows[i]);
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_CONFIG, "there is no option '%.60s'", key);
}

/* Whether a value is the default, as it is printed. */
static bool is_default(const rk_option *row, const char *text)
{
    rk_buffer plain = {0};
    if (row->type != RK_TYPE_STRING) {
        return strcmp(row->default_text, text) == 0;
    }
    rk__print_string(&plain, row->default_text, strlen(row->default_text));
    bool same = plain.status == RK_OK && strcmp(plain.at, text) == 0;
    rk__buffer_free(&plain);
    return same;
}

/* A value that nobody reads under the other options is a mistake, unless it is the default. */
static rk_status check_read(const rk_config *config, rk_target target)
{
    rk_condition missed;
    return !is_default(target.row, rk__config_field(config, target)->text) &&
                   first_missed(config, target, &missed)
               ? fail_unread(config, target, &missed)
               : RK_OK;
}

static rk_status check_unread(const rk_config *config)
{
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; i < n; i++) {
        RK_TRY(check_read(config, (rk_target){.row = &rows[i]}));
    }
    return RK_OK;
}

/* The same for the keys of the elements of a list; the target's last index does not matter. */
static rk_status check_list(const rk_config *config, rk_target target)
{
    const rk_option_list *list = target.list;
    int64_t n_lists = 0, n = rk__list_count(config, target);
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n; i++) {
        target.at[rk__list_depth(list) - 1] = i;
        for (int64_t r = 0; r < list->n_rows; r++) {
            target.row = &list->rows[r];
            RK_TRY(check_read(config, target));
        }
        target.row = NULL;
        for (int64_t l = 0; l < n_lists; l++) {
            if (strcmp(lists[l].parent, list->name) == 0) {
                target.list = &lists[l];
                RK_TRY(check_list(config, target));
            }
        }
        target.list = list;
    }
    return RK_OK;
}

static rk_status check_lists(const rk_config *config)
{
    int64_t n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n_lists; i++) {
        if (lists[i].parent[0] == '\0') {
            RK_TRY(check_list(config, (rk_target){.list = &lists[i]}));
        }
    }
    return RK_OK;
}

bool rk__source_may_have_times(const rk_source_options *source)
{
    return source->time[0] != '\0' || source->format == RK_FORMAT_MOVIELENS ||
           source->format == RK_FORMAT_INTER;
}

bool rk__split_goes_by_time(const rk_options *options)
{
    int kind = options->split.kind;
    bool has_order =
        kind == RK_SPLIT_LEAVE_ONE_OUT || kind == RK_SPLIT_RATIO || kind == RK_SPLIT_USERS;
    return kind == RK_SPLIT_TIME || (has_order && options->split.order == RK_ORDER_TIME);
}

bool rk__split_goes_by_row(const rk_options *options)
{
    return rk__split_goes_by_time(options) && options->split.kind != RK_SPLIT_TIME &&
           options->split.ties == RK_TIES_ROW;
}

bool rk__options_have_values(const rk_options *options)
{
    bool found = options->data.repeat_value == RK_REPEAT_COUNT;
    for (int64_t i = 0; i < options->n_sources; i++) {
        found = found || options->sources[i].value[0] != '\0';
    }
    return found;
}

bool rk__options_have_triples(const rk_options *options)
{
    bool found = false;
    for (int64_t i = 0; i < options->n_sources; i++) {
        found = found || options->sources[i].relation[0] != '\0';
    }
    return found;
}

/* Both directions of a triple stay in one part, and all of them are there. */
static rk_status check_triples(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (!rk__options_have_triples(o)) {
        return RK_OK;
    }
    for (int64_t i = 0; i < o->n_sources; i++) {
        if (o->sources[i].relation[0] == '\0') {
            RK_FAIL(RK_ERR_CONFIG,
                    "data.sources[%lld] (%s) has no relation, but other sources have: name the "
                    "column in its key 'relation', or remove that key from all",
                    (long long)i, o->sources[i].origin);
        }
    }
    const char *against = o->split.kind != RK_SPLIT_GIVEN       ? "split.kind"
                          : o->split.carve_valid > 0            ? "split.carve_valid"
                          : o->data.min_user > 1                ? "data.min_user"
                          : o->data.min_item > 1                ? "data.min_item"
                          : o->data.repeats != RK_REPEATS_MERGE ? "data.repeats"
                                                                : NULL;
    if (against) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but data.sources[0] (%s) has triples, of which both directions belong "
                "together: take split.kind given, with a part for each source, and leave the rest "
                "of it, data.min_user, data.min_item and data.repeats as they are",
                rk__config_says(config, against).text, o->sources[0].origin);
    }
    return RK_OK;
}

static rk_status check_source(const rk_config *config, int64_t i)
{
    const rk_options *o = &config->options;
    const rk_source_options *source = &o->sources[i];
    bool by_time = rk__split_goes_by_time(o);
    const char *key = o->split.kind == RK_SPLIT_TIME ? "split.kind" : "split.order";
    long long n = (long long)i;
    if (source->file[0] == '\0') {
        RK_FAIL(RK_ERR_CONFIG, "data.sources[%lld] (%s) has no file", n, source->origin);
    }
    if (strcmp(source->user, source->item) == 0) {
        RK_FAIL(RK_ERR_CONFIG, "data.sources[%lld] (%s) has '%s' for both user and item", n,
                source->origin, source->user);
    }
    const char *of_a_column = source->time[0]    ? "time"
                              : source->value[0] ? "value"
                              : source->where[0] ? "where"
                                                 : NULL;
    if (source->format == RK_FORMAT_ADJACENCY && of_a_column) {
        RK_FAIL(RK_ERR_CONFIG,
                "data.sources[%lld] (%s) has '%s', but adjacency files have no columns: remove it",
                n, source->origin, of_a_column);
    }
    if (rk__options_have_values(o) && o->data.repeat_value != RK_REPEAT_COUNT &&
        source->value[0] == '\0') {
        RK_FAIL(RK_ERR_CONFIG,
                "data.sources[%lld] (%s) has no values, but other sources have: name the column in "
                "its key 'value', or remove that key from all",
                n, source->origin);
    }
    if (by_time && !rk__source_may_have_times(source)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but data.sources[%lld] (%s) has no times: %s",
                rk__config_says(config, key).text, n, source->origin,
                source->format == RK_FORMAT_ADJACENCY
                    ? "adjacency files carry none; take split.order=random"
                : source->format == RK_FORMAT_MTX || source->format == RK_FORMAT_NPZ
                    ? "matrices carry none; take split.order=random"
                    : "name the column in its key 'time'");
    }
    if (o->split.kind == RK_SPLIT_GIVEN && source->part == RK_PART_ALL) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, so data.sources[%lld] (%s) must say its part: train, valid, test or given; to "
                "have one set divided, take split.kind leave_one_out, ratio or time",
                rk__config_says(config, "split.kind").text, n, source->origin);
    }
    if (o->split.kind != RK_SPLIT_GIVEN && source->part != RK_PART_ALL) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "data.sources[%lld] (%s) says part %s, but %s, which divides everything: remove the "
            "part or take split.kind given",
            n, source->origin, rk__option_choice("data.sources.part", source->part),
            rk__config_says(config, "split.kind").text);
    }
    return RK_OK;
}

static rk_status check_sources(const rk_config *config)
{
    const rk_options *o = &config->options;
    bool has_train = false;
    if (o->n_sources == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "the config %s names no data: list at least one file under data.sources, e.g. "
                "'- file: ratings.csv'",
                o->config_name);
    }
    for (int64_t i = 0; i < o->n_sources; i++) {
        RK_TRY(check_source(config, i));
        has_train = has_train || o->sources[i].part == RK_PART_TRAIN;
    }
    for (int64_t i = 0; o->split.kind == RK_SPLIT_GIVEN && o->split.test == 0 && i < o->n_sources;
         i++) {
        if (o->sources[i].part == RK_PART_TEST) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s, but data.sources[%lld] (%s) is a test part: remove it, or make its part "
                    "train to train on it",
                    rk__config_says(config, "split.test").text, (long long)i, o->sources[i].origin);
        }
    }
    RK_TRY(check_triples(config));
    if (o->split.kind == RK_SPLIT_GIVEN && !has_train) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but no source has part train",
                rk__config_says(config, "split.kind").text);
    }
    for (int64_t i = 0; o->split.carve_valid > 0 && i < o->n_sources; i++) {
        if (o->sources[i].part == RK_PART_VALID) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s, but data.sources[%lld] (%s) is a valid part already: remove one of them",
                    rk__config_says(config, "split.carve_valid").text, (long long)i,
                    o->sources[i].origin);
        }
    }
    return RK_OK;
}

static rk_status check_fields(const rk_config *config)
{
    enum { MAX_NAME = 60 };
    const rk_options *o = &config->options;
    for (int64_t f = 0; f < o->n_fields; f++) {
        const char *name = o->fields[f].name, *origin = o->fields[f].origin;
        if (name[0] == '\0' || strlen(name) > MAX_NAME || strchr(name, '/')) {
            RK_FAIL(RK_ERR_CONFIG,
                    "data.fields[%lld] (%s): the name '%.80s' must have 1 to %d bytes and no /",
                    (long long)f, origin, name, MAX_NAME);
        }
        for (int64_t g = 0; g < f; g++) {
            if (strcmp(o->fields[g].name, name) == 0) {
                RK_FAIL(RK_ERR_CONFIG,
                        "data.fields[%lld] (%s) is called %s, as data.fields[%lld] is: give it "
                        "another name",
                        (long long)f, origin, name, (long long)g);
            }
        }
    }
    return RK_OK;
}

/* A date or a number; in *out seconds by the size of the number, which is enough to compare two. */
static rk_status check_moment(const rk_config *config, const char *key, const char *text,
                              double *out)
{
    size_t length = strlen(text);
    if (rk__parse_real(text, length, out) == RK_PARSE_OK) {
        if (!rk__compact_moment(*out, out)) {
            *out /= rk__moment_divisor(fabs(*out));
        }
        return RK_OK;
    }
    switch (rk__parse_moment(text, length, out)) {
    case RK_PARSE_OK:
        return RK_OK;
    case RK_PARSE_OUT_OF_RANGE:
        RK_FAIL(RK_ERR_CONFIG, "%s, but there is no such day or hour",
                rk__config_says(config, key).text);
    case RK_PARSE_NOT_A_NUMBER:
        break;
    }
    RK_FAIL(RK_ERR_CONFIG,
            "%s, which is no time: write a number in the unit of the times, or a date such as "
            "2020-09-01 or 2020-09-01T12:00:00Z",
            rk__config_says(config, key).text);
}

static rk_status check_split(const rk_config *config)
{
    const rk_options *o = &config->options;
    bool by_shares = o->split.kind != RK_SPLIT_GIVEN && o->split.kind != RK_SPLIT_LEAVE_ONE_OUT;
    if (by_shares && o->split.valid + o->split.test >= 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: nothing is left to train on; their sum must be below 1",
                rk__config_says(config, "split.valid").text,
                rk__config_says(config, "split.test").text);
    }
    double valid_from = 0, test_from = 0;
    RK_TRY(check_moment(config, "split.valid_from", o->split.valid_from, &valid_from));
    RK_TRY(check_moment(config, "split.test_from", o->split.test_from, &test_from));
    bool are_named = test_from != 0 && valid_from != 0;
    if (o->split.kind == RK_SPLIT_TIME && are_named && valid_from > test_from) {
        RK_FAIL(RK_ERR_CONFIG, "%s, after %s: valid must begin before test",
                rk__config_says(config, "split.valid_from").text,
                rk__config_says(config, "split.test_from").text);
    }
    return RK_OK;
}

static rk_status check_graph(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->graph.order != RK_NODE_ORDER_FILE && o->graph.form == RK_FORM_GRAM) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, whose products with a matrix have no rows to order: take "
                "graph.form direct, or graph.order file",
                rk__config_says(config, "graph.order").text,
                rk__config_says(config, "graph.form").text);
    }
    if (o->graph.order != RK_NODE_ORDER_FILE && o->cuda.propagation == RK_PROPAGATION_CUSPARSE) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which goes through the rows as it likes: take split_rows, or "
                "graph.order file",
                rk__config_says(config, "graph.order").text,
                rk__config_says(config, "cuda.propagation").text);
    }
    if (o->graph.form != RK_FORM_GRAM) {
        return RK_OK;
    }
    if (o->train.propagation == RK_TABLES_FP16) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which is for the tables between layers of the direct "
                "form: take one of the two",
                rk__config_says(config, "graph.form").text,
                rk__config_says(config, "train.propagation").text);
    }
    if (o->cuda.propagation == RK_PROPAGATION_CUSPARSE) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which multiplies by the whole graph only: take split_rows or "
                "graph.form direct",
                rk__config_says(config, "graph.form").text,
                rk__config_says(config, "cuda.propagation").text);
    }
    return RK_OK;
}

/* Warm-ups counted in steps are compared with the run when its steps are known. */
static rk_status check_schedule(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->train.warmup_epochs > 0 && o->train.warmup_steps > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: take one of them",
                rk__config_says(config, "train.warmup_epochs").text,
                rk__config_says(config, "train.warmup_steps").text);
    }
    if (o->train.warmup_epochs > 0 && o->train.warmup_epochs >= (double)o->train.epochs) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: the warm-up must be shorter than the run",
                rk__config_says(config, "train.warmup_epochs").text,
                rk__config_says(config, "train.epochs").text);
    }
    if (o->train.schedule == RK_SCHEDULE_COSINE && o->train.schedule_epochs > o->train.epochs) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: the schedule is longer than the run; set train.schedule_epochs=0 to "
                "have it as long as the run",
                rk__config_says(config, "train.schedule_epochs").text,
                rk__config_says(config, "train.epochs").text);
    }
    if (o->train.schedule == RK_SCHEDULE_PLATEAU && o->eval.every == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: without checks there is no metric to go by",
                rk__config_says(config, "train.schedule").text,
                rk__config_says(config, "eval.every").text);
    }
    if (o->train.schedule == RK_SCHEDULE_PLATEAU && o->eval.patience > 0 &&
        o->eval.patience <= o->train.plateau_patience) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: the training would stop before the rate is ever lowered; let "
                "train.plateau_patience be the smaller one",
                rk__config_says(config, "train.plateau_patience").text,
                rk__config_says(config, "eval.patience").text);
    }
    if (o->train.clip_norm > 0 && o->train.clip_value > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: take one of them",
                rk__config_says(config, "train.clip_norm").text,
                rk__config_says(config, "train.clip_value").text);
    }
    return RK_OK;
}

/* What a loss and the way of drawing negatives ask of each other. */
static rk_status check_negatives(const rk_config *config)
{
    const rk_options *o = &config->options;
    int kind = o->loss.kind, negatives = o->sampling.negatives;
    bool in_batch = negatives == RK_NEGATIVES_IN_BATCH, dynamic = negatives == RK_NEGATIVES_DYNAMIC;
    rk_said loss = rk__config_says(config, "loss.kind"),
            how = rk__config_says(config, "sampling.negatives");
    if (in_batch && kind != RK_LOSS_SOFTMAX && kind != RK_LOSS_ALIGN_UNIFORM) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which needs negatives of its own for each positive: take "
                "sampling.negatives uniform, or loss.kind softmax",
                how.text, loss.text);
    }
    if (!in_batch && kind == RK_LOSS_ALIGN_UNIFORM) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, which takes no drawn negatives, but %s: set sampling.negatives=in_batch",
                loss.text, how.text);
    }
    if (in_batch && o->train.batch < 2) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: a batch of one has no negatives; take a larger train.batch", how.text,
                rk__config_says(config, "train.batch").text);
    }
    if (dynamic && (kind != RK_LOSS_BPR || o->loss.logits == RK_LOGITS_COSINE)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s and %s: dynamic negatives are for bpr on inner products",
                how.text, loss.text, rk__config_says(config, "loss.logits").text);
    }
    if (negatives == RK_NEGATIVES_ALL && kind != RK_LOSS_BCE) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: all items at once are for loss.kind bce", how.text,
                loss.text);
    }
    if (negatives == RK_NEGATIVES_ALL && o->loss.weigh_by != RK_WEIGH_BY_NONE) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: the labels of all items at once have no weights",
                rk__config_says(config, "loss.weigh_by").text, how.text);
    }
    if (o->train.batch > INT32_MAX / (2 + o->sampling.per_positive)) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: a step may draw 2^31 users and items at most",
                rk__config_says(config, "train.batch").text,
                rk__config_says(config, "sampling.per_positive").text);
    }
    return RK_OK;
}

static rk_status check_propagation(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->train.propagation == RK_TABLES_FP16 && o->cuda.propagation == RK_PROPAGATION_CUSPARSE) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which multiplies fp32 tables: take split_rows",
                rk__config_says(config, "train.propagation").text,
                rk__config_says(config, "cuda.propagation").text);
    }
    return RK_OK;
}

static rk_status check_contrast(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->loss.contrast == RK_CONTRAST_NONE) {
        return RK_OK;
    }
    if (o->graph.form == RK_FORM_GRAM) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which has no single layers: take direct or auto",
                rk__config_says(config, "loss.contrast").text,
                rk__config_says(config, "graph.form").text);
    }
    if (o->loss.contrast == RK_CONTRAST_XSIMGCL && o->loss.contrast_layer > o->model.layers) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: there is no such layer",
                rk__config_says(config, "loss.contrast_layer").text,
                rk__config_says(config, "model.layers").text);
    }
    if (o->train.batch < 2) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: a batch of one has nothing to be held against",
                rk__config_says(config, "loss.contrast").text,
                rk__config_says(config, "train.batch").text);
    }
    return RK_OK;
}

static rk_status check_neighbours(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->train.batch > INT32_MAX / (1 + o->loss.neighbours)) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: a step may look at 2^31 neighbours at most",
                rk__config_says(config, "train.batch").text,
                rk__config_says(config, "loss.neighbours").text);
    }
    return RK_OK;
}

/* Everything but the sources and which options are read. */
static rk_status check_rest(const rk_config *config)
{
    RK_TRY(rk__config_check_values(config));
    RK_TRY(check_fields(config));
    RK_TRY(check_split(config));
    RK_TRY(check_propagation(config));
    RK_TRY(check_schedule(config));
    RK_TRY(check_negatives(config));
    RK_TRY(check_graph(config));
    RK_TRY(check_contrast(config));
    RK_TRY(check_neighbours(config));
    return rk__config_check_eval(config);
}

rk_status rk__config_check(const rk_config *config, unsigned also)
{
    RK_TRY(check_lists(config));
    RK_TRY(rk__config_check_sides(config));
    RK_TRY(also & RK_CHECK_SOURCES ? check_sources(config) : RK_OK);
    RK_TRY(also & RK_CHECK_UNREAD ? check_unread(config) : RK_OK);
    return check_rest(config);
}
