/*
 * rk_config_check: what no single option can see. A message names the options, their values and
 * where those came from, and says what to change.
 */
#include <math.h>
#include <string.h>

#include "base/parse.h"
#include "config/internal.h"

/* "split.kind is time (exp.yaml:12)". */
typedef struct said {
    char text[256];
} said;

static said says(const rk_config *config, const char *key)
{
    said out;
    const char *value = "";
    RK_ASSERT(rk_config_get(config, key, &value) == RK_OK);
    const char *origin = rk__config_origin(config, key);
    if (strcmp(origin, "default") == 0) {
        origin = "the default";
    }
    snprintf(out.text, sizeof out.text, "%s is %.100s (%.80s)", key, value, origin);
    return out;
}

static bool has_times(const rk_source_options *source)
{
    return source->time[0] != '\0' || source->format == RK_FORMAT_MOVIELENS ||
           source->format == RK_FORMAT_INTER;
}

static rk_status check_source(const rk_config *config, int64_t i)
{
    const rk_options *o = &config->options;
    const rk_source_options *source = &o->sources[i];
    bool by_time = o->split.kind == RK_SPLIT_TIME ||
                   (o->split.kind != RK_SPLIT_GIVEN && o->split.order == RK_ORDER_TIME);
    const char *key = o->split.kind == RK_SPLIT_TIME ? "split.kind" : "split.order";
    long long n = (long long)i;
    if (source->file[0] == '\0') {
        RK_FAIL(RK_ERR_CONFIG, "data.sources[%lld] (%s) has no file", n, source->origin);
    }
    if (source->format == RK_FORMAT_ADJACENCY &&
        (source->time[0] != '\0' || source->where[0] != '\0')) {
        RK_FAIL(RK_ERR_CONFIG,
                "data.sources[%lld] (%s) has '%s', but adjacency files have no columns: remove it",
                n, source->origin, source->time[0] != '\0' ? "time" : "where");
    }
    if (by_time && !has_times(source)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but data.sources[%lld] (%s) has no times: %s",
                says(config, key).text, n, source->origin,
                source->format == RK_FORMAT_ADJACENCY
                    ? "adjacency files carry none; take split.order=random"
                    : "name the column in its key 'time'");
    }
    if (o->split.kind == RK_SPLIT_GIVEN && source->part == RK_PART_ALL) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "%s, so data.sources[%lld] (%s) must say its part: train, valid or test; to have one "
            "set divided, take split.kind leave_one_out, ratio or time",
            says(config, "split.kind").text, n, source->origin);
    }
    if (o->split.kind != RK_SPLIT_GIVEN && source->part != RK_PART_ALL) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "data.sources[%lld] (%s) says part %s, but %s, which divides everything: remove the "
            "part or take split.kind given",
            n, source->origin, rk__option_choice("data.sources.part", source->part),
            says(config, "split.kind").text);
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
    if (o->split.kind == RK_SPLIT_GIVEN && !has_train) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but no source has part train", says(config, "split.kind").text);
    }
    return RK_OK;
}

static rk_status check_split(const rk_config *config)
{
    const rk_options *o = &config->options;
    bool by_shares = o->split.kind == RK_SPLIT_RATIO || o->split.kind == RK_SPLIT_TIME;
    if (by_shares && o->split.valid + o->split.test >= 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: nothing is left to train on; their sum must be below 1",
                says(config, "split.valid").text, says(config, "split.test").text);
    }
    if (o->split.carve_valid > 0 && o->split.kind != RK_SPLIT_GIVEN) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which makes a valid part of its own: remove it",
                says(config, "split.carve_valid").text, says(config, "split.kind").text);
    }
    for (int64_t i = 0; o->split.carve_valid > 0 && i < o->n_sources; i++) {
        if (o->sources[i].part == RK_PART_VALID) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s, but data.sources[%lld] (%s) is a valid part already: remove one of them",
                    says(config, "split.carve_valid").text, (long long)i, o->sources[i].origin);
        }
    }
    if (o->split.kind == RK_SPLIT_TIME && o->split.test_from > 0 &&
        o->split.valid_from > o->split.test_from) {
        RK_FAIL(RK_ERR_CONFIG, "%s, after %s: valid must begin before test",
                says(config, "split.valid_from").text, says(config, "split.test_from").text);
    }
    return RK_OK;
}

