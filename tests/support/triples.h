/* Triples in files of a scratch folder, and configs that read them. */
#ifndef RK_TESTS_TRIPLES_H
#define RK_TESTS_TRIPLES_H

#include "rankine/rankine.h"
#include "support/support.h"

static const char *const triple_sources =
    "data:\n"
    "  name: graph\n"
    "  ids: text\n"
    "  sources:\n"
    "    - {file: train.csv, part: train, user: head, relation: type, item: tail}\n"
    "    - {file: valid.csv, part: valid, user: head, relation: type, item: tail}\n"
    "    - {file: test.csv, part: test, user: head, relation: type, item: tail}\n"
    "split: {kind: given}\n";

/* train.csv, valid.csv and test.csv of rows "head,relation,tail", and exp.yaml. */
static inline void write_triples(const char *folder, const char *train, const char *valid,
                                 const char *test)
{
    const char *const texts[] = {train, valid, test}, *const files[] = {"train.csv", "valid.csv",
                                                                        "test.csv"};
    for (int i = 0; i < 3; i++) {
        char text[8300];
        snprintf(text, sizeof text, "head,type,tail\n%s", texts[i]);
        test_write(test_path(folder, files[i]), text, -1);
    }
    test_write(test_path(folder, "exp.yaml"), triple_sources, -1);
}

/* exp.yaml with these "key=value", ended by NULL; NULL = none. */
static inline rk_config *load_triples(const char *folder, const char *const *settings)
{
    rk_config *config = NULL;
    assert_ok(rk_config_load(&config, test_path(folder, "exp.yaml")));
    assert_ok(rk_config_set(config, "run.device=cpu", "test"));
    assert_ok(rk_config_set(config, "run.threads=1", "test"));
    for (int i = 0; settings && settings[i]; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

#endif
