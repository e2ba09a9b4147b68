/* config: cross-checks, the presets in configs/, docs/options.md. */
#include <dirent.h>

#include "config/internal.h"
#include "support/support.h"

/* Valid; every case below adds one fault. */
static const char given[] =
    "data: {sources: [{file: a.txt, part: train}, {file: b.txt, part: test}]}";
static const char csv[] = "data: {sources: [{file: a.csv}]}\nsplit: {kind: leave_one_out}";

static const struct {
    const char *yaml;
    const char *assignments[4];
    const char *message; /* NULL: fine */
} cases[] = {
    {given, {NULL}, NULL},
    {csv, {NULL}, NULL},
    {"", {NULL}, "the config exp names no data: list at least one file under data.sources"},
    {given, {"data.sources[2].part=valid"}, "data.sources[2] (--set) has no file"},

    {csv,
     {"split.order=time"},
     "split.order is time (--set), but data.sources[0] (exp.yaml:1) has no "
     "times: name the column in its key 'time'"},
    {csv, {"split.order=time", "data.sources[0].time=timestamp"}, NULL},
    {csv,
     {"data.sources[0].item=user_id"},
     "data.sources[0] (exp.yaml:1) has 'user_id' for both user and item"},
    {csv, {"split.order=time", "data.sources[0].format=movielens"}, NULL},
    {csv, {"split.order=time", "data.sources[0].format=inter"}, NULL},
    {csv, {"split.order=time", "split.kind=ratio"}, "split.order is time (--set), but"},
    {csv,
     {"split.kind=time"},
     "split.kind is time (--set), but data.sources[0] (exp.yaml:1) has no "},
    {csv,
     {"split.kind=time", "data.sources[0].format=adjacency"},
     "adjacency files carry none; take split.order=random"},
    {csv,
     {"split.kind=time", "data.sources[0].time=ts", "data.sources[1].file=b.csv"},
     "data.sources[1] (--set) has no times"},
    {given, {"split.order=time"}, NULL}, /* given: the order is not used */

    {given,
     {"data.sources[0].part=valid"},
     "split.kind is given (the default), but no source has part "
     "train"},
    {given, {"data.sources[1].part=all"}, "so data.sources[1] (exp.yaml:1) must say its part"},
    {csv, {"split.kind=given"}, "to have one set divided, take split.kind leave_one_out"},
    {csv,
     {"data.sources[0].part=test"},
     "data.sources[0] (exp.yaml:1) says part test, but split.kind is leave_one_out (exp.yaml:2)"},
    {given,
     {"data.sources[0].format=adjacency", "data.sources[0].where=rating > 3"},
     "has 'where', but adjacency files have no columns"},
    {given,
     {"data.sources[0].format=adjacency", "data.sources[0].time=ts"},
     "has 'time', but adjacency files have no columns"},

    {csv,
     {"split.kind=ratio", "split.valid=0.5", "split.test=0.5"},
     "split.valid is 0.5 (--set) and split.test is 0.5 (--set): nothing is left to train on"},
    {csv, {"split.kind=ratio", "split.valid=0.4", "split.test=0.5"}, NULL},
    {given, {"train.propagation=fp16"}, NULL},
    {given,
     {"train.propagation=fp16", "cuda.propagation=cusparse"},
     "train.propagation is fp16 (--set), but cuda.propagation is cusparse (--set), which "},
    {csv, {"split.valid=0.5", "split.test=0.5"}, NULL}, /* leave_one_out: shares are not used */
    {csv,
     {"split.kind=time", "data.sources[0].time=ts", "split.valid_from=20", "split.test_from=10"},
     "split.valid_from is \"20\" (--set), after split.test_from is \"10\" (--set)"},

    {given, {"split.carve_valid=0.1"}, NULL},
    {given,
     {"split.carve_valid=0.1", "data.sources[1].part=valid"},
     "split.carve_valid is 0.1 (--set), but data.sources[1] (exp.yaml:1) is a valid part already"},
    {csv,
     {"split.carve_valid=0.1"},
     "but split.kind is leave_one_out (exp.yaml:2), so nothing looks at it: remove it, or take "
     "split.kind given"},
    {given, {"loss.kind=softmax", "sampling.negatives=in_batch"}, NULL},
    {given, {"loss.kind=softmax"}, NULL},
    {given,
     {"loss.kind=softmax", "sampling.negatives=in_batch", "train.batch=1"},
     "sampling.negatives is in_batch (--set), but train.batch is 1 (--set): a batch of one has no "
     "negatives"},
    {given,
     {"sampling.negatives=in_batch"},
     "sampling.negatives is in_batch (--set), but loss.kind is bpr (the default), which needs"},
    {given,
     {"sampling.negatives=in_batch", "loss.kind=ccl"},
     "but loss.kind is ccl (--set), which"},
    {given,
     {"loss.kind=align_uniform"},
     "loss.kind is align_uniform (--set), which takes no drawn negatives, but sampling.negatives "
     "is "
     "uniform (the default): set sampling.negatives=in_batch"},
    {given,
     {"loss.temperature=0.2"},
     "loss.temperature is 0.2 (--set), but loss.kind is bpr (the default), so nothing looks at it: "
     "remove it, or take loss.kind softmax"},
    {given, {"loss.exclude_positive=false"}, "loss.exclude_positive is false (--set), but"},
    {given, {"loss.kind=hinge", "loss.margin=1"}, NULL},
    {given, {"loss.kind=bce", "loss.margin=1"}, "loss.margin is 1 (--set), but loss.kind is bce"},
    {given, {"loss.kind=bce", "loss.bce_w2=1", "sampling.per_positive=5"}, NULL},
    {given,
     {"loss.kind=align_uniform", "sampling.negatives=in_batch", "loss.logits=dot"},
     "loss.logits is dot (--set), but loss.kind is align_uniform"},
    {given,
     {"sampling.negatives=dynamic", "loss.kind=hinge"},
     "dynamic negatives are for bpr on inner products"},
    {given,
     {"sampling.negatives=dynamic", "loss.logits=cosine"},
     "dynamic negatives are for bpr on inner products"},
    {given,
     {"sampling.negatives=dynamic", "sampling.per_positive=2"},
     "sampling.per_positive is 2 (--set), but sampling.negatives is dynamic (--set), so nothing "
     "looks at it: remove it, or take sampling.negatives uniform, popular_pool or popularity"},
    {given,
     {"loss.kind=softmax", "loss.popularity_correction=1"},
     "loss.popularity_correction is 1 (--set), but sampling.negatives is uniform (the default), so "
     "nothing looks at it: remove it, or take sampling.negatives in_batch"},
    {given,
     {"loss.popularity_correction=1", "sampling.negatives=in_batch"},
     "loss.popularity_correction is 1 (--set), but loss.kind is bpr (the default), so nothing "
     "looks"},
    {given,
     {"train.batch=1000000", "sampling.per_positive=5000"},
     "a step may draw 2^31 users and items at most"},
    {given, {"loss.temperature=0.1"}, NULL}, /* as without it */
    {given, {"loss.neighbours=10", "loss.neighbours_weight=2"}, NULL},
    {given, {"loss.neighbours=1", "loss.kind=softmax", "graph.form=gram"}, NULL},
    {given, {"loss.neighbours_weight=5e-4"}, NULL}, /* as without it */
    {given,
     {"loss.neighbours_weight=2"},
     "loss.neighbours_weight is 2 (--set), but loss.neighbours is 0 (the default), so nothing "
     "looks "
     "at it: remove it, or take loss.neighbours above 0"},
    {given, {"sampling.pool_size=9", "sampling.negatives=popular_pool"}, NULL},
    {given,
     {"sampling.pool_size=9", "sampling.negatives=popularity"},
     "sampling.pool_size is 9 (--set), but sampling.negatives is popularity (--set), so nothing "
     "looks at it: remove it, or take sampling.negatives popular_pool"},
    {given, {"model.alpha=1", "model.kind=lightgcn++"}, NULL},
    {"data: {sources: [{file: a.txt, part: train}]}\nmodel:\n  alpha: 1\n",
     {NULL},
     "model.alpha is 1 (exp.yaml:3), but model.kind is lightgcn (the default), so nothing looks at "
     "it: remove it, or take model.kind lightgcn++"},
    {given, {"train.beta1=0.8", "train.optimizer=sgd"}, "or take train.optimizer adam"},
    {given, {"loss.neighbours=10", "loss.contrast=simgcl"}, NULL},
    {given,
     {"loss.neighbours=200", "train.batch=16000000"},
     "train.batch is 16000000 (--set) and loss.neighbours is 200 (--set): a step may look at 2^31"},

    {given, {"model.kind=mf", "model.layers=3"}, NULL},
    {given,
     {"model.layer_weights=mean_without_ego", "model.layers=0"},
     "model.layer_weights is mean_without_ego (--set), but model.layers is 0 (--set)"},
    {given,
     {"model.layer_weights=mean_without_ego", "model.kind=mf"},
     "but model.kind is mf (--set)"},
    {given, {"model.layer_weights=last", "model.layers=0"}, NULL},
    {given,
     {"graph.form=gram", "model.kind=mf"},
     "graph.form is gram (--set), but model.kind is mf (--set), which has no such form: take auto"},
    {given,
     {"graph.form=gram", "cuda.propagation=cusparse"},
     "but cuda.propagation is cusparse (--set), which multiplies by the whole graph only"},
    {given,
     {"graph.form=gram", "model.layer_weights=learned"},
     "but model.layer_weights is learned (--set): that form needs fixed weights; take graph.form "
     "direct"},
    {given,
     {"graph.form=gram", "train.propagation=fp16"},
     "but train.propagation is fp16 (--set), which is for the tables between layers of the direct"},
    {given, {"graph.form=auto", "cuda.propagation=cusparse"}, NULL},
    {given, {"graph.order=cluster", "train.propagation=fp16"}, NULL},
    {given, {"graph.order=cluster", "model.kind=gcn"}, NULL},
    {given,
     {"graph.order=cluster", "graph.form=gram"},
     "graph.order is cluster (--set), but graph.form is gram (--set), whose products with a matrix "
     "have "
     "no rows to order: take graph.form direct, or graph.order file"},
    {given,
     {"graph.order=cluster", "cuda.propagation=cusparse"},
     "but cuda.propagation is cusparse (--set), which goes through the rows as it likes"},
    {given,
     {"graph.order=cluster", "model.kind=ease"},
     "graph.order is cluster (--set), but model.kind is ease (--set), so nothing looks at it"},

    {given,
     {"eval.k=20"},
     "eval.metric is ndcg@10 (the default), but eval.k is [20] (--set): set eval.metric=ndcg@20 or "
     "add "
     "10 to eval.k"},
    {given, {"eval.k=20", "eval.metric=ndcg@20"}, NULL},
    {given,
     {"eval.metrics=recall"},
     "eval.metric is ndcg@10 (the default), but eval.metrics is [recall] (--set): add ndcg there, "
     "or "
     "watch recall@10"},
    {given, {"eval.metric=ndcg"}, "write METRIC@K, e.g. ndcg@10"},
    {given, {"eval.metric=ndcg@ten"}, "write METRIC@K, e.g. ndcg@10"},
    {given, {"eval.metric=@10"}, "there is no metric ''; eval.metrics is a list of any of recall"},
    {given, {"eval.metric=NDCG@20"}, "there is no metric 'NDCG'; did you mean ndcg@20?"},
    {given, {"eval.metric=recal@5"}, "there is no metric 'recal'; did you mean recall@10?"},
    {given,
     {"eval.metrics=recall", "eval.metric=Precison@10"},
     "there is no metric 'Precison'; did you mean precision@10?"},
    {given, {"eval.metric=speed@10"}, "there is no metric 'speed'; eval.metrics is a list"},
    {given, {"eval.metric=auc@10"}, "auc has no cut-off: write auc@all"},
    {given, {"eval.metric=auc@all"}, "write METRIC@K"}, /* it is not among eval.metrics */
    {given, {"eval.metrics=[auc,ndcg]", "eval.metric=auc@all"}, NULL},
    {given, {"eval.patience=5", "eval.every=0"}, "eval.patience is 5 (--set), but eval.every is 0"},
    {given, {"eval.every=0"}, NULL},
    {given, {"eval.select=best", "eval.split=valid"}, NULL}, /* whether valid exists: at run time */
};

