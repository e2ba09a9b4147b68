/*
 * A YAML file over the defaults. Strict: what the table of options does not know is an error with
 * the line and the nearest thing that it knows.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "config/internal.h"
#include "config/paths.h"

typedef struct loader {
    rk_config *config;
    rk_yaml *yaml;
    const char *path;        /* of the file */
    const rk_speaker *fixed; /* instead of a path: one speaker for everything */
    char place[1024];        /* path:line of what is being read */
    char origin[300];        /* name:line */
} loader;

/* The speaker of a value that stands in this line. */
static rk_speaker at_line(loader *l, const yaml_node_t *node)
{
    if (l->fixed) {
        return *l->fixed;
    }
    long long line = (long long)rk__yaml_line(node);
    snprintf(l->place, sizeof l->place, "%s:%lld", l->path, line);
    snprintf(l->origin, sizeof l->origin, "%s:%lld", rk__path_name(l->path), line);
    return (rk_speaker){
        .place = l->place, .origin = l->origin, .folder = l->config->options.config_dir};
}

rk_status rk__config_unknown(const char *place, const char *section, const char *shown,
                             rk_scalar name)
{
    rk_buffer hint = {0};
    bool is_merge = name.length == 2 && memcmp(name.at, "<<", 2) == 0;
    if (is_merge) {
        rk__buffer_add(&hint, "; merge keys are not supported: write the keys out");
    } else {
        rk__suggest(&hint, section, name.at, name.length);
    }
    rk_status status = hint.status;
    if (status == RK_OK) {
        const char *dot = shown[0] != '\0' ? "." : "";
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__, "%s: unknown %s '%s%s%s'%s",
                          place, section[0] != '\0' ? "key" : "section", shown, dot,
                          rk__excerpt(name.at, name.length).text, hint.at);
    }
    rk__buffer_free(&hint);
    return status;
}

/* The key of a pair, which must be a word. */
static rk_status read_key(const yaml_node_t *node, const char *place, rk_scalar *out)
{
    if (node->type != YAML_SCALAR_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: a %s stands where a key is wanted", place,
                node->type == YAML_MAPPING_NODE ? "map" : "list");
    }
    *out = rk__yaml_scalar(node);
    return RK_OK;
}

/* Remembers where a key was seen; a second time is an error. */
static rk_status see(int64_t *seen, const yaml_node_t *node, const char *place, const char *name)
{
    if (*seen > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: '%s' is there twice; the first is in line %lld", place, name,
                (long long)*seen);
    }
    *seen = rk__yaml_line(node);
    return RK_OK;
}

static const char *kind_of(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE     ? "a value"
           : node->type == YAML_SEQUENCE_NODE ? "a list"
                                              : "a map";
}

/* One "key: value" of a section or of an element. */
static rk_status read_option(loader *l, rk_target target, const yaml_node_t *key,
                             const yaml_node_t *value, int64_t *seen)
{
    rk_status status = RK_OK;
    rk_speaker speaker = at_line(l, key);
    char *name = NULL;
    rk_raw raw;
    rk_scalar *items = NULL;
    RK_TRY_GOTO(done, rk__target_name(&name, target));
    RK_TRY_GOTO(done, see(&seen[rk__option_index(target.row)], key, speaker.place, name));
    RK_TRY_GOTO(done, rk__yaml_raw(l->yaml, value, speaker.place, name, &raw, &items));
    RK_TRY_GOTO(done, rk__config_assign(l->config, target, &raw, speaker));
done:
    rk__free(items);
    rk__free(name);
    return status;
}

static rk_status read_list(loader *l, rk_target target, const yaml_node_t *key,
                           const yaml_node_t *list);

/* The pairs of a map as keys of an element. */
static rk_status read_keys(loader *l, rk_target target, const char *name, const yaml_node_t *map)
{
    int64_t seen[RK_MOST_KEYS] = {0}, lists_seen[RK_MOST_LISTS] = {0}, n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    RK_ASSERT(target.list->n_rows <= RK_MOST_KEYS && n_lists <= RK_MOST_LISTS);
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(l->yaml, pair->key);
        const yaml_node_t *value = rk__yaml_node(l->yaml, pair->value);
        rk_speaker speaker = at_line(l, key);
        rk_scalar word;
        rk_target inner = target;
        RK_TRY(read_key(key, speaker.place, &word));
        inner.list = rk__list_find(target.list->name, word.at, word.length);
        if (inner.list) {
            inner.at[1] = -1;
            RK_TRY(see(&lists_seen[inner.list - lists], key, speaker.place, inner.list->key));
            RK_TRY(read_list(l, inner, key, value));
            continue;
        }
        inner = target;
        inner.row = rk__option_find(target.list->name, word.at, word.length);
        if (!inner.row) {
            return rk__config_unknown(speaker.place, target.list->name, name, word);
        }
        RK_TRY(read_option(l, inner, key, value, seen));
    }
    return RK_OK;
}

static rk_status read_element(loader *l, rk_target target, const yaml_node_t *map)
{
    rk_status status = RK_OK;
    char *name = NULL;
    rk_speaker speaker = at_line(l, map);
    RK_TRY(rk__target_name(&name, target));
    if (map->type != YAML_MAPPING_NODE) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: %s is %s; write its keys, e.g. '- %s'",
                     speaker.place, name, kind_of(map), target.list->example);
    }
    RK_TRY_GOTO(done, rk__list_add(l->config, target, speaker));
    RK_TRY_GOTO(done, read_keys(l, target, name, map));
done:
    rk__free(name);
    return status;
}

