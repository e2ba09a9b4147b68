/*
 * The inside of a config: the options, and for each of them its text and where it came from.
 */
#ifndef RK_CONFIG_INTERNAL_H
#define RK_CONFIG_INTERNAL_H

#include "config/value.h"
#include "config/yaml.h"

typedef struct rk_field {
    const char *text;   /* YAML notation; owned, or the default text of the row */
    const char *origin; /* "exp.yaml:12", "--set"; owned, or the one "default" of config.c */
} rk_field;

struct rk_config {
    rk_options options;
    rk_field *fields; /* one a row of rk__option_rows; those of elements are in the elements */
};

enum {
    RK_MOST_ELEMENTS = 1024, /* of a list */
    RK_LIST_DEPTH = 2,       /* a list of maps may have a list in each of its maps */
};

/* Where a value goes: an option, and if it is one of a list the element; or an element (no row), or
 * a whole list (the last index is -1). */
typedef struct rk_target {
    const rk_option *row;
    const rk_option_list *list; /* NULL: the option is one of a section */
    int64_t at[RK_LIST_DEPTH];  /* the elements, the outermost list's first */
} rk_target;

/* Where a value comes from. */
typedef struct rk_speaker {
    const char *place;  /* begins messages: "exps/exp.yaml:12" */
    const char *origin; /* is kept with the value: "exp.yaml:12" */
    const char *folder; /* that relative paths start from */
} rk_speaker;

/* All defaults, as of a config file at this path; NULL: of no file. */
rk_status rk__config_create(rk_config **out, const char *path);

/* Of an option. The element must be there. */
rk_field *rk__config_field(const rk_config *config, rk_target target);

/* "train.epochs", "data.sources[0].file", "data.features[1].columns[0]", "data.sources"; free with
 * rk__free. */
rk_status rk__target_name(char **out, rk_target target);

/* Checks and stores one value; on failure the config stays as it was. */
rk_status rk__config_assign(rk_config *config, rk_target target, const rk_raw *raw,
                            rk_speaker speaker);

/* Whether the element of the target is there. */
bool rk__config_has(const rk_config *config, rk_target target);

/* How many elements the list of the target has: 0 where the element that has the list is not there.
 * The target's last index does not matter. */
int64_t rk__list_count(const rk_config *config, rk_target target);
/* An element with default values at the end of the list; its index is that of the target. On
 * failure the list stays as it was. */
rk_status rk__list_add(rk_config *config, rk_target target, rk_speaker speaker);
/* Keeps the first n elements. */
void rk__list_keep(rk_config *config, rk_target target, int64_t n);

/* Takes the elements out of the config, which has none then; puts them back in the place of those
 * that it has by now. */
typedef struct rk_elements {
    void *at;
    int64_t n;
} rk_elements;
rk_elements rk__list_take(rk_config *config, rk_target target);
void rk__list_put(rk_config *config, rk_target target, rk_elements elements);

/* Appends the elements of a list of maps; on failure some may have been added. */
rk_status rk__config_read_list(rk_config *config, rk_target target, rk_yaml *yaml,
                               const yaml_node_t *list, rk_speaker speaker);

/* Relations and features, as a part of rk__config_check. */
rk_status rk__config_check_sides(const rk_config *config);
/* data.value_range: none, or two numbers. */
rk_status rk__config_check_values(const rk_config *config);
/* The options of evaluation. */
rk_status rk__config_check_eval(const rk_config *config);

/* RK_ERR_CONFIG "PLACE: unknown key 'train.epoch'; did you mean 'train.epochs'?". section "":
 * `name` is that of a section. shown: what stands before the name in the message. */
rk_status rk__config_unknown(const char *place, const char *section, const char *shown,
                             rk_scalar name);

#endif