static void cross_checks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk_config *config = NULL;
        assert_ok(
            rk__config_parse(&config, "exp.yaml", cases[i].yaml, (int64_t)strlen(cases[i].yaml)));
        for (int j = 0; j < 4 && cases[i].assignments[j]; j++) {
            assert_ok(rk_config_set(config, cases[i].assignments[j], "--set"));
        }
        if (cases[i].message) {
            assert_fails(RK_ERR_CONFIG, cases[i].message, rk_config_check(config));
        } else {
            assert_ok(rk_config_check(config));
        }
        rk_config_free(config);
    }
}

/* A value of an option that is not its default. */
static const char *another_value(const rk_option *row)
{
    switch (row->type) {
    case RK_TYPE_BOOL:
        return strcmp(row->default_text, "true") == 0 ? "false" : "true";
    case RK_TYPE_CHOICE:
        return strcmp(row->default_text, row->minimum) == 0 ? rk__choice_next(row->minimum)
                                                            : row->minimum;
    case RK_TYPE_REALS:
        return "[2, 3]";
    case RK_TYPE_PATHS:
        return "[one, two]";
    case RK_TYPE_STRING:
        return "another";
    default:
        return strcmp(row->default_text, row->maximum) == 0 ? row->minimum : row->maximum;
    }
}

