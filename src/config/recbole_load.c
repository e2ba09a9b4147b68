/*
 * A config of RecBole 1.2.1 as one of ours: keys that are left out have RecBole's defaults. What
 * has no counterpart and changes results is refused with its line; what changes none is said or
 * passed over.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "config/recbole_bridge.h"

/* Read by the bridge, beside the table of recbole.h; of one model only: its model.kind. */
static const struct {
    const char *name, *kind;
} taken[] = {
    {"model", NULL},
    {"dataset", NULL},
    {"data_path", NULL},
    {"field_separator", NULL},
    {"USER_ID_FIELD", NULL},
    {"ITEM_ID_FIELD", NULL},
    {"TIME_FIELD", NULL},
    {"load_col", NULL},
    {"benchmark_filename", NULL},
    {"rm_dup_inter", NULL},
    {"val_interval", NULL},
    {"user_inter_num_interval", NULL},
    {"item_inter_num_interval", NULL},
    {"eval_args", NULL},
    {"metrics", NULL},
    {"topk", NULL},
    {"valid_metric", NULL},
    {"eval_step", NULL},
    {"clip_grad_norm", NULL},
    {"train_neg_sample_args", NULL},
    {"use_gpu", NULL},
    {"seed", NULL},
    {"require_pow", "lightgcn"},
    {"knn_method", "item_knn"},
    {"shrink", "item_knn"},
    {"mf_train", "neumf"},
    {"mlp_train", "neumf"},
    {"use_pretrain", "neumf"},
    {"mf_pretrain_path", "neumf"},
    {"mlp_pretrain_path", "neumf"},
    {"alpha", "slim"},
    {"l1_ratio", "slim"},
    {"positive_only", "slim"},
    {"hide_item", "slim"},
};

/* What changes no result. */
static const char *const without_effect[] = {
    "gpu_id",           "worker",        "state",         "reproducibility",       "nproc",
    "checkpoint_dir",   "show_progress", "save_dataset",  "dataset_save_path",     "encoding",
    "save_dataloaders", "log_wandb",     "wandb_project", "dataloaders_save_path", "NEG_PREFIX",
    "eval_batch_size",  "enable_amp",    "enable_scaler", "loss_decimal_place",    "LABEL_FIELD",
    "RATING_FIELD",     "seq_separator", "saved",         "metric_decimal_place",  "local_rank",
};

/* What must have this value (NULL: none), since any other has no counterpart. */
static const char *const only[][2] = {
    {"repeatable", "False"},
    {"valid_metric_bigger", "True"},
    {"shuffle", "True"},
    {"transform", NULL},
    {"threshold", NULL},
    {"unload_col", NULL},
    {"filter_inter_by_user_or_item", "True"},
    {"alias_of_user_id", NULL},
    {"alias_of_item_id", NULL},
    {"additional_feat_suffix", NULL},
};

/* Whether some model has the key; *out_reads: this one has. */
static bool is_known(const rk_bridge *b, const char *name, bool *out_reads)
{
    bool known = rk__recbole_knows(name, strlen(name));
    *out_reads = rk__recbole_find(name, strlen(name), b->kind) != NULL;
    for (size_t i = 0; i < RK_COUNT_OF(taken); i++) {
        if (strcmp(taken[i].name, name) == 0) {
            known = true;
            *out_reads |= !taken[i].kind || strcmp(taken[i].kind, b->kind) == 0;
        }
    }
    for (size_t i = 0; i < RK_COUNT_OF(without_effect); i++) {
        *out_reads |= strcmp(without_effect[i], name) == 0;
    }
    for (size_t i = 0; i < RK_COUNT_OF(only); i++) {
        *out_reads |= strcmp(only[i][0], name) == 0;
    }
    return known || *out_reads;
}