/* The target's last index does not matter. */
static rk_status read_list(loader *l, rk_target target, const yaml_node_t *key,
                           const yaml_node_t *list)
{
    char *name = NULL;
    int depth = rk__list_depth(target.list);
    if (rk__yaml_is_nothing(list)) {
        return RK_OK;
    }
    target.at[depth - 1] = -1;
    if (list->type != YAML_SEQUENCE_NODE) {
        RK_TRY(rk__target_name(&name, target));
        rk_status status =
            rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                     "%s: %s is a list of maps, not %s; begin each element with "
                     "'-', e.g. '- %s'",
                     at_line(l, key).place, name, kind_of(list), target.list->example);
        rk__free(name);
        return status;
    }
    target.at[depth - 1] = rk__list_count(l->config, target);
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++, target.at[depth - 1]++) {
        RK_TRY(read_element(l, target, rk__yaml_node(l->yaml, *item)));
    }
    return RK_OK;
}

static rk_status read_section(loader *l, const char *section, const yaml_node_t *map, int64_t *seen,
                              int64_t *lists_seen)
{
    int64_t n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    RK_ASSERT(n_lists <= RK_MOST_LISTS);
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(l->yaml, pair->key);
        const yaml_node_t *value = rk__yaml_node(l->yaml, pair->value);
        rk_speaker speaker = at_line(l, key);
        rk_scalar word;
        RK_TRY(read_key(key, speaker.place, &word));
        rk_target target = {.row = rk__option_find(section, word.at, word.length)};
        if (strcmp(section, "data") == 0) {
            target.list = rk__list_find(section, word.at, word.length);
        }
        if (target.list) {
            char name[48];
            snprintf(name, sizeof name, "data.%s", target.list->key);
            RK_TRY(see(&lists_seen[target.list - lists], key, speaker.place, name));
            RK_TRY(read_list(l, target, key, value));
        } else if (!target.row) {
            return rk__config_unknown(speaker.place, section, section, word);
        } else {
            RK_TRY(read_option(l, target, key, value, seen));
        }
    }
    return RK_OK;
}

static rk_status read_root(loader *l, const yaml_node_t *root, int64_t *seen)
{
    int64_t n_sections = 0, section_seen[16] = {0};
    int64_t lists_seen[RK_MOST_LISTS] = {0};
    const rk_option_section *sections = rk__option_sections(&n_sections);
    RK_ASSERT(n_sections <= 16);
    if (rk__yaml_is_nothing(root)) {
        return RK_OK;
    }
    if (root->type != YAML_MAPPING_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: a config is sections like 'train:' with keys below, not %s",
                at_line(l, root).place, kind_of(root));
    }
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(l->yaml, pair->key);
        const yaml_node_t *value = rk__yaml_node(l->yaml, pair->value);
        rk_speaker speaker = at_line(l, key);
        rk_scalar word;
        RK_TRY(read_key(key, speaker.place, &word));
        const rk_option_section *section = rk__section_find(word.at, word.length);
        if (!section) {
            return rk__config_unknown(speaker.place, "", "", word);
        }
        RK_TRY(see(&section_seen[section - sections], key, speaker.place, section->name));
        if (rk__yaml_is_nothing(value)) {
            continue;
        }
        if (value->type != YAML_MAPPING_NODE) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: '%s' is a section, not %s: write its keys indented below it",
                    speaker.place, section->name,
                    value->type == YAML_SCALAR_NODE ? "a value" : "a list");
        }
        RK_TRY(read_section(l, section->name, value, seen, lists_seen));
    }
    return RK_OK;
}

rk_status rk__config_read_list(rk_config *config, rk_target target, rk_yaml *yaml,
                               const yaml_node_t *list, rk_speaker speaker)
{
    loader l = {.config = config, .yaml = yaml, .fixed = &speaker};
    return read_list(&l, target, list, list);
}

rk_status rk__config_parse(rk_config **out, const char *path, const char *text, int64_t length)
{
    rk_status status = RK_OK;
    int64_t n_rows = 0, *seen = NULL;
    rk_yaml yaml = {0};
    loader l = {.yaml = &yaml, .path = path};
    rk__option_rows(&n_rows);
    RK_TRY_GOTO(done, rk__calloc(&seen, n_rows, sizeof *seen, "lines of options"));
    RK_TRY_GOTO(done, rk__config_create(&l.config, path));
    RK_TRY_GOTO(done, rk__yaml_parse(&yaml, path, true, text, length));
    const yaml_node_t *root = rk__yaml_root(&yaml);
    if (root) {
        RK_TRY_GOTO(done, read_root(&l, root, seen));
    }
    *out = l.config;
    l.config = NULL;
done:
    rk__yaml_free(&yaml);
    rk_config_free(l.config);
    rk__free(seen);
    return status;
}

rk_status rk_config_load(rk_config **out, const char *path)
{
    struct stat info;
    char *text = NULL;
    int64_t length = 0;
    if (stat(path, &info) != 0) {
        RK_FAIL(RK_ERR_CONFIG, "the config %s cannot be read: %s", path, strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        RK_FAIL(RK_ERR_CONFIG, "%s is a folder: name the YAML file in it", path);
    }
    if (info.st_size > RK_LONGEST_YAML) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %lld bytes are too long for a config (%d at most)", path,
                (long long)info.st_size, RK_LONGEST_YAML);
    }
    RK_TRY(rk__file_read(path, &text, &length));
    rk_status status = rk__config_parse(out, path, text, length);
    rk__free(text);
    return status;
}
