/*
 * What the files share that make a config of RecBole one of ours: the config that is read, the one
 * that is made, and the place that messages begin with.
 */
#ifndef RK_CONFIG_RECBOLE_BRIDGE_H
#define RK_CONFIG_RECBOLE_BRIDGE_H

#include "config/internal.h"
#include "config/recbole.h"

typedef struct rk_bridge {
    rk_config *config;
    rk_yaml yaml;
    const yaml_node_t *root;
    const char *path;
    const char *kind; /* the word of model.kind */
    bool by_gradients;
    bool has_parts; /* files of train, valid and test are given */
    rk_buffer notes;
    char place[1024]; /* of what was looked up last: path:line, or RecBole's default */
} rk_bridge;

#define RK_COUNT_OF(list) (sizeof(list) / sizeof(list)[0])

/* The value of a key of a map, NULL: not there or nothing; the place is that of the key. */
const yaml_node_t *rk__bridge_find(rk_bridge *b, const yaml_node_t *map, const char *name);

/* Whether the key that was looked up last is there, perhaps with nothing behind it. */
bool rk__bridge_is_given(const rk_bridge *b);

/* The value of a key that is a scalar; otherwise: where the key is not there. */
rk_status rk__bridge_text(rk_bridge *b, const yaml_node_t *map, const char *name,
                          const char *otherwise, const char **out);

/* Whether the text is the word, in upper or lower case. */
bool rk__bridge_is(const char *text, const char *word);

/* The value of a key that is true or false, by the words that PyYAML takes for one. */
rk_status rk__bridge_flag(rk_bridge *b, const yaml_node_t *map, const char *name, bool otherwise,
                          bool *out);

/* One more line of what differs. */
void rk__bridge_note(rk_bridge *b, const char *place, const char *name, const char *text);

/* Says what RecBole passes over in a map that is a value: names has n words. */
void rk__bridge_check_names(rk_bridge *b, const yaml_node_t *map, const char *of,
                            const char *const *names, size_t n);

/* option=value, said by the place that was looked up last; a text is taken as it is. */
rk_status rk__bridge_set_text(rk_bridge *b, const char *option, const char *value);
rk_status rk__bridge_set_real(rk_bridge *b, const char *option, double value);
rk_status rk__bridge_set(rk_bridge *b, const char *option, const char *value);

/* By the table of recbole.h; otherwise: RecBole's default, where the key is not there. */
rk_status rk__bridge_row(rk_bridge *b, const char *name, const char *otherwise);
/* A list of numbers, or one. */
rk_status rk__bridge_list(rk_bridge *b, const char *name, const char *option,
                          const char *otherwise);

/* recbole_models.c: the model and its kind; then its settings and those of training. */
rk_status rk__bridge_model(rk_bridge *b);
rk_status rk__bridge_settings(rk_bridge *b);

/* The parts data (with its source) and split of the config. */
rk_status rk__bridge_data(rk_bridge *b);
rk_status rk__bridge_split(rk_bridge *b);

#endif
