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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_name_options),
        cmocka_unit_test(models_read_their_keys),
        cmocka_unit_test(the_model_decides),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
