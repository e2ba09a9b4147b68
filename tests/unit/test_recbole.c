/* config/recbole: the table of RecBole's names against the table of options. */
#include <string.h>

#include "base/alloc.h"
#include "config/internal.h"
#include "config/recbole.h"
#include "support/support.h"

/* Each row names an option, and models that there are. */
static void rows_name_options(void **state)
{
    (void)state;
    int64_t n = 0;
    const rk_recbole_key *rows = rk__recbole_keys(&n);
    const rk_option *kind_row = rk__option_find("model", "kind", 4);
    assert_true(n > 20);
    for (int64_t i = 0; i < n; i++) {
        const char *dot = strchr(rows[i].key, '.');
        char section[16] = {0};
        assert_non_null(dot);
        memcpy(section, rows[i].key, (size_t)(dot - rows[i].key));
        assert_non_null(rk__option_find(section, dot + 1, strlen(dot + 1)));
        for (const char *at = rows[i].kinds; *at != '\0';) {
            const size_t length = strcspn(at, "|");
            char kind[32] = {0};
            memcpy(kind, at, length);
            bool is_there = false;
            for (const char *c = kind_row->minimum; c; c = rk__choice_next(c)) {
                is_there |= strcmp(c, kind) == 0;
            }
            if (!is_there) {
                fail_msg("%s: no model %s", rows[i].name, kind);
            }
            assert_ptr_equal(rk__recbole_find(rows[i].name, strlen(rows[i].name), kind), &rows[i]);
            at += length + (at[length] == '|');
        }
    }
}

/* What a row promises is read by each of its models, but for what a loss of its own makes so. */
static void models_read_their_keys(void **state)
{
    (void)state;
    int64_t n = 0;
    const rk_recbole_key *rows = rk__recbole_keys(&n);
    for (int64_t i = 0; i < n; i++) {
        for (const char *at = rows[i].kinds; *at != '\0';) {
            const size_t length = strcspn(at, "|");
            char text[64];
            rk_config *config = NULL;
            bool is_read = false;
            snprintf(text, sizeof text, "model.kind=%.*s", (int)length, at);
            assert_ok(rk_config_create(&config));
            assert_ok(rk_config_set(config, text, "test"));
            if (strncmp(rows[i].key, "loss.contrast_", 14) == 0) {
                const char *contrast = strcmp(rows[i].note, "XSimGCL") == 0           ? "xsimgcl"
                                       : strcmp(rows[i].note, "SimGCL, XSimGCL") == 0 ? "simgcl"
                                                                                      : "sgl";
                snprintf(text, sizeof text, "loss.contrast=%s", contrast);
                assert_ok(rk_config_set(config, text, "test"));
            }
            assert_ok(rk_config_is_read(config, rows[i].key, &is_read));
            if (!is_read) {
                fail_msg("%s: %.*s does not read %s", rows[i].name, (int)length, at, rows[i].key);
            }
            rk_config_free(config);
            at += length + (at[length] == '|');
        }
    }
}

static const char *key_of(const char *name, const char *kind)
{
    const rk_recbole_key *row = rk__recbole_find(name, strlen(name), kind);
    return row ? row->key : "";
}

static void the_model_decides(void **state)
{
    (void)state;
    assert_string_equal(key_of("reg_weight", "lightgcn"), "loss.l2");
    assert_string_equal(key_of("reg_weight", "ease"), "model.l2");
    assert_string_equal(key_of("reg_weight", "slim"), "");
    assert_string_equal(key_of("k", "item_knn"), "model.neighbours");
    assert_string_equal(key_of("k", "lightgcn"), "");
    assert_string_equal(key_of("embedding_size", "mf"), "model.dim");
    assert_string_equal(key_of("embedding_siz", "mf"), "");
    assert_true(rk__recbole_knows("ssl_tau", 7));
    assert_false(rk__recbole_knows("ssl_ta", 6));
    rk_buffer hint = {0};
    rk__recbole_suggest(&hint, "n_layer", 7);
    assert_string_equal(hint.at, "; did you mean 'n_layers'?");
    rk__buffer_free(&hint);
}

static void check_value(const char *name, const char *value, const char *wanted)
{
    rk_buffer out = {0};
    const rk_recbole_key *row = rk__recbole_find(name, strlen(name), "lightgcn");
    assert_ok(rk__recbole_value(&out, row, value, strlen(value), "x.test:1"));
    assert_string_equal(out.at, wanted);
    rk__buffer_free(&out);
}

