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

/* The word at the beginning of a name, up to '.' or '['. */
static rk_scalar first_word(rk_scalar name)
{
    size_t length = 0;
    while (length < name.length && name.at[length] != '.' && name.at[length] != '[') {
        length++;
    }
    return (rk_scalar){.at = name.at, .length = length};
}

static rk_scalar behind(rk_scalar name, size_t length)
{
    return (rk_scalar){.at = name.at + length, .length = name.length - length};
}

/* "[12].KEY" behind a list's name: the number, and KEY. The index may be one past the end. */
static rk_status parse_index(const char *place, const rk_config *config, rk_scalar name,
                             rk_target *target, rk_scalar *inout_rest)
{
    rk_scalar rest = *inout_rest;
    char *list = NULL;
    int64_t index = 0, count = rk__list_count(config, *target);
    const char *at = rest.at, *end = rest.at + rest.length;
    const char *close = memchr(at, ']', rest.length), *key = target->list->rows[0].key;
    RK_TRY(rk__target_name(&list, *target));
    rk_status status = RK_OK;
    if (*at != '[' || !close ||
        rk__parse_int(at + 1, (size_t)(close - at - 1), &index) != RK_PARSE_OK || index < 0) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: '%s' should look like %s[0].%s", place,
                     rk__excerpt(name.at, name.length).text, list, key);
    }
    if (close + 1 == end || close[1] != '.') {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: name a key of the element, e.g. %s[%lld].%s", place,
                     list, (long long)index, key);
    }
    if (index > count) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "%s: the length of %s is %lld, so the index is at most %lld", place, list,
                     (long long)count, (long long)count);
    }
    target->at[rk__list_depth(target->list) - 1] = index;
    *inout_rest = behind(rest, (size_t)(close + 2 - at));
done:
    rk__free(list);
    return status;
}

/* The rest of a name behind that of a list. Without a rest it is the whole list (no row). */
static rk_status parse_in_list(const char *place, const rk_config *config, rk_scalar name,
                               rk_scalar rest, rk_target *target)
{
    while (rest.length > 0) {
        RK_TRY(parse_index(place, config, name, target, &rest));
        rk_scalar word = first_word(rest);
        const rk_option_list *inner = rk__list_find(target->list->name, word.at, word.length);
        if (!inner) {
            char *shown = NULL;
            target->row = rk__option_find(target->list->name, rest.at, rest.length);
            if (target->row) {
                return RK_OK;
            }
            RK_TRY(rk__target_name(&shown, *target));
            rk_status status = rk__config_unknown(place, target->list->name, shown, rest);
            rk__free(shown);
            return status;
        }
        target->list = inner;
        target->at[1] = -1;
        rest = behind(rest, word.length);
    }
    return RK_OK;
}

