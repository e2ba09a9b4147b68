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

/* One "key: value" of a section or of a source. */
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

static rk_status read_source(loader *l, const yaml_node_t *map)
{
    rk_speaker speaker = at_line(l, map);
    int64_t n_rows = 0, seen[32] = {0}, index = l->config->options.n_sources;
    rk__source_rows(&n_rows);
    RK_ASSERT(n_rows <= 32);
    if (map->type != YAML_MAPPING_NODE) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: data.sources[%lld] is %s; write its keys, e.g. '- file: ratings.csv'",
                speaker.place, (long long)index, kind_of(map));
    }
    RK_TRY(rk__config_add_source(l->config, speaker));
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(l->yaml, pair->key);
        rk_scalar word;
        char shown[48];
        speaker = at_line(l, key);
        RK_TRY(read_key(key, speaker.place, &word));
        const rk_option *row = rk__option_find("source", word.at, word.length);
        if (!row) {
            snprintf(shown, sizeof shown, "data.sources[%lld]", (long long)index);
            return rk__config_unknown(speaker.place, "source", shown, word);
        }
        rk_target target = {.row = row, .source = index};
        RK_TRY(read_option(l, target, key, rk__yaml_node(l->yaml, pair->value), seen));
    }
    return RK_OK;
}

static rk_status read_sources(loader *l, const yaml_node_t *key, const yaml_node_t *list)
{
    if (rk__yaml_is_nothing(list)) {
        return RK_OK;
    }
    if (list->type != YAML_SEQUENCE_NODE) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: data.sources is a list of maps, not %s; begin each source with '-', e.g. "
                "'- file: ratings.csv'",
                at_line(l, key).place, kind_of(list));
    }
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        RK_TRY(read_source(l, rk__yaml_node(l->yaml, *item)));
    }
    return RK_OK;
}

static rk_status read_section(loader *l, const char *section, const yaml_node_t *map, int64_t *seen,
                              int64_t *sources_seen)
{
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(l->yaml, pair->key);
        const yaml_node_t *value = rk__yaml_node(l->yaml, pair->value);
        rk_speaker speaker = at_line(l, key);
        rk_scalar word;
        RK_TRY(read_key(key, speaker.place, &word));
        const rk_option *row = rk__option_find(section, word.at, word.length);
        bool is_sources = strcmp(section, "data") == 0 && word.length == strlen("sources") &&
                          memcmp(word.at, "sources", word.length) == 0;
        if (is_sources) {
            RK_TRY(see(sources_seen, key, speaker.place, "data.sources"));
            RK_TRY(read_sources(l, key, value));
        } else if (!row) {
            return rk__config_unknown(speaker.place, section, section, word);
        } else {
            RK_TRY(read_option(l, (rk_target){.row = row, .source = -1}, key, value, seen));
        }
    }
    return RK_OK;
}

static rk_status read_root(loader *l, const yaml_node_t *root, int64_t *seen)
{
    int64_t n_sections = 0, section_seen[16] = {0}, sources_seen = 0;
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
        RK_TRY(read_section(l, section->name, value, seen, &sources_seen));
    }
    return RK_OK;
}

rk_status rk__config_read_sources(rk_config *config, rk_yaml *yaml, const yaml_node_t *list,
                                  rk_speaker speaker)
{
    loader l = {.config = config, .yaml = yaml, .fixed = &speaker};
    return read_sources(&l, list, list);
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