static void values(void **state)
{
    (void)state;
    check_value("learning_rate", "5e-4", "5e-4");
    check_value("stopping_step", "10", "11");
    check_value("valid_metric", "MRR@10", "mrr@10");
    rk_buffer out = {0};
    const rk_recbole_key *row = rk__recbole_find("stopping_step", 13, "lightgcn");
    assert_fails(RK_ERR_CONFIG, "x.test:3: stopping_step is 'soon'; an integer from 0 on is wanted",
                 rk__recbole_value(&out, row, "soon", 4, "x.test:3"));
    rk__buffer_free(&out);
}

/* ---- whole configs ---- */

static const char lightgcn[] = "model: LightGCN\n"
                               "dataset: it's\n"
                               "data_path: data\n"
                               "load_col: {inter: [user_id, item_id, rating, timestamp]}\n"
                               "val_interval: {rating: \"[3,4);(5,inf)\", kind: [a, b]}\n"
                               "user_inter_num_interval: \"(4,inf)\"\n"
                               "rm_dup_inter: first\n"
                               "eval_args: {split: {LS: valid_and_test}, order: TO, mode: uni50}\n"
                               "metrics: [Recall, GAUC, MRR]\n"
                               "topk: [5, 10]\n"
                               "train_neg_sample_args: {distribution: popularity, sample_num: 4}\n"
                               "clip_grad_norm: {max_norm: 5}\n"
                               "n_layer: 3\n";
static const char neumf[] = "model: NeuMF\n"
                            "dataset: d\n"
                            "benchmark_filename: [tr, va, te]\n"
                            "mlp_hidden_size: [32, 16]\n"
                            "train_neg_sample_args: {sample_num: 3}\n"
                            "weight_decay: 0.5\n"
                            "user_inter_num_interval: \"[5,inf)\"\n"
                            "eval_args: {split: {RS: [8, 1, 1]}}\n";
static const char slim[] = "model: SLIMElastic\ndataset: d\nalpha: 0.5\nl1_ratio: 0.1\n"
                           "positive_only: False\neval_step: 0\n";

static rk_config *load(const char *folder, const char *text, char **out_notes)
{
    rk_config *config = NULL;
    const char *path = test_path(folder, "exp.yaml");
    test_write(path, text, -1);
    assert_ok(rk_config_load_recbole(&config, path, out_notes));
    return config;
}

static void check_option(const rk_config *config, const char *key, const char *wanted)
{
    const char *value = NULL;
    assert_ok(rk_config_get(config, key, &value));
    if (strcmp(value, wanted) != 0) {
        fail_msg("%s is %s, not %s", key, value, wanted);
    }
}

static void check_options(const rk_config *config, const char *const (*wanted)[2])
{
    for (; (*wanted)[0]; wanted++) {
        check_option(config, (*wanted)[0], (*wanted)[1]);
    }
}

static void configs(void **state)
{
    (void)state;
    static const char *const of_neumf[][2] = {
        {"model.kind", "neumf"},
        {"model.dim", "64"},
        {"model.hidden", "[32, 16]"},
        {"model.dropout", "0.1"},
        {"model.dropout_at", "inputs"},
        {"model.init_sd", "0.01"},
        {"loss.kind", "bce"},
        {"loss.negative_weight", "3"},
        {"loss.l2", "0"},
        {"sampling.per_positive", "3"},
        {"train.batch", "512"}, /* of 2048 rows */
        {"train.learning_rate", "0.001"},
        {"train.weight_decay", "2"}, /* to the sum over 4 rows of a positive */
        {"data.sources[0].file", "d.tr.inter"},
        {"data.sources[2].file", "d.te.inter"},
        {"data.sources[2].part", "test"},
        {"data.min_user", "1"},
        {NULL, NULL},
    };
    static const char *const of_slim[][2] = {
        {"model.kind", "slim"},
        {"model.l1", "0.05"},
        {"model.l2", "0.45"},
        {"model.penalty_per_user", "true"},
        {"model.negative_weights", "true"},
        {"model.neighbours", "0"},
        {NULL, NULL},
    };
    char *folder = test_scratch(), *notes = NULL;
    rk_config *config = load(folder, lightgcn, &notes);
    assert_non_null(strstr(notes, "exp.yaml:11: sample_num: RecBole counts each pair as often"));
    assert_non_null(strstr(notes, "exp.yaml:9: GAUC: left out"));
    check_option(config, "sampling.per_positive", "4");
    rk_config_free(config);
    rk_string_free(notes);
    config = load(folder, neumf, &notes);
    check_options(config, of_neumf);
    assert_non_null(strstr(notes, "exp.yaml:7: user_inter_num_interval: passed over"));
    assert_non_null(strstr(notes, "exp.yaml:8: split: passed over"));
    rk_config_free(config);
    rk_string_free(notes);
    config = load(folder, slim, &notes);
    check_options(config, of_slim);
    rk_config_free(config);
    rk_string_free(notes);
    test_scratch_remove(folder);
}