/* What fails a condition: another choice, or 0. */
static const char *miss(const rk_condition *condition)
{
    const char *value = condition->words ? condition->row->minimum : "0";
    while (condition->words && rk__condition_holds(condition, value)) {
        value = rk__choice_next(value);
        assert_non_null(value);
    }
    assert_false(rk__condition_holds(condition, value));
    return value;
}

/* All of the words of a condition are choices of its option. */
static void assert_choices(const rk_condition *condition)
{
    int64_t covered = 0, words = 1;
    if (!condition->words) {
        assert_true(condition->row->type == RK_TYPE_INT || condition->row->type == RK_TYPE_REAL);
        return;
    }
    assert_int_equal(condition->row->type, RK_TYPE_CHOICE);
    for (size_t i = 0; i < condition->length; i++) {
        words += condition->words[i] == '|';
    }
    for (const char *c = condition->row->minimum; c; c = rk__choice_next(c)) {
        covered += rk__condition_holds(condition, c);
    }
    assert_int_equal(covered, words);
}

/* Every option with conditions, set where each of them in turn does not hold, is refused by name,
 * and the message says what would help. */
static void what_nobody_reads_is_refused(void **state)
{
    (void)state;
    int64_t n = 0;
    int found = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; i < n; i++) {
        const char *rest = rows[i].only_with, *next = rest;
        for (rk_condition condition; rk__condition_next(&next, &condition); rest = next, found++) {
            rk_config *config = NULL;
            char assignment[128], message[128];
            assert_choices(&condition);
            const char *missed = miss(&condition);
            bool is_given = strcmp(missed, "given") == 0;
            const char *yaml = strcmp(rows[i].section, "split") == 0 && !is_given ? csv : given;
            assert_ok(rk__config_parse(&config, "exp.yaml", yaml, (int64_t)strlen(yaml)));
            for (const char *before = rows[i].only_with; before < rest;) { /* these hold */
                rk_condition other;
                assert_true(rk__condition_next(&before, &other));
                snprintf(assignment, sizeof assignment, "%s.%s=%.*s", other.row->section,
                         other.row->key, (int)strcspn(other.words, "|,"), other.words);
                assert_ok(rk_config_set(config, assignment, "--set"));
            }
            snprintf(assignment, sizeof assignment, "%s.%s=%s", condition.row->section,
                     condition.row->key, missed);
            assert_ok(rk_config_set(config, assignment, "--set"));
            snprintf(assignment, sizeof assignment, "%s.%s=%s", rows[i].section, rows[i].key,
                     another_value(&rows[i]));
            assert_ok(rk_config_set(config, assignment, "--set"));
            snprintf(message, sizeof message, "%s.%s is ", rows[i].section, rows[i].key);
            assert_fails(RK_ERR_CONFIG, message, rk_config_check(config));
            snprintf(message, sizeof message, "so nothing looks at it: remove it, or take %s.%s ",
                     condition.row->section, condition.row->key);
            assert_non_null(strstr(rk_last_error(), message));
            rk_config_free(config);
        }
    }
    assert_true(found > 30);
}