/* The value of a key of a map, NULL: not there or nothing; the place is that of the key. */
const yaml_node_t *rk__bridge_find(rk_bridge *b, const yaml_node_t *map, const char *name)
{
    snprintf(b->place, sizeof b->place, "%s: RecBole's default", b->path);
    if (!map || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(&b->yaml, pair->key);
        if (key->type == YAML_SCALAR_NODE &&
            strcmp((const char *)key->data.scalar.value, name) == 0) {
            const yaml_node_t *value = rk__yaml_node(&b->yaml, pair->value);
            snprintf(b->place, sizeof b->place, "%s:%lld", b->path, (long long)rk__yaml_line(key));
            return rk__yaml_is_nothing(value) ? NULL : value;
        }
    }
    return NULL;
}

/* Whether the key that was looked up last is there, perhaps with nothing behind it. */
bool rk__bridge_is_given(const rk_bridge *b)
{
    const size_t length = strlen(b->path);
    return b->place[length] == ':' && b->place[length + 1] != ' ';
}

/* The same of a scalar. */
rk_status rk__bridge_text(rk_bridge *b, const yaml_node_t *map, const char *name,
                          const char *otherwise, const char **out)
{
    const yaml_node_t *value = rk__bridge_find(b, map, name);
    *out = otherwise;
    if (value && value->type != YAML_SCALAR_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s is a %s; one value is wanted", b->place, name,
                value->type == YAML_MAPPING_NODE ? "map" : "list");
    }
    if (value && value->data.scalar.length == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s is empty: write a value, or remove the key", b->place, name);
    }
    *out = value ? (const char *)value->data.scalar.value : otherwise;
    return RK_OK;
}

bool rk__bridge_is(const char *text, const char *word)
{
    size_t i = 0;
    for (; word[i] != '\0'; i++) {
        if ((text[i] | 0x20) != (word[i] | 0x20)) {
            return false;
        }
    }
    return text[i] == '\0';
}

rk_status rk__bridge_flag(rk_bridge *b, const yaml_node_t *map, const char *name, bool otherwise,
                          bool *out)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}};
    const char *text;
    *out = otherwise;
    RK_TRY(rk__bridge_text(b, map, name, otherwise ? "true" : "false", &text));
    for (size_t i = 0; i < 2 * RK_COUNT_OF(words); i++) {
        if (rk__bridge_is(text, words[i / 2][i % 2])) {
            *out = i % 2 == 1;
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_CONFIG, "%s: %s is '%s'; True or False is wanted", b->place, name, text);
}

void rk__bridge_note(rk_bridge *b, const char *place, const char *name, const char *text)
{
    rk__buffer_add(&b->notes, "%s: %s: %s\n", place, name, text);
}

void rk__bridge_check_names(rk_bridge *b, const yaml_node_t *map, const char *of,
                            const char *const *names, size_t n)
{
    const bool is_map = map && map->type == YAML_MAPPING_NODE;
    for (const yaml_node_pair_t *pair = is_map ? map->data.mapping.pairs.start : NULL;
         pair && pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(&b->yaml, pair->key);
        const char *name =
            key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "a list or map";
        bool known = false;
        for (size_t i = 0; i < n; i++) {
            known = known || strcmp(names[i], name) == 0;
        }
        if (!known) {
            rk__buffer_add(&b->notes, "%s:%lld: %s: passed over: no key of %s\n", b->path,
                           (long long)rk__yaml_line(key), name, of);
        }
    }
}

/* option=value, said by the place that was looked up last. */
rk_status rk__bridge_set(rk_bridge *b, const char *option, const char *value)
{
    char *assignment = NULL;
    RK_TRY(rk__format(&assignment, "%s=%s", option, value));
    rk_status status = rk_config_set(b->config, assignment, b->place);
    rk__free(assignment);
    return status;
}

