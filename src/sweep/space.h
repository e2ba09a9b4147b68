/*
 * The space of a sweep: axes, each an option or several that change together, and what they may be.
 *
 * A place in the space is a number for each axis: of a list the index, else the value itself.
 * Values reach a config as the texts that rk_config_set takes, so the table of options checks them.
 */
#ifndef RK_SWEEP_SPACE_H
#define RK_SWEEP_SPACE_H

#include "base/buffer.h"
#include "config/options.h"
#include "config/yaml.h"

typedef enum rk_domain {
    RK_DOMAIN_LIST,
    RK_DOMAIN_UNIFORM,
    RK_DOMAIN_LOG,  /* uniform in the logarithm */
    RK_DOMAIN_STEP, /* low, low + step, ... up to high, equally likely */
    RK_DOMAIN_COUNT
} rk_domain;

typedef struct rk_axis {
    char **keys; /* "train.learning_rate"; n_keys, owned */
    int64_t n_keys;
    rk_domain domain;
    bool is_whole; /* of numbers: whole ones, since the option is an integer */
    double low, high, step;
    char **texts; /* of a list [n, n_keys], owned */
    int64_t n;
    char *origin; /* "space.yaml:3"; owned */
} rk_axis;

typedef struct rk_space {
    rk_axis *axes;
    int64_t n, capacity;
} rk_space;

/* Reads a YAML file, or one of RecBole's hyper.test. Every value is set once in a copy of the
 * config, so that mistakes are found here: RK_ERR_CONFIG with file and line. */
rk_status rk__space_read(rk_space *out, const char *path, const rk_config *config);
/* The space that is in sweep.yaml, a map. */
rk_status rk__space_of_node(rk_space *out, rk_yaml *yaml, const yaml_node_t *map, const char *path,
                            const rk_config *config);
void rk__space_free(rk_space *space); /* a zeroed one is fine */

/* As YAML, a line an axis, each after `indent`: equal texts are equal spaces. */
void rk__space_print(const rk_space *space, const char *indent, rk_buffer *out);

/* An axis without keys and domain, to be filled in; lent by the space until the next one. */
rk_status rk__space_add(rk_space *space, const char *origin, rk_axis **out);
rk_status rk__axis_add_key(rk_axis *axis, const char *key, size_t length);
/* Another text of a list, in the order [n, n_keys]. */
rk_status rk__axis_add_text(rk_axis *axis, char *text); /* taken over, also by a failure */
/* The bounds of a domain of numbers: two, of RK_DOMAIN_STEP three. */
rk_status rk__axis_set_range(rk_axis *axis, rk_domain domain, const double *numbers, int64_t n);

/* Lines "name type value" (space.c tells the two formats apart). */
rk_status rk__space_read_hyper_test(rk_space *out, const char *path, const char *text,
                                    const rk_config *config);

/* How many values the axis has; 0 = a continuum. */
int64_t rk__axis_count(const rk_axis *axis);
/* Its i-th value, as a place. */
double rk__axis_at(const rk_axis *axis, int64_t i);
/* The place that a number on the axis comes to: in bounds, whole, on a step, six digits. */
double rk__axis_round(const rk_axis *axis, double x);
/* The text of key k at a place; free with rk__free. */
rk_status rk__axis_text(const rk_axis *axis, double place, int64_t k, char **out);

const char *rk__domain_name(const rk_axis *axis);

#endif