/* What only gradients need is refused of every other model, whatever else its option asks for. */
static void options_of_gradients_are_for_gradients(void **state)
{
    (void)state;
    static const char *const kinds[] = {"popularity", "item_knn", "user_knn", "slim",     "rp3beta",
                                        "turbo_cf",   "ease",     "gf_cf",    "pure_svd", "ials"};
    static const char *const sections[] = {"loss", "sampling", "train"};
    int64_t n = 0;
    int found = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; i < n; i++) {
        bool is_one = strcmp(rows[i].section, "graph") == 0;
        for (size_t k = 0; k < sizeof sections / sizeof sections[0]; k++) {
            is_one = is_one || strcmp(rows[i].section, sections[k]) == 0;
        }
        bool in_epochs =
            strcmp(rows[i].section, "train") == 0 &&
            (strcmp(rows[i].key, "epochs") == 0 || strcmp(rows[i].key, "checkpoint_every") == 0);
        is_one = is_one && strcmp(rows[i].key, "refit") != 0; /* of every model */
        for (size_t k = 0; is_one && k < sizeof kinds / sizeof kinds[0]; k++, found++) {
            rk_config *config = NULL;
            char assignment[128], message[256];
            assert_ok(rk__config_parse(&config, "exp.yaml", given, (int64_t)strlen(given)));
            snprintf(assignment, sizeof assignment, "model.kind=%s", kinds[k]);
            assert_ok(rk_config_set(config, assignment, "--set"));
            assert_ok(rk_config_check(config));
            snprintf(assignment, sizeof assignment, "%s.%s=%s", rows[i].section, rows[i].key,
                     another_value(&rows[i]));
            assert_ok(rk_config_set(config, assignment, "--set"));
            snprintf(message, sizeof message,
                     "(--set), but model.kind is %s (--set), so nothing looks at it: remove it, or "
                     "take model.kind ",
                     kinds[k]);
            if (in_epochs && strcmp(kinds[k], "ials") == 0) {
                assert_ok(rk_config_check(config));
            } else {
                assert_fails(RK_ERR_CONFIG, message, rk_config_check(config));
            }
            rk_config_free(config);
        }
    }
    assert_true(found > 4 * 40);
}