/* Text is put in YAML's quotes, so that it is taken as it is. */
rk_status rk__bridge_set_text(rk_bridge *b, const char *option, const char *value)
{
    rk_buffer quoted = {0};
    rk__buffer_add(&quoted, "'");
    for (const char *at = value; *at != '\0'; at++) {
        rk__buffer_add_bytes(&quoted, *at == '\'' ? "''" : at, *at == '\'' ? 2 : 1);
    }
    rk__buffer_add(&quoted, "'");
    rk_status status =
        quoted.status == RK_OK ? rk__bridge_set(b, option, quoted.at) : quoted.status;
    rk__buffer_free(&quoted);
    return status;
}

rk_status rk__bridge_set_real(rk_bridge *b, const char *option, double value)
{
    char text[32];
    rk__print_real(text, value);
    return rk__bridge_set(b, option, text);
}

/* A key that is there twice, here or in a map that is a value: PyYAML takes the last one. */
static rk_status check_twice(rk_bridge *b, const yaml_node_t *map, int levels)
{
    if (map->type != YAML_MAPPING_NODE || levels == 0) {
        return RK_OK;
    }
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(&b->yaml, pair->key);
        if (key->type != YAML_SCALAR_NODE) {
            RK_FAIL(RK_ERR_CONFIG, "%s:%lld: a key is a word", b->path,
                    (long long)rk__yaml_line(key));
        }
        if (strcmp((char *)key->data.scalar.value, "<<") == 0) {
            RK_FAIL(RK_ERR_CONFIG, "%s:%lld: maps are not merged here: write the keys themselves",
                    b->path, (long long)rk__yaml_line(key));
        }
        for (const yaml_node_pair_t *before = map->data.mapping.pairs.start; before < pair;
             before++) {
            const yaml_node_t *other = rk__yaml_node(&b->yaml, before->key);
            if (strcmp((char *)other->data.scalar.value, (char *)key->data.scalar.value) == 0) {
                RK_FAIL(RK_ERR_CONFIG, "%s:%lld: '%s' is there twice; the first is at %s:%lld",
                        b->path, (long long)rk__yaml_line(key), (char *)key->data.scalar.value,
                        b->path, (long long)rk__yaml_line(other));
            }
        }
        RK_TRY(check_twice(b, rk__yaml_node(&b->yaml, pair->value), levels - 1));
    }
    return RK_OK;
}

/* Whether nothing is a value of this key there. */
static bool may_be_nothing(const char *name)
{
    static const char *const names[] = {
        "val_interval",   "user_inter_num_interval", "item_inter_num_interval",
        "load_col",       "benchmark_filename",      "rm_dup_inter",
        "clip_grad_norm", "train_neg_sample_args"};
    bool may = false;
    for (size_t i = 0; i < RK_COUNT_OF(names); i++) {
        may = may || strcmp(names[i], name) == 0;
    }
    for (size_t i = 0; i < RK_COUNT_OF(without_effect); i++) {
        may = may || strcmp(without_effect[i], name) == 0;
    }
    for (size_t i = 0; i < RK_COUNT_OF(only); i++) {
        may = may || strcmp(only[i][0], name) == 0;
    }
    return may;
}

/* Each key is known, or is said. */
static rk_status check_keys(rk_bridge *b)
{
    RK_TRY(check_twice(b, b->root, 3));
    for (const yaml_node_pair_t *pair = b->root->data.mapping.pairs.start;
         pair < b->root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(&b->yaml, pair->key);
        char place[1024];
        snprintf(place, sizeof place, "%s:%lld", b->path, (long long)rk__yaml_line(key));
        const char *name = (const char *)key->data.scalar.value;
        bool reads = false;
        const bool known = is_known(b, name, &reads);
        if (known && !reads) {
            rk__bridge_note(b, place, name, "passed over: this model does not read it");
        } else if (known && rk__yaml_is_nothing(rk__yaml_node(&b->yaml, pair->value)) &&
                   !may_be_nothing(name)) {
            rk__bridge_note(b, place, name, "nothing stands there: RecBole's default is taken");
        } else if (!known) {
            rk_buffer hint = {0};
            rk__buffer_add(&hint, "passed over: no key of RecBole that is known here");
            rk__recbole_suggest(&hint, name, strlen(name));
            rk__bridge_note(b, place, name, hint.at ? hint.at : "passed over");
            rk__buffer_free(&hint);
        }
    }
    return RK_OK;
}

