/*
 * The resolved options as a plain struct, generated from options.def: o->train.learning_rate.
 *
 * Rooms below the public API take `const rk_options *`; the public rk_config owns one together
 * with the origin of each value. data.root and data.cache are absolute, data.name is never empty.
 */
#ifndef RK_CONFIG_OPTIONS_H
#define RK_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/choices.h"
#include "config/options.def"
#include "rankine/config.h"

typedef struct rk_ints {
    int64_t *v;
    int64_t n;
} rk_ints;

typedef struct rk_reals {
    double *v;
    int64_t n;
} rk_reals;

typedef struct rk_texts {
    char **v; /* each owned */
    int64_t n;
} rk_texts;

#define RK_CTYPE_BOOL bool
#define RK_CTYPE_INT int64_t
#define RK_CTYPE_REAL double
#define RK_CTYPE_SIZE int64_t
#define RK_CTYPE_STRING char *
#define RK_CTYPE_PATH char *
#define RK_CTYPE_PATHS rk_texts
#define RK_CTYPE_CHOICE int
#define RK_CTYPE_INTS rk_ints
#define RK_CTYPE_REALS rk_reals
#define RK_CTYPE_CHOICES rk_ints
#define RK_OPTION_FIELD(section, key, type, ...) RK_CTYPE_##type key;

/* rk_source_options ...: an element of each list, and the lists that it has itself. */
struct rk_field;
#define RK_OPTION_LIST_MEMBER(name, NAME, key, title, example)                                     \
    rk_##name##_options *key;                                                                      \
    int64_t n_##key;
#define RK_LISTS_OF_SOURCE(X)
#define RK_LISTS_OF_RELATION(X)
#define RK_LISTS_OF_COLUMN(X)
#define RK_LISTS_OF_FIELD(X)
#define RK_OPTION_ELEMENT(name, NAME, key, title, example)                                         \
    typedef struct rk_##name##_options {                                                           \
        char *origin;          /* "file.yaml:12", for messages about this element */               \
        struct rk_field *said; /* of each key; config/internal.h */                                \
        RK_OPTIONS_##NAME(RK_OPTION_FIELD) RK_LISTS_OF_##NAME(RK_OPTION_LIST_MEMBER)               \
    } rk_##name##_options;
RK_OPTION_LISTS(RK_OPTION_ELEMENT)
#undef RK_OPTION_ELEMENT

typedef struct rk_options {
#define RK_OPTION_SECTION(name, NAME, title)                                                       \
    struct {                                                                                       \
        RK_OPTIONS_##NAME(RK_OPTION_FIELD)                                                         \
    } name;
    RK_OPTION_SECTIONS(RK_OPTION_SECTION)
#undef RK_OPTION_SECTION
    RK_LISTS_OF_DATA(RK_OPTION_LIST_MEMBER)
    char *config_dir;  /* folder of the config file, "." if there was none */
    char *config_name; /* its file name without .yaml, "run" if there was none */
    /* Of an ensemble, once they are known: the configs that its members were trained with, in the
     * order of model.members. They are the config's, see rk__config_add_member. */
    rk_config **members;
    int64_t n_members;
} rk_options;

/* The options inside a public config; valid while the config lives and is not changed. */
const rk_options *rk__config_options(const rk_config *config);

/* Adds the config of an ensemble's next member, which is taken over, also by a failure. */
rk_status rk__config_add_member(rk_config *config, rk_config *member);

/* The same options with the same members, which say the same of where they came from. */
rk_status rk__config_copy(const rk_config *config, rk_config **out);

/* rk_config_load on text that is in memory; path names it in messages and gives the folder. */
rk_status rk__config_parse(rk_config **out, const char *path, const char *text, int64_t length);

/* Where a value came from ("default", "exp.yaml:12", "--set"), for error messages about it. */
const char *rk__config_origin(const rk_config *config, const char *key);

/* What rk_config_check asks but for what models ask themselves (models/model.h). `also`: what not
 * everybody asks. A data set that is given needs no sources, and a run may be older than a rule
 * about options that nothing reads. */
enum { RK_CHECK_SOURCES = 1, RK_CHECK_UNREAD = 2 };
rk_status rk__config_check(const rk_config *config, unsigned also);

/* "split.kind is time (exp.yaml:12)", for messages about options that do not go together. */
typedef struct rk_said {
    char text[256];
} rk_said;
rk_said rk__config_says(const rk_config *config, const char *key);

/* Whether the split asks for times of all rows. */
bool rk__split_goes_by_time(const rk_options *options);

/* Whether it takes rows of equal time in the order of the sources. */
bool rk__split_goes_by_row(const rk_options *options);

/* Whether rows have values: of the sources' columns, or their number. */
bool rk__options_have_values(const rk_options *options);

/* Whether rows are triples: the sources name the column of a relation. */
bool rk__options_have_triples(const rk_options *options);

/* Whether a source says that its rows have times, or is of a format whose files may have them. */
bool rk__source_may_have_times(const rk_source_options *source);

/* The text of a choice, e.g. rk__option_choice("model.kind", RK_MODEL_MF) = "mf"; of an element,
 * where the option is a list of choices. */
const char *rk__option_choice(const char *key, int index);

#endif