/* A preset names nothing that is the default anyway. */
static void assert_no_defaults(const rk_config *config, const rk_config *defaults, const char *name)
{
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    const rk_option_list *sources = rk__list_of("source");
    for (int64_t s = -1; s < rk__config_options(config)->n_sources; s++) {
        for (int64_t i = 0; i < (s < 0 ? n : sources->n_rows); i++) {
            const rk_option *row = s < 0 ? &rows[i] : &sources->rows[i];
            rk_target target = {.row = row, .list = s < 0 ? NULL : sources, .at = {s}};
            const rk_field *field = rk__config_field(config, target);
            target.at[0] = 0;
            const rk_field *plain = rk__config_field(defaults, target);
            if (strcmp(field->origin, "default") != 0 && strcmp(field->text, plain->text) == 0) {
                fail_msg("%s: %s is the default of %s.%s (%s)", name, field->text, row->section,
                         row->key, field->origin);
            }
        }
    }
}

/* A row of the table of results may say what is the default anyway. */
static void check_preset(const char *folder, const char *name, bool is_result)
{
    const char *path = test_path(folder, name);
    rk_config *config = NULL, *defaults = NULL;
    assert_ok(rk_config_load(&config, path));
    if (rk_config_check(config) != RK_OK) {
        fail_msg("%s: %s", name, rk_last_error());
    }
    if (!is_result) {
        assert_ok(rk__config_parse(&defaults, path, "data: {sources: [{}]}", 21));
        assert_no_defaults(config, defaults, name);
        char *text = test_read(path);
        assert_non_null(strstr(text, "https://")); /* names its source */
        free(text);
    }
    rk_config_free(config);
    rk_config_free(defaults);
}