static rk_status check_only(rk_bridge *b)
{
    for (size_t i = 0; i < RK_COUNT_OF(only); i++) {
        const yaml_node_t *value = rk__bridge_find(b, b->root, only[i][0]);
        if (value && !(only[i][1] && value->type == YAML_SCALAR_NODE &&
                       rk__bridge_is((const char *)value->data.scalar.value, only[i][1]))) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: nothing here is like this %s, which changes results: remove it, or write "
                    "a config of rankine's own",
                    b->place, only[i][0]);
        }
    }
    return RK_OK;
}

/* RecBole's name of a metric is ours, perhaps with "@10" behind it; false: there is none. */
static bool metric_name(const char *theirs, char out[64])
{
    static const char *const known[][2] = {
        {"recall", "recall"},
        {"mrr", "mrr"},
        {"ndcg", "ndcg"},
        {"hit", "hit"},
        {"map", "map"},
        {"precision", "precision"},
        {"itemcoverage", "coverage"},
        {"averagepopularity", "avg_popularity"},
        {"giniindex", "gini"},
    };
    char word[40] = "";
    const size_t n = strcspn(theirs, "@");
    for (size_t i = 0; i < n && i + 1 < sizeof word; i++) {
        word[i] = (char)(theirs[i] >= 'A' && theirs[i] <= 'Z' ? theirs[i] + 32 : theirs[i]);
    }
    for (size_t i = 0; i < RK_COUNT_OF(known); i++) {
        if (strcmp(known[i][0], word) == 0) {
            snprintf(out, 64, "%s%s", known[i][1], theirs + n);
            return true;
        }
    }
    return false;
}

static rk_status take_metrics(rk_bridge *b)
{
    static const char *const standard[] = {"recall", "mrr", "ndcg", "hit", "precision"};
    char name[64], *text = NULL;
    const char *wanted;
    rk_buffer list = {0};
    rk_status status = RK_OK;
    const yaml_node_t *value = rk__bridge_find(b, b->root, "metrics");
    const bool is_list = value && value->type == YAML_SEQUENCE_NODE;
    const int64_t n = !value    ? 5
                      : is_list ? value->data.sequence.items.top - value->data.sequence.items.start
                                : 1;
    for (int64_t i = 0; i < n; i++) {
        const yaml_node_t *one =
            is_list ? rk__yaml_node(&b->yaml, value->data.sequence.items.start[i]) : value;
        if (one && one->type != YAML_SCALAR_NODE) {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: metrics are words", b->place);
        }
        const char *theirs = one ? (const char *)one->data.scalar.value : standard[i];
        if (metric_name(theirs, name)) {
            rk__buffer_add(&list, "%s%s", list.length > 0 ? ", " : "[", name);
        } else {
            rk__bridge_note(b, b->place, theirs, "left out: there is no such metric here");
        }
    }
    RK_TRY_GOTO(done, list.status);
    if (list.length == 0) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: none of these metrics is known here", b->place);
    }
    rk__buffer_add(&list, "]");
    RK_TRY_GOTO(done, rk__buffer_take(&list, &text));
    RK_TRY_GOTO(done, rk__bridge_set(b, "eval.metrics", text));
    RK_TRY_GOTO(done, rk__bridge_text(b, b->root, "valid_metric", "MRR@10", &wanted));
    if (!metric_name(wanted, name)) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: valid_metric %s: there is no such metric here",
                     b->place, wanted);
    }
    RK_TRY_GOTO(done, rk__bridge_set_text(b, "eval.metric", name));
done:
    rk__buffer_free(&list);
    rk__free(text);
    return status;
}