static rk_status check_graph(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->graph.form != RK_FORM_GRAM) {
        return RK_OK;
    }
    if (o->model.layer_weights >= RK_WEIGHTS_LEARNED) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: that form needs fixed weights; take graph.form direct",
                says(config, "graph.form").text, says(config, "model.layer_weights").text);
    }
    if (o->model.kind != RK_MODEL_LIGHTGCN) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which has no such form: take auto",
                says(config, "graph.form").text, says(config, "model.kind").text);
    }
    if (o->train.propagation == RK_TABLES_FP16) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which is for the tables between layers of the direct "
                "form: take one of the two",
                says(config, "graph.form").text, says(config, "train.propagation").text);
    }
    if (o->cuda.propagation == RK_PROPAGATION_CUSPARSE) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which multiplies by the whole graph only: take split_rows or "
                "graph.form direct",
                says(config, "graph.form").text, says(config, "cuda.propagation").text);
    }
    return RK_OK;
}

static rk_status check_model(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->model.layer_weights == RK_WEIGHTS_GIVEN &&
        o->model.given_weights.n != o->model.layers + 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s has %lld weights, but %s, so it takes %lld: layer 0 first",
                says(config, "model.given_weights").text, (long long)o->model.given_weights.n,
                says(config, "model.layers").text, (long long)o->model.layers + 1);
    }
    if (o->model.kind != RK_MODEL_LIGHTGCN && o->model.layer_weights >= RK_WEIGHTS_GIVEN) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: weights of layers are for lightgcn",
                says(config, "model.layer_weights").text, says(config, "model.kind").text);
    }
    if (o->model.kind == RK_MODEL_LIGHTGCN_PP && o->model.layers == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: it needs at least one layer",
                says(config, "model.kind").text, says(config, "model.layers").text);
    }
    if (o->model.kind == RK_MODEL_LIGHTGCN_PP && o->model.layer_weights != RK_WEIGHTS_MEAN) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which weighs layers by model.gamma: remove it",
                says(config, "model.layer_weights").text, says(config, "model.kind").text);
    }
    if (o->model.layer_weights != RK_WEIGHTS_MEAN_WITHOUT_EGO) {
        return RK_OK;
    }
    if (o->model.kind == RK_MODEL_MF) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which has layer 0 only: take mean",
                says(config, "model.layer_weights").text, says(config, "model.kind").text);
    }
    if (o->model.layers == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: without layer 0 nothing is left; take mean",
                says(config, "model.layer_weights").text, says(config, "model.layers").text);
    }
    return RK_OK;
}

/* Warm-ups counted in steps are compared with the run when its steps are known. */
static rk_status check_schedule(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->train.warmup_epochs > 0 && o->train.warmup_steps > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: take one of them",
                says(config, "train.warmup_epochs").text, says(config, "train.warmup_steps").text);
    }
    if (o->train.warmup_epochs > 0 && o->train.warmup_epochs >= (double)o->train.epochs) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: the warm-up must be shorter than the run",
                says(config, "train.warmup_epochs").text, says(config, "train.epochs").text);
    }
    if (o->train.schedule == RK_SCHEDULE_COSINE && o->train.schedule_epochs > o->train.epochs) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: the schedule is longer than the run; set train.schedule_epochs=0 to "
                "have it as long as the run",
                says(config, "train.schedule_epochs").text, says(config, "train.epochs").text);
    }
    if (o->train.schedule != RK_SCHEDULE_COSINE && o->train.schedule_epochs > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which has no length: remove train.schedule_epochs",
                says(config, "train.schedule_epochs").text, says(config, "train.schedule").text);
    }
    if (o->train.schedule == RK_SCHEDULE_PLATEAU && o->eval.every == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: without checks there is no metric to go by",
                says(config, "train.schedule").text, says(config, "eval.every").text);
    }
    if (o->train.schedule == RK_SCHEDULE_PLATEAU && o->eval.patience > 0 &&
        o->eval.patience <= o->train.plateau_patience) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: the training would stop before the rate is ever lowered; let "
                "train.plateau_patience be the smaller one",
                says(config, "train.plateau_patience").text, says(config, "eval.patience").text);
    }
    if (o->train.clip_norm > 0 && o->train.clip_value > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: take one of them", says(config, "train.clip_norm").text,
                says(config, "train.clip_value").text);
    }
    return RK_OK;
}

/* Which losses read an option; of the others it must be as the table has it, because a value that
 * does nothing is a mistake. */
