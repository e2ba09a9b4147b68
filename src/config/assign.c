/*
 * One option by its name: rk_config_set, rk_config_get, rk__config_origin.
 *
 * On a command line a text is taken as it stands (no YAML surprises with ':' and '#') unless it
 * begins with a quote; a list may do without its brackets.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/internal.h"

static const char sources_name[] = "data.sources";

/* What a name like "train.epochs", "data.sources" or "data.sources[0].file" means. */
typedef struct name_parts {
    rk_target target;
    bool is_sources; /* the whole list */
} name_parts;

/* "data.sources[12].KEY": the number and where the key begins. */
static rk_status parse_index(const char *place, rk_scalar name, int64_t n_sources, int64_t *out,
                             rk_scalar *out_key)
{
    const char *at = name.at + strlen(sources_name), *end = name.at + name.length;
    const char *close = memchr(at, ']', (size_t)(end - at));
    int64_t index = 0;
    if (*at != '[' || !close ||
        rk__parse_int(at + 1, (size_t)(close - at - 1), &index) != RK_PARSE_OK || index < 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: '%s' should look like data.sources[0].file", place,
                rk__excerpt(name.at, name.length).text);
    }
    if (close + 1 == end || close[1] != '.') {
        RK_FAIL(RK_ERR_CONFIG, "%s: name a key of the source, e.g. data.sources[%lld].file", place,
                (long long)index);
    }
    if (index > n_sources) {
        RK_FAIL(RK_ERR_CONFIG, "%s: there are %lld sources, so the index is at most %lld", place,
                (long long)n_sources, (long long)n_sources);
    }
    *out = index;
    *out_key = (rk_scalar){.at = close + 2, .length = (size_t)(end - close - 2)};
    return RK_OK;
}

/* The index of a source may be one past the end. */
static rk_status parse_name(const char *place, rk_scalar name, int64_t n_sources, name_parts *out)
{
    *out = (name_parts){.target = {.source = -1}};
    size_t prefix = strlen(sources_name);
    bool begins = name.length >= prefix && memcmp(name.at, sources_name, prefix) == 0;
    if (begins && name.length == prefix) {
        out->is_sources = true;
        return RK_OK;
    }
    rk_scalar key;
    if (begins && (name.at[prefix] == '[' || name.at[prefix] == '.')) {
        RK_TRY(parse_index(place, name, n_sources, &out->target.source, &key));
        out->target.row = rk__option_find("source", key.at, key.length);
        char shown[48];
        snprintf(shown, sizeof shown, "%s[%lld]", sources_name, (long long)out->target.source);
        return out->target.row ? RK_OK : rk__config_unknown(place, "source", shown, key);
    }
    const char *dot = memchr(name.at, '.', name.length);
    size_t section_length = dot ? (size_t)(dot - name.at) : name.length;
    const rk_option_section *section = rk__section_find(name.at, section_length);
    if (!dot && section) {
        RK_FAIL(RK_ERR_CONFIG, "%s: '%s' is a section: set one of its keys, e.g. train.epochs=5",
                place, section->name);
    }
    if (!section) {
        rk_scalar word = {.at = name.at, .length = section_length};
        return rk__config_unknown(place, "", "", word);
    }
    key = (rk_scalar){.at = dot + 1, .length = name.length - section_length - 1};
    out->target.row = rk__option_find(section->name, key.at, key.length);
    return out->target.row ? RK_OK : rk__config_unknown(place, section->name, section->name, key);
}

static rk_scalar trim(const char *text, size_t length)
{
    while (length > 0 && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    return (rk_scalar){.at = text, .length = length};
}

/* data.sources=[{file: a.csv}, ...] takes the place of the whole list. */
static rk_status set_sources(rk_config *config, const char *text, rk_speaker speaker)
{
    rk_status status = RK_OK;
    rk_yaml yaml = {0};
    RK_TRY(rk__yaml_parse(&yaml, speaker.place, false, text, (int64_t)strlen(text)));
    const yaml_node_t *root = rk__yaml_root(&yaml);
    if (!root || root->type != YAML_SEQUENCE_NODE) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "%s: data.sources is a list of maps: set a key of one, e.g. "
                     "data.sources[0].file=ratings.csv, or write [{file: ratings.csv}]",
                     speaker.place);
    }
    /* Into a config of its own, so that the old list stays when something is wrong. */
    rk_config fresh = {.options = {.config_dir = config->options.config_dir,
                                   .config_name = config->options.config_name}};
    status = rk__config_read_sources(&fresh, &yaml, root, speaker);
    if (status == RK_OK) {
        rk__config_swap_sources(config, &fresh);
    }
    rk__config_free_sources(&fresh);
done:
    rk__yaml_free(&yaml);
    return status;
}

