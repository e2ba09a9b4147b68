/*
 * YAML text -> a tree of nodes with line numbers, through libyaml. What every reader of such a tree
 * needs is checked here: UTF-8, size, one document, no tags.
 */
#ifndef RK_CONFIG_YAML_H
#define RK_CONFIG_YAML_H

#include <yaml.h>

#include "config/value.h"

enum { RK_LONGEST_YAML = 1 << 20 }; /* bytes; a config has a few hundred lines */

typedef struct rk_yaml {
    yaml_document_t document;
    bool is_open;
} rk_yaml;

/* place: the file's name; with has_lines, messages say "place:line:column". Zero or free *out
 * before. */
rk_status rk__yaml_parse(rk_yaml *out, const char *place, bool has_lines, const char *text,
                         int64_t length);

/* A zeroed one is fine. */
void rk__yaml_free(rk_yaml *yaml);

/* NULL for an empty document. */
const yaml_node_t *rk__yaml_root(rk_yaml *yaml);
const yaml_node_t *rk__yaml_node(rk_yaml *yaml, int number);

/* "", ~ and null written without quotes. */
bool rk__yaml_is_nothing(const yaml_node_t *node);
rk_scalar rk__yaml_scalar(const yaml_node_t *node); /* of a scalar node */
int64_t rk__yaml_line(const yaml_node_t *node);     /* from 1 */

/* The node as a raw value: a nested list or map in a list is RK_ERR_CONFIG. Free *out_items
 * (rk__free) after the raw value was used. */
rk_status rk__yaml_raw(rk_yaml *yaml, const yaml_node_t *node, const char *place, const char *name,
                       rk_raw *out, rk_scalar **out_items);

#endif