static void presets_are_valid(void **state)
{
    (void)state;
    static const char *const folders[] = {"configs", "configs/results", "configs/losses",
                                          "configs/data"};
    int found = 0;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, "%s/%s", RANKINE_SOURCE, folders[i]);
        DIR *entries = opendir(folder);
        assert_non_null(entries);
        for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
            if (strstr(entry->d_name, ".yaml")) {
                check_preset(folder, entry->d_name, strstr(folder, "results") != NULL);
                found++;
            }
        }
        closedir(entries);
    }
    assert_true(found >= 13);
}

/* The recipes' numbers, as their sources have them. */
static void presets_hold_their_recipes(void **state)
{
    (void)state;
    static const struct {
        const char *preset, *key, *text;
    } facts[] = {
        {"lightgcn-paper", "model.layers", "3"},
        {"lightgcn-paper", "model.init", "normal"},
        {"lightgcn-paper", "model.init_sd", "0.1"},
        {"lightgcn-paper", "loss.l2", "1e-4"},
        {"lightgcn-paper", "loss.l2_form", "squared"},
        {"lightgcn-paper", "loss.l2_divisor", "actual"},
        {"lightgcn-paper", "sampling.positives", "user"},
        {"lightgcn-paper", "train.batch", "2048"},
        {"lightgcn-paper", "train.epochs", "1000"},
        {"lightgcn-paper", "eval.split", "test"},
        {"lightgcn-paper", "eval.every", "10"},
        {"lightgcn-paper", "eval.select", "last"},
        {"item-knn", "model.aggregate", "bars"},
        {"item-knn", "model.neighbours", "100"},
        {"ease", "model.l2", "80"},
        {"gf-cf", "model.dim", "256"},
        {"ials", "model.l2", "0.005"},
        {"ials", "model.unobserved_weight", "0.01"},
        {"ials", "train.epochs", "4"},
        {"ials-confidence", "model.weighting", "confidence"},
        {"ials-confidence", "model.confidence", "50"},
        {"ials-confidence", "model.l2", "20"},
        {"lightgcn-recbole", "model.layers", "2"},
        {"lightgcn-recbole", "model.init", "xavier"},
        {"lightgcn-recbole", "loss.l2", "1e-5"},
        {"lightgcn-recbole", "loss.l2_form", "norm"},
        {"lightgcn-recbole", "sampling.positives", "shuffle"},
        {"lightgcn-recbole", "split.kind", "ratio"},
        {"lightgcn-recbole", "split.valid", "0.1"},
        {"lightgcn-recbole", "split.test", "0.1"},
        {"lightgcn-recbole", "eval.metric", "mrr@10"},
        {"goodbooks-notebook", "model.dim", "64"},
        {"goodbooks-notebook", "model.layers", "3"},
        {"goodbooks-notebook", "train.learning_rate", "2e-3"},
        {"goodbooks-notebook", "train.weight_decay", "1e-6"},
        {"goodbooks-notebook", "train.batch", "4096"},
        {"goodbooks-notebook", "train.epochs", "20"},
        {"goodbooks-notebook", "train.steps_per_epoch", "300"},
        {"goodbooks-notebook", "sampling.negatives", "popular_pool"},
        {"goodbooks-notebook", "sampling.pool_size", "2000"},
        {"goodbooks-notebook", "sampling.pool_probability", "0.7"},
        {"goodbooks-notebook", "eval.users", "5000"},
        {"goodbooks-notebook", "eval.metric", "ndcg@10"},
        {"goodbooks-notebook", "eval.select", "best"},
        {"goodbooks-notebook", "loss.l2", "0"},
        {"ultragcn", "model.kind", "mf"},
        {"ultragcn", "model.init_sd", "1e-4"},
        {"ultragcn", "loss.kind", "bce"},
        {"ultragcn", "loss.bce_w1", "1e-8"},
        {"ultragcn", "loss.bce_w4", "1"},
        {"ultragcn", "loss.negative_weight", "300"},
        {"ultragcn", "loss.neighbours", "10"},
        {"ultragcn", "loss.neighbours_weight", "5e-4"},
        {"ultragcn", "loss.l2", "0"},
        {"ultragcn", "sampling.per_positive", "800"},
        {"ultragcn", "train.learning_rate", "0.001"},
        {"ultragcn", "train.batch", "1024"},
        {"ultragcn", "train.weight_decay", "9.765625e-8"}, /* 1e-4 / 1024 */
    };
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        char name[128];
        rk_config *config = NULL;
        const char *text = NULL;
        snprintf(name, sizeof name, "configs/%s.yaml", facts[i].preset);
        assert_ok(rk_config_load(&config, test_path(RANKINE_SOURCE, name)));
        assert_ok(rk_config_get(config, facts[i].key, &text));
        assert_string_equal(text, facts[i].text);
        rk_config_free(config);
    }
}

