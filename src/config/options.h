/*
 * The resolved options as a plain struct, generated from options.def: o->train.learning_rate.
 *
 * Rooms below the public API take `const rk_options *`; the public rk_config owns one together
 * with the origin of each value.
 */
#ifndef RK_CONFIG_OPTIONS_H
#define RK_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/options.def"
#include "rankine/config.h"

typedef struct rk_ints {
    int64_t *v;
    int64_t n;
} rk_ints;

typedef struct rk_strings {
    char **v;
    int64_t n;
} rk_strings;

enum { RK_DEVICE_AUTO, RK_DEVICE_CPU, RK_DEVICE_CUDA };
enum { RK_IDS_INTEGER, RK_IDS_TEXT };
enum { RK_FORMAT_CSV, RK_FORMAT_MOVIELENS, RK_FORMAT_ADJACENCY, RK_FORMAT_INTER };
enum { RK_PART_ALL, RK_PART_TRAIN, RK_PART_VALID, RK_PART_TEST };
enum { RK_SPLIT_GIVEN, RK_SPLIT_LEAVE_ONE_OUT, RK_SPLIT_RATIO, RK_SPLIT_TIME };
enum { RK_ORDER_RANDOM, RK_ORDER_TIME };
enum { RK_MODEL_LIGHTGCN, RK_MODEL_MF };
enum { RK_WEIGHTS_MEAN, RK_WEIGHTS_MEAN_WITHOUT_EGO, RK_WEIGHTS_LAST };
enum { RK_INIT_NORMAL, RK_INIT_XAVIER };
enum { RK_LOSS_BPR };
enum { RK_L2_EGO, RK_L2_PROPAGATED };
enum { RK_L2_SQUARED, RK_L2_NORM };
enum { RK_L2_BATCH, RK_L2_UNIQUE };
enum { RK_L2_ACTUAL, RK_L2_NOMINAL, RK_L2_ONE };
enum { RK_POSITIVES_USER, RK_POSITIVES_INTERACTION, RK_POSITIVES_SHUFFLE };
enum {
    RK_NEGATIVES_UNIFORM,
    RK_NEGATIVES_POPULAR_POOL,
    RK_NEGATIVES_POPULARITY,
    RK_NEGATIVES_DYNAMIC
};
enum { RK_OPTIMIZER_ADAM, RK_OPTIMIZER_SGD };
enum { RK_EVAL_VALID, RK_EVAL_TEST };
enum { RK_SELECT_BEST, RK_SELECT_LAST };

#define RK_CTYPE_BOOL bool
#define RK_CTYPE_INT int64_t
#define RK_CTYPE_REAL double
#define RK_CTYPE_STRING char *
#define RK_CTYPE_PATH char *
#define RK_CTYPE_CHOICE int
#define RK_CTYPE_INTS rk_ints
#define RK_CTYPE_STRINGS rk_strings
#define RK_OPTION_FIELD(section, key, type, def, min, max, help) RK_CTYPE_##type key;

typedef struct rk_source_options {
    RK_OPTIONS_SOURCE(RK_OPTION_FIELD)
    char *origin; /* "file.yaml:12", for messages about this source */
} rk_source_options;

typedef struct rk_options {
#define RK_OPTION_SECTION(name, NAME, title)                                                       \
    struct {                                                                                       \
        RK_OPTIONS_##NAME(RK_OPTION_FIELD)                                                         \
    } name;
    RK_OPTION_SECTIONS(RK_OPTION_SECTION)
#undef RK_OPTION_SECTION
    rk_source_options *sources;
    int64_t n_sources;
    char *config_dir;  /* folder of the config file, "." if there was none */
    char *config_name; /* its file name without .yaml, "run" if there was none */
} rk_options;

/* The options inside a public config; valid while the config lives and is not changed. */
const rk_options *rk__config_options(const rk_config *config);

/* Where a value came from ("default", "exp.yaml:12", "--set"), for error messages about it. */
const char *rk__config_origin(const rk_config *config, const char *key);

/* The text of a choice, e.g. rk__option_choice("model.kind", RK_MODEL_MF) = "mf". */
const char *rk__option_choice(const char *key, int index);

#endif