/* A key with a value that cannot be, in line 3; what is said of it. */
static const char *const impossible[][2] = {
    {"val_interval: {rating: '[5,3]'}", ":3: no number is in '[5,3]' of rating"},
    {"val_interval: {rating: '[3,3)'}", ":3: no number is in '[3,3)' of rating"},
    {"val_interval: {rating: '[1,2];[5,4]'}", ":3: no number is in '[5,4]' of rating"},
    {"val_interval: {rating: '(inf,inf)'}", ":3: no number is in '(inf,inf)' of rating"},
    {"val_interval: {rating: '(-inf,inf)'}", ":3: '(-inf,inf)' of rating keeps everything"},
    {"val_interval: {rating: '[1,2];'}", ":3: '' of rating is no interval"},
    {"val_interval: {rating: ''}", ":3: '' of rating is no interval"},
    {"val_interval: {rating: '[3,infx)'}", ":3: '[3,infx)' of rating is no interval"},
    {"val_interval: {rating: '[nan,3]'}", ":3: '[nan,3]' of rating is no interval"},
    {"val_interval: {rating: []}", ":3: no value is in the list of rating"},
    {"val_interval: {rating: [1], rating: [2]}", ":3: 'rating' is there twice"},
    {"user_inter_num_interval: '[5,infx)'", ":3: user_inter_num_interval is '[5,infx)'"},
    {"user_inter_num_interval: '[5,inf'", ":3: user_inter_num_interval is '[5,inf'"},
    {"item_inter_num_interval: '[5,3]'", ":3: item_inter_num_interval is '[5,3]'"},
    {"topk: -1", ":3 eval.k=-1: eval.k = -1 is out of range"},
    {"topk: []", ":3 eval.k=: eval.k needs 1 to 1024 elements, not 0"},
    {"topk: {a: 1}", ":3: topk is a map; one value is wanted"},
    {"topk: [[5]]", ":3: topk has a list or a map in it"},
    {"metrics: []", ":3: none of these metrics is known here"},
    {"valid_metric: ''", ":3: valid_metric is empty"},
    {"eval_args: {split: {RS: [0,0,0]}}", ":3: the shares of RS are 0"},
    {"eval_args: {split: {RS: [-1,1,1]}}", ":3: share 1 of RS is no number from 0 on"},
    {"eval_args: {split: {LS: test_only, RS: [1,1,1]}}", ":3: split has RS and LS"},
    {"eval_args: {order: RO, order: TO}", ":3: 'order' is there twice"},
    {"eval_args: {order: TO}", ":3: order TO needs the field timestamp"},
    {"eval_args: {group_by: item}", ":3: RS in random order without groups"},
    {"train_batch_size: 0", ":3: train_batch_size is '0'; an integer from 1 on is wanted"},
    {"learning_rate: -0.1", ":3 train.learning_rate=-0.1: train.learning_rate = -0.1 is out"},
    {"learning_rate: .nan", ":3 train.learning_rate=.nan: train.learning_rate takes a number"},
    {"epochs: -1", ":3 train.epochs=-1: train.epochs = -1 is out of range"},
    {"epochs: 1.5", ":3 train.epochs=1.5: train.epochs takes an integer"},
    {"embedding_size: 0", ":3 model.dim=0: model.dim = 0 is out of range"},
    {"reg_weight: nan", ":3 loss.l2=nan: loss.l2 takes a number"},
    {"stopping_step: -1", ":3: stopping_step is '-1'; an integer from 0 on is wanted"},
    {"clip_grad_norm: 5", ":3: clip_grad_norm wants max_norm, a number above 0"},
    {"clip_grad_norm: {max_norm: 0}", ":3: clip_grad_norm wants max_norm, a number above 0"},
    {"train_neg_sample_args: {sample_num: 0}", ":3: sample_num is '0'"},
    {"USER_ID_FIELD: ''", ":3: USER_ID_FIELD is empty"},
    {"load_col: {inter: [user_id]}", ":3: load_col.inter lacks the field item_id"},
    {"load_col: {inter: {user_id: 1, item_id: 2}}", ":3: load_col.inter lacks the field"},
    {"<<: {epochs: 3}", ":3: maps are not merged here"},
    {"load_col: 5", ":3: load_col.inter lacks the field user_id"},
    {"seed: -1", ":3 run.seed=-1: run.seed = -1 is out of range"},
    {"seed: 1\nseed: 2", ":4: 'seed' is there twice; the first is at "},
};