static rk_status check_loss_options(const rk_config *config)
{
    static const struct {
        const char *key;
        unsigned kinds; /* bits by RK_LOSS_* */
    } uses[] = {
        {"loss.logits", ~(1u << RK_LOSS_ALIGN_UNIFORM)},
        {"loss.temperature", 1u << RK_LOSS_SOFTMAX},
        {"loss.power", 1u << RK_LOSS_SOFTMAX},
        {"loss.exclude_positive", 1u << RK_LOSS_SOFTMAX},
        {"loss.popularity_correction", 1u << RK_LOSS_SOFTMAX},
        {"loss.margin", 1u << RK_LOSS_HINGE | 1u << RK_LOSS_CCL},
        {"loss.negative_weight", 1u << RK_LOSS_CCL | 1u << RK_LOSS_BCE},
        {"loss.bce_w1", 1u << RK_LOSS_BCE},
        {"loss.bce_w2", 1u << RK_LOSS_BCE},
        {"loss.bce_w3", 1u << RK_LOSS_BCE},
        {"loss.bce_w4", 1u << RK_LOSS_BCE},
        {"loss.uniformity", 1u << RK_LOSS_ALIGN_UNIFORM},
    };
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        const char *value = "", *name = strchr(uses[i].key, '.') + 1;
        RK_TRY(rk_config_get(config, uses[i].key, &value));
        const rk_option *row = rk__option_find("loss", name, strlen(name));
        bool is_used = uses[i].kinds >> config->options.loss.kind & 1;
        if (!is_used && strcmp(value, row->default_text) != 0) {
            RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which does not look at it: remove it",
                    says(config, uses[i].key).text, says(config, "loss.kind").text);
        }
    }
    return RK_OK;
}

/* What a loss and the way of drawing negatives ask of each other. */
static rk_status check_negatives(const rk_config *config)
{
    const rk_options *o = &config->options;
    int kind = o->loss.kind, negatives = o->sampling.negatives;
    bool in_batch = negatives == RK_NEGATIVES_IN_BATCH, dynamic = negatives == RK_NEGATIVES_DYNAMIC;
    said loss = says(config, "loss.kind"), how = says(config, "sampling.negatives");
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
                says(config, "train.batch").text);
    }
    if (dynamic && (kind != RK_LOSS_BPR || o->loss.logits == RK_LOGITS_COSINE)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s and %s: dynamic negatives are for bpr on inner products",
                how.text, loss.text, says(config, "loss.logits").text);
    }
    if ((in_batch || dynamic) && o->sampling.per_positive > 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which does not draw so many: remove it",
                says(config, "sampling.per_positive").text, how.text);
    }
    if (!in_batch && o->loss.popularity_correction > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s corrects negatives of the batch, but %s: remove it",
                says(config, "loss.popularity_correction").text, how.text);
    }
    if (o->train.batch > INT32_MAX / (2 + o->sampling.per_positive)) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: a step may draw 2^31 users and items at most",
                says(config, "train.batch").text, says(config, "sampling.per_positive").text);
    }
    return RK_OK;
}

static rk_status check_propagation(const rk_config *config)
{
    const rk_options *o = &config->options;
    if (o->train.propagation == RK_TABLES_FP16 && o->cuda.propagation == RK_PROPAGATION_CUSPARSE) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which multiplies fp32 tables: take split_rows",
                says(config, "train.propagation").text, says(config, "cuda.propagation").text);
    }
    return RK_OK;
}

