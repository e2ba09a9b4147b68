/* For the tests of relations and features: configs in a scratch folder, edges and words as text. */
#ifndef RK_TESTS_SIDES_H
#define RK_TESTS_SIDES_H

#include "rankine/sides.h"
#include "support/support.h"

/* A scratch folder for each test, and its end. */
int sides_set_up(void **state);
int sides_tear_down(void **state);

/* The path of a file in it, as test_path. */
const char *sides_path(const char *name);
/* Writes a file into it. */
void sides_put(const char *name, const char *text);

/* train.csv and test.csv of users 1 to 3 and items 10, 20, 30. */
void sides_put_small(void);
#define SIDES_SOURCES                                                                              \
    "    sources: [{file: train.csv, part: train}, {file: test.csv, part: test}]\n"

/* The config sides.yaml of YAML below "data:", whose files are in the scratch folder, and its data
 * set. */
rk_status sides_config(rk_config **out, const char *lists);
rk_status sides_try(rk_dataset **out, const char *lists);
rk_dataset *sides_prepare(const char *lists);

const rk_relation *sides_relation(const rk_dataset *d, const char *name);

/* All edges as "from>to[:type][*weight][@time]", by the ids of the nodes; until the next call. */
const char *sides_edges(const rk_dataset *d, const char *name);

/* The words of a node, in their order, with blanks between; until the next call. */
const char *sides_words(const rk_features *f, int64_t node);

#endif
