/*
 * The inside of a config: the options, and for each of them its text and where it came from.
 */
#ifndef RK_CONFIG_INTERNAL_H
#define RK_CONFIG_INTERNAL_H

#include "config/value.h"
#include "config/yaml.h"

typedef struct rk_field {
    char *text;   /* YAML notation, owned */
    char *origin; /* "default", "exp.yaml:12", "--set"; owned */
} rk_field;

struct rk_config {
    rk_options options;
    rk_field *fields;        /* one a row of rk__option_rows */
    rk_field *source_fields; /* [source][row of rk__source_rows] */
    int64_t source_capacity;
};

enum { RK_MOST_SOURCES = 1024 };

/* Where a value goes: a row, and the element of data.sources if the row is one of "source". */
typedef struct rk_target {
    const rk_option *row;
    int64_t source; /* -1: none */
} rk_target;

/* Where a value comes from. */
typedef struct rk_speaker {
    const char *place;  /* begins messages: "exps/exp.yaml:12" */
    const char *origin; /* is kept with the value: "exp.yaml:12" */
    const char *folder; /* that relative paths start from */
} rk_speaker;

/* All defaults, as of a config file at this path; NULL: of no file. */
rk_status rk__config_create(rk_config **out, const char *path);

rk_field *rk__config_field(const rk_config *config, rk_target target);

/* "train.epochs", "data.sources[0].file"; free with rk__free. */
rk_status rk__target_name(char **out, rk_target target);

/* Checks and stores one value; on failure the config stays as it was. */
rk_status rk__config_assign(rk_config *config, rk_target target, const rk_raw *raw,
                            rk_speaker speaker);

/* A source with default values at the end of the list; on failure the list stays as it was. */
rk_status rk__config_add_source(rk_config *config, rk_speaker speaker);
/* Keeps the first n. */
void rk__config_keep_sources(rk_config *config, int64_t n);

void rk__config_free_sources(rk_config *config);
void rk__config_swap_sources(rk_config *a, rk_config *b);

/* Appends the elements of a list of maps to data.sources; on failure some may have been added. */
rk_status rk__config_read_sources(rk_config *config, rk_yaml *yaml, const yaml_node_t *list,
                                  rk_speaker speaker);

/* RK_ERR_CONFIG "PLACE: unknown key 'train.epoch'; did you mean 'train.epochs'?". section "":
 * `name` is that of a section. shown: what stands before the name in the message. */
rk_status rk__config_unknown(const char *place, const char *section, const char *shown,
                             rk_scalar name);

#endif