/* Options of loss.contrast that are set and not looked at. */
static rk_status check_unused_contrast(const rk_config *config)
{
    enum { SIMGCL = 1 << RK_CONTRAST_SIMGCL, XSIMGCL = 1 << RK_CONTRAST_XSIMGCL };
    enum { SGL = 1 << RK_CONTRAST_SGL };
    static const struct {
        const char *key;
        int kinds;
        const char *words; /* kinds */
    } rows[] = {
        {"loss.contrast_weight", SIMGCL | XSIMGCL | SGL, "simgcl, xsimgcl or sgl"},
        {"loss.contrast_temperature", SIMGCL | XSIMGCL | SGL, "simgcl, xsimgcl or sgl"},
        {"loss.contrast_noise", SIMGCL | XSIMGCL, "simgcl or xsimgcl"},
        {"loss.contrast_layer", XSIMGCL, "xsimgcl"},
        {"loss.contrast_dropout", SGL, "sgl"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *value = "", *name = rows[i].key + strlen("loss.");
        RK_TRY(rk_config_get(config, rows[i].key, &value));
        bool is_set = strcmp(value, rk__option_find("loss", name, strlen(name))->default_text) != 0;
        if (is_set && !(rows[i].kinds >> config->options.loss.contrast & 1)) {
            RK_FAIL(RK_ERR_CONFIG, "%s, but %s: remove it, or take loss.contrast %s",
                    says(config, rows[i].key).text, says(config, "loss.contrast").text,
                    rows[i].words);
        }
    }
    return RK_OK;
}

static rk_status check_contrast(const rk_config *config)
{
    const rk_options *o = &config->options;
    RK_TRY(check_unused_contrast(config));
    if (o->loss.contrast == RK_CONTRAST_NONE) {
        return RK_OK;
    }
    if (o->model.kind != RK_MODEL_LIGHTGCN || o->model.layers == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s and %s: views are made of the layers of lightgcn",
                says(config, "loss.contrast").text, says(config, "model.kind").text,
                says(config, "model.layers").text);
    }
    if (o->model.layer_weights >= RK_WEIGHTS_LEARNED) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: views need fixed weights of layers",
                says(config, "loss.contrast").text, says(config, "model.layer_weights").text);
    }
    if (o->graph.form == RK_FORM_GRAM) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which has no single layers: take direct or auto",
                says(config, "loss.contrast").text, says(config, "graph.form").text);
    }
    if (o->loss.contrast == RK_CONTRAST_XSIMGCL && o->loss.contrast_layer > o->model.layers) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: there is no such layer",
                says(config, "loss.contrast_layer").text, says(config, "model.layers").text);
    }
    if (o->train.batch < 2) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: a batch of one has nothing to be held against",
                says(config, "loss.contrast").text, says(config, "train.batch").text);
    }
    return RK_OK;
}

static rk_status check_neighbours(const rk_config *config)
{
    const rk_options *o = &config->options;
    const char *value = "";
    RK_TRY(rk_config_get(config, "loss.neighbours_weight", &value));
    const rk_option *row = rk__option_find("loss", "neighbours_weight", 17);
    if (o->loss.neighbours == 0 && strcmp(value, row->default_text) != 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: remove it, or take loss.neighbours=10",
                says(config, "loss.neighbours_weight").text, says(config, "loss.neighbours").text);
    }
    if (o->loss.neighbours > 0 && o->loss.contrast != RK_CONTRAST_NONE) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: one second term at a time; remove one of them",
                says(config, "loss.neighbours").text, says(config, "loss.contrast").text);
    }
    if (o->train.batch > INT32_MAX / (1 + o->loss.neighbours)) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s: a step may look at 2^31 neighbours at most",
                says(config, "train.batch").text, says(config, "loss.neighbours").text);
    }
    return RK_OK;
}

/* eval.metric must be among eval.metrics x eval.k. */
static rk_status check_watched_metric(const rk_config *config)
{
    const rk_options *o = &config->options;
    const char *at = strchr(o->eval.metric, '@');
    int64_t k = 0;
    if (!at || rk__parse_int(at + 1, strlen(at + 1), &k) != RK_PARSE_OK) {
        RK_FAIL(RK_ERR_CONFIG, "%s: write METRIC@K, e.g. ndcg@%lld",
                says(config, "eval.metric").text, (long long)o->eval.k.v[0]);
    }
    size_t length = (size_t)(at - o->eval.metric);
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
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: add %.*s there, or watch %s@%lld",
                says(config, "eval.metric").text, says(config, "eval.metrics").text,
                (int)(length < 60 ? length : 60), o->eval.metric,
                rk__option_choice("eval.metrics", (int)o->eval.metrics.v[0]),
                (long long)(has_k ? k : o->eval.k.v[0]));
    }
    if (!has_k) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: set eval.metric=%.*s@%lld or add %lld to eval.k",
                says(config, "eval.metric").text, says(config, "eval.k").text, (int)length,
                o->eval.metric, (long long)o->eval.k.v[0], (long long)k);
    }
    return RK_OK;
}

static rk_status check_eval(const rk_config *config)
{
    RK_TRY(check_watched_metric(config));
    if (config->options.eval.patience > 0 && config->options.eval.every == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: without checks nothing stops the training early",
                says(config, "eval.patience").text, says(config, "eval.every").text);
    }
    return RK_OK;
}

rk_status rk_config_check(const rk_config *config)
{
    RK_TRY(check_sources(config));
    RK_TRY(check_split(config));
    RK_TRY(check_model(config));
    RK_TRY(check_propagation(config));
    RK_TRY(check_schedule(config));
    RK_TRY(check_loss_options(config));
    RK_TRY(check_negatives(config));
    RK_TRY(check_graph(config));
    RK_TRY(check_contrast(config));
    RK_TRY(check_neighbours(config));
    return check_eval(config);
}