/* What a name like "train.epochs", "data.sources" or "data.features[0].columns[1].kind" means. */
static rk_status parse_name(const char *place, const rk_config *config, rk_scalar name,
                            rk_target *out)
{
    *out = (rk_target){.at = {-1, -1}};
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
    rk_scalar key = behind(name, section_length + 1), word = first_word(key);
    if (strcmp(section->name, "data") == 0) {
        out->list = rk__list_find("data", word.at, word.length);
    }
    if (out->list) {
        return parse_in_list(place, config, name, behind(key, word.length), out);
    }
    out->row = rk__option_find(section->name, key.at, key.length);
    if (word.length < key.length && key.at[word.length] == '[') {
        key = word; /* the list is what is not known */
    }
    return out->row ? RK_OK : rk__config_unknown(place, section->name, section->name, key);
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

/* Adds the elements that a name asks for, at most one to each list; *out_kept: what to keep of the
 * outermost of them to undo that. */
static rk_status add_elements(rk_config *config, rk_target target, int64_t depth,
                              rk_speaker speaker, rk_target *out_first, int64_t *out_kept)
{
    *out_kept = -1;
    for (int64_t level = 0; level < depth; level++) {
        rk_target place = target;
        bool is_outer = level + 1 < rk__list_depth(target.list);
        place.list = is_outer ? rk__list_of(target.list->parent) : target.list;
        int64_t count = rk__list_count(config, place);
        if (place.at[level] == count) {
            if (*out_kept < 0) {
                *out_first = place;
                *out_kept = count;
            }
            RK_TRY(rk__list_add(config, place, speaker));
        }
    }
    return RK_OK;
}

/* data.sources=[{file: a.csv}, ...] takes the place of the whole list. */
static rk_status set_list(rk_config *config, rk_target target, const char *text, rk_speaker speaker)
{
    rk_status status = RK_OK;
    rk_yaml yaml = {0};
    char *name = NULL;
    int64_t kept = -1;
    rk_target first = target;
    RK_TRY(rk__target_name(&name, target));
    RK_TRY_GOTO(done, rk__yaml_parse(&yaml, speaker.place, false, text, (int64_t)strlen(text)));
    const yaml_node_t *root = rk__yaml_root(&yaml);
    if (!root || root->type != YAML_SEQUENCE_NODE) {
        const char *example = target.list->example;
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "%s: %s is a list of maps: set a key of one, e.g. %s[0].%s=..., or write "
                     "[%s%s%s]",
                     speaker.place, name, name, target.list->rows[0].key,
                     example[0] == '{' ? "" : "{", example, example[0] == '{' ? "" : "}");
    }
    RK_TRY_GOTO(done, add_elements(config, target, rk__list_depth(target.list) - 1, speaker, &first,
                                   &kept));
    rk_elements old = rk__list_take(config, target);
    status = rk__config_read_list(config, target, &yaml, root, speaker);
    rk_elements fresh = rk__list_take(config, target);
    rk__list_put(config, target, status == RK_OK ? old : fresh);
    rk__list_put(config, target, status == RK_OK ? fresh : old);
done:
    if (status != RK_OK && kept >= 0) {
        rk__list_keep(config, first, kept);
    }
    rk__yaml_free(&yaml);
    rk__free(name);
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
    int64_t kept = -1;
    rk_target first = target;
    char *name = NULL, *yaml_text = NULL;
    rk_yaml yaml = {0};
    rk_raw raw;
    rk_scalar *items = NULL;
    RK_TRY_GOTO(done, rk__target_name(&name, target));
    RK_TRY_GOTO(done,
                read_value(target.row, text, speaker.place, name, &yaml, &raw, &yaml_text, &items));
    if (target.list) {
        RK_TRY_GOTO(done, add_elements(config, target, rk__list_depth(target.list), speaker, &first,
                                       &kept));
    }
    RK_TRY_GOTO(done, rk__config_assign(config, target, &raw, speaker));
done:
    if (status != RK_OK && kept >= 0) {
        rk__list_keep(config, first, kept);
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
    rk_target target;
    origin = origin ? origin : "set";
    RK_TRY(rk__format(&place, "%s %s", origin, rk__excerpt(assignment, strlen(assignment)).text));
    rk_speaker speaker = {.place = place, .origin = origin, .folder = "."};
    if (!equals) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: write KEY=VALUE, e.g. train.epochs=5", place);
    }
    rk_scalar name = trim(assignment, (size_t)(equals - assignment));
    RK_TRY_GOTO(done, parse_name(place, config, name, &target));
    status = target.row ? set_one(config, target, equals + 1, speaker)
                        : set_list(config, target, equals + 1, speaker);
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
    rk_target target;
    rk_scalar name = {.at = key, .length = strlen(key)};
    RK_TRY(parse_name("config", config, name, &target));
    if (!target.row) {
        RK_FAIL(RK_ERR_CONFIG, "%s is a list: ask for %s[0].%s", key, key,
                target.list->rows[0].key);
    }
    if (target.list && !rk__config_has(config, target)) {
        RK_FAIL(RK_ERR_CONFIG, "there is no %s: the list has no such element", key);
    }
    *out = rk__config_field(config, target);
    return RK_OK;
}

rk_status rk_config_get(const rk_config *config, const char *key, const char **out_text)
{
    rk_field *field = NULL;
    RK_TRY(find_field(config, key, &field));
    *out_text = field->text;
    return RK_OK;
}

rk_status rk_config_get_origin(const rk_config *config, const char *key, const char **out_text)
{
    rk_field *field = NULL;
    RK_TRY(find_field(config, key, &field));
    *out_text = field->origin;
    return RK_OK;
}

const char *rk__config_origin(const rk_config *config, const char *key)
{
    rk_field *field = NULL;
    rk_status status = find_field(config, key, &field);
    RK_ASSERT(status == RK_OK);
    return field->origin;
}