static void the_page_of_options_is_up_to_date(void **state)
{
    (void)state;
    char *page = test_read(test_path(RANKINE_SOURCE, "docs/options.md")), *text = NULL;
    assert_non_null(page);
    assert_ok(rk_config_reference(true, &text));
    if (strcmp(page, text) != 0) {
        fail_msg("docs/options.md is not what src/config/options.def says: "
                 "cmake --build BUILD --target docs");
    }
    rk_string_free(text);
    free(page);
}

/* The text for terminals has every option, and no line too long for one. */
static void the_reference_is_complete(void **state)
{
    (void)state;
    int64_t n = 0;
    char *text = NULL, name[128];
    assert_ok(rk_config_reference(false, &text));
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "    %s.%s: ", rows[i].section, rows[i].key);
        assert_non_null(strstr(text, name));
    }
    int64_t n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n_lists; i++) {
        for (int64_t r = 0; r < lists[i].n_rows; r++) {
            snprintf(name, sizeof name,
                     "    data.%s%s[N].%s: ", lists[i].parent[0] ? "features[N]." : "",
                     lists[i].key, lists[i].rows[r].key);
            assert_non_null(strstr(text, name));
        }
    }
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strcspn(line, "\n") > 100) {
            fail_msg("longer than 100 columns: %.*s", (int)strcspn(line, "\n"), line);
        }
    }
    rk_string_free(text);
}

/* A run may be older than a rule about what is read. */
static void what_a_run_has_is_not_refused(void **state)
{
    (void)state;
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    assert_ok(rk_config_set(config, "data.sources=[{file: a, part: train}]", "test"));
    assert_ok(rk_config_set(config, "sampling.pool_size=9", "test"));
    assert_fails(RK_ERR_CONFIG, "nothing looks at it", rk_config_check(config));
    assert_ok(rk__config_check(config, RK_CHECK_SOURCES));
    assert_ok(rk_config_set(config, "sampling.negatives=in_batch", "test"));
    assert_fails(RK_ERR_CONFIG, "sampling.negatives", rk__config_check(config, RK_CHECK_SOURCES));
    rk_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_checks),
        cmocka_unit_test(what_nobody_reads_is_refused),
        cmocka_unit_test(options_of_gradients_are_for_gradients),
        cmocka_unit_test(presets_are_valid),
        cmocka_unit_test(presets_hold_their_recipes),
        cmocka_unit_test(the_page_of_options_is_up_to_date),
        cmocka_unit_test(the_reference_is_complete),
        cmocka_unit_test(what_a_run_has_is_not_refused),
    };
    return cmocka_run_group_tests_name("config checks", tests, NULL, NULL);
}