rk_status rk__bridge_row(rk_bridge *b, const char *name, const char *otherwise)
{
    const char *text;
    rk_buffer value = {0};
    const rk_recbole_key *row = rk__recbole_find(name, strlen(name), b->kind);
    RK_ASSERT(row);
    RK_TRY(rk__bridge_text(b, b->root, name, otherwise, &text));
    rk_status status = rk__recbole_value(&value, row, text, strlen(text), b->place);
    if (status == RK_OK) {
        status = rk__bridge_set(b, row->key, value.at ? value.at : "");
    }
    rk__buffer_free(&value);
    return status;
}

rk_status rk__bridge_list(rk_bridge *b, const char *name, const char *option, const char *otherwise)
{
    rk_buffer text = {0};
    const char *word;
    const yaml_node_t *value = rk__bridge_find(b, b->root, name);
    if (!value || value->type != YAML_SEQUENCE_NODE) {
        RK_TRY(rk__bridge_text(b, b->root, name, otherwise, &word));
        return rk__bridge_set(b, option, word);
    }
    for (const yaml_node_item_t *i = value->data.sequence.items.start;
         i < value->data.sequence.items.top; i++) {
        const yaml_node_t *one = rk__yaml_node(&b->yaml, *i);
        if (one->type != YAML_SCALAR_NODE) {
            rk__buffer_free(&text);
            RK_FAIL(RK_ERR_CONFIG, "%s: %s has a list or a map in it; numbers are wanted", b->place,
                    name);
        }
        rk__buffer_add(&text, "%s%s", i > value->data.sequence.items.start ? "," : "",
                       (const char *)one->data.scalar.value);
    }
    rk_status status =
        text.status == RK_OK ? rk__bridge_set(b, option, text.at ? text.at : "") : text.status;
    rk__buffer_free(&text);
    return status;
}

static rk_status translate(rk_bridge *b)
{
    const char *text;
    bool uses_gpu;
    RK_TRY(rk__bridge_model(b));
    RK_TRY(check_keys(b));
    RK_TRY(check_only(b));
    RK_TRY(rk__bridge_data(b));
    RK_TRY(rk__bridge_split(b));
    RK_TRY(take_metrics(b));
    RK_TRY(rk__bridge_list(b, "topk", "eval.k", "10"));
    RK_TRY(rk__bridge_row(b, "seed", "2020"));
    RK_TRY(rk__bridge_text(b, b->root, "seed", "2020", &text));
    RK_TRY(rk__bridge_set(b, "split.seed", text));
    RK_TRY(rk__bridge_flag(b, b->root, "use_gpu", true, &uses_gpu));
    if (!uses_gpu) {
        RK_TRY(rk__bridge_set(b, "run.device", "cpu"));
    }
    return rk__bridge_settings(b);
}

rk_status rk_config_load_recbole(rk_config **out, const char *path, char **out_notes)
{
    rk_bridge b = {.path = path, .kind = ""};
    char *text = NULL;
    int64_t length = 0;
    rk_status status = RK_OK;
    *out = NULL;
    *out_notes = NULL;
    RK_TRY(rk__file_read(path, &text, &length));
    RK_TRY_GOTO(done, rk__config_create(&b.config, path));
    RK_TRY_GOTO(done, rk__yaml_parse(&b.yaml, path, true, text, length));
    b.root = rk__yaml_root(&b.yaml);
    if (!b.root || b.root->type != YAML_MAPPING_NODE) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "%s: a config of RecBole is keys with values, e.g. "
                     "'model: LightGCN'",
                     path);
    }
    RK_TRY_GOTO(done, translate(&b));
    RK_TRY_GOTO(done, rk__buffer_take(&b.notes, out_notes));
    *out = b.config;
    b.config = NULL;
done:
    rk__buffer_free(&b.notes);
    rk__yaml_free(&b.yaml);
    rk_config_free(b.config);
    rk__free(text);
    return status;
}