/* The value text as a raw value; *out_text and *out_items back it and are freed by the caller. */
static rk_status read_value(const rk_option *row, const char *text, const char *place,
                            const char *name, rk_yaml *yaml, rk_raw *out, char **out_text,
                            rk_scalar **out_items)
{
    rk_scalar trimmed = trim(text, strlen(text));
    bool wants_list = rk__option_is_list(row);
    char first = trimmed.length > 0 ? trimmed.at[0] : '\0';
    bool is_yaml = first == '"' || first == '\'' || (wants_list && first == '[');
    bool is_text = row->type == RK_TYPE_STRING || row->type == RK_TYPE_PATH;
    if (!is_yaml && !wants_list) {
        rk_scalar whole = {.at = text, .length = strlen(text)};
        *out = (rk_raw){.kind = RK_RAW_SCALAR, .one = is_text ? whole : trimmed};
        return RK_OK;
    }
    RK_TRY(rk__format(out_text, is_yaml ? "%.*s" : "[%.*s]", (int)trimmed.length, trimmed.at));
    RK_TRY(rk__yaml_parse(yaml, place, false, *out_text, (int64_t)strlen(*out_text)));
    return rk__yaml_raw(yaml, rk__yaml_root(yaml), place, name, out, out_items);
}

static rk_status set_one(rk_config *config, rk_target target, const char *text, rk_speaker speaker)
{
    rk_status status = RK_OK;
    int64_t n_before = config->options.n_sources;
    char *name = NULL, *yaml_text = NULL;
    rk_yaml yaml = {0};
    rk_raw raw;
    rk_scalar *items = NULL;
    RK_TRY_GOTO(done, rk__target_name(&name, target));
    RK_TRY_GOTO(done,
                read_value(target.row, text, speaker.place, name, &yaml, &raw, &yaml_text, &items));
    if (target.source == n_before) {
        RK_TRY_GOTO(done, rk__config_add_source(config, speaker));
    }
    RK_TRY_GOTO(done, rk__config_assign(config, target, &raw, speaker));
done:
    if (status != RK_OK) {
        rk__config_keep_sources(config, n_before);
    }
    rk__free(items);
    rk__yaml_free(&yaml);
    rk__free(yaml_text);
    rk__free(name);
    return status;
}

rk_status rk_config_set(rk_config *config, const char *assignment, const char *origin)
{
    rk_status status = RK_OK;
    char *place = NULL;
    const char *equals = strchr(assignment, '=');
    name_parts parts;
    origin = origin ? origin : "set";
    RK_TRY(rk__format(&place, "%s %s", origin, rk__excerpt(assignment, strlen(assignment)).text));
    rk_speaker speaker = {.place = place, .origin = origin, .folder = "."};
    if (!equals) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: write KEY=VALUE, e.g. train.epochs=5", place);
    }
    rk_scalar name = trim(assignment, (size_t)(equals - assignment));
    RK_TRY_GOTO(done, parse_name(place, name, config->options.n_sources, &parts));
    status = parts.is_sources ? set_sources(config, equals + 1, speaker)
                              : set_one(config, parts.target, equals + 1, speaker);
done:
    rk__free(place);
    return status;
}

static rk_status set_text(rk_config *config, const char *key, const char *text, const char *origin)
{
    char *assignment = NULL;
    RK_TRY(rk__format(&assignment, "%s=%s", key, text));
    rk_status status = rk_config_set(config, assignment, origin);
    rk__free(assignment);
    return status;
}

rk_status rk_config_set_device(rk_config *config, const char *device, const char *origin)
{
    static const char indexed[] = "cuda:";
    size_t length = strlen(indexed);
    if (strncmp(device, indexed, length) == 0) {
        RK_TRY(set_text(config, "cuda.device", device + length, origin));
        device = "cuda";
    }
    return set_text(config, "run.device", device, origin);
}

/* The field of a scalar option that is there. */
static rk_status find_field(const rk_config *config, const char *key, rk_field **out)
{
    name_parts parts;
    int64_t n = config->options.n_sources;
    rk_scalar name = {.at = key, .length = strlen(key)};
    RK_TRY(parse_name("config", name, n, &parts));
    if (parts.is_sources) {
        RK_FAIL(RK_ERR_CONFIG, "data.sources is a list: ask for data.sources[0].file");
    }
    if (parts.target.source == n) {
        RK_FAIL(RK_ERR_CONFIG, "there is no %s: the config has %lld sources", key, (long long)n);
    }
    *out = rk__config_field(config, parts.target);
    return RK_OK;
}

rk_status rk_config_get(const rk_config *config, const char *key, const char **out_text)
{
    rk_field *field = NULL;
    RK_TRY(find_field(config, key, &field));
    *out_text = field->text;
    return RK_OK;
}

const char *rk__config_origin(const rk_config *config, const char *key)
{
    rk_field *field = NULL;
    rk_status status = find_field(config, key, &field);
    RK_ASSERT(status == RK_OK);
    return field->origin;
}