static void impossible_values(void **state)
{
    (void)state;
    char *folder = test_scratch();
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        const char *path = test_path(folder, "exp.yaml");
        char text[512], *notes = NULL;
        rk_config *config = NULL;
        snprintf(text, sizeof text, "model: LightGCN\ndataset: d\n%s\n", impossible[i][0]);
        test_write(path, text, -1);
        if (rk_config_load_recbole(&config, path, &notes) != RK_ERR_CONFIG) {
            fail_msg("'%s' is taken", impossible[i][0]);
        }
        if (!strstr(rk_last_error(), impossible[i][1])) {
            fail_msg("of '%s' is said: %s", impossible[i][0], rk_last_error());
        }
    }
    test_scratch_remove(folder);
}

/* What is unusual, and means something. */
static void unusual_values(void **state)
{
    (void)state;
    static const char text[] = "model: LightGCN\n"
                               "dataset: d\n"
                               "val_interval: {rating: ' [1, 2) ; (4,inf)', kind: [a, b]}\n"
                               "item_inter_num_interval: '(2.5, inf)'\n"
                               "eval_args: {split: {RS: [8,1,1]}}\n"
                               "train_batch_size:\n"
                               "eval_step: 00\n";
    static const char *const wanted[][2] = {
        {"data.sources[0].where",
         "\"((\\\"rating\\\" >= 1 and \\\"rating\\\" < 2) or (\\\"rating\\\" > 4)) and "
         "(\\\"kind\\\" in [\\\"a\\\", \\\"b\\\"])\""},
        {"data.min_item", "3"},
        {"split.valid", "0.1"},
        {"train.batch", "2048"},
        {"eval.select", "last"},
        {NULL, NULL},
    };
    char *folder = test_scratch(), *notes = NULL;
    rk_config *config = load(folder, text, &notes);
    check_options(config, wanted);
    assert_non_null(strstr(notes, "exp.yaml:5: RS: the shares do not sum to 1"));
    assert_non_null(strstr(notes, "exp.yaml:6: train_batch_size: nothing stands there"));
    rk_config_free(config);
    rk_string_free(notes);
    test_scratch_remove(folder);
}

/* Whatever allocation of a translation fails, nothing is left of it. */
static void no_memory(void **state)
{
    (void)state;
    static const char *const texts[] = {lightgcn, neumf, slim};
    char *folder = test_scratch();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *path = test_path(folder, "exp.yaml");
        rk_status status = RK_ERR_MEMORY;
        int64_t n = 0;
        test_write(path, texts[i], -1);
        for (; status != RK_OK; n++) {
            rk_config *config = NULL;
            char *notes = NULL;
            rk__alloc_fail_after(n);
            status = rk_config_load_recbole(&config, path, &notes);
            rk__alloc_fail_after(-1);
            if (status != RK_OK && status != RK_ERR_MEMORY) {
                fail_msg("allocation %lld: %s", (long long)n, rk_last_error());
            }
            assert_true((status == RK_OK) == (config != NULL && notes != NULL));
            rk_config_free(config);
            rk_string_free(notes);
        }
        assert_true(n > 100);
    }
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_name_options), cmocka_unit_test(models_read_their_keys),
        cmocka_unit_test(the_model_decides), cmocka_unit_test(values),
        cmocka_unit_test(configs),           cmocka_unit_test(impossible_values),
        cmocka_unit_test(unusual_values),    cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
