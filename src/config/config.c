/*
 * The config object: values with their texts and origins. Every change goes through
 * rk__config_assign, which checks first and stores then.
 */
#include <string.h>

#include "base/alloc.h"
#include "config/internal.h"
#include "config/paths.h"

static const char default_origin[] = "default";

/* What has the list: the options, or an element of another list; NULL: that one is not there. */
static void *owner_of(const rk_config *config, rk_target target);

static void *elements_of(const rk_option_list *list, const void *owner, int64_t *out_n)
{
    void *elements = NULL;
    memcpy(&elements, (const char *)owner + list->elements, sizeof elements);
    memcpy(out_n, (const char *)owner + list->count, sizeof *out_n);
    return elements;
}

static void set_elements(const rk_option_list *list, void *owner, void *elements, int64_t n)
{
    memcpy((char *)owner + list->elements, &elements, sizeof elements);
    memcpy((char *)owner + list->count, &n, sizeof n);
}

/* The index of the target in its own list. */
static int64_t last_index(rk_target target)
{
    return target.at[rk__list_depth(target.list) - 1];
}

/* NULL: it is not there. */
static void *element_of(const rk_config *config, rk_target target)
{
    int64_t n = 0, index = last_index(target);
    void *owner = owner_of(config, target);
    char *elements = owner ? elements_of(target.list, owner, &n) : NULL;
    return index >= 0 && index < n ? elements + (size_t)index * target.list->size : NULL;
}

static void *owner_of(const rk_config *config, rk_target target)
{
    if (target.list->parent[0] == '\0') {
        return (void *)(uintptr_t)&config->options;
    }
    target.list = rk__list_of(target.list->parent);
    return element_of(config, target);
}

static rk_field *said_of(const rk_option_list *list, const void *element)
{
    rk_field *said = NULL;
    memcpy(&said, (const char *)element + list->said, sizeof said);
    return said;
}

rk_field *rk__config_field(const rk_config *config, rk_target target)
{
    int64_t row = rk__option_index(target.row);
    if (!target.list) {
        return &config->fields[row];
    }
    void *element = element_of(config, target);
    RK_ASSERT(element != NULL);
    return &said_of(target.list, element)[row];
}

bool rk__config_has(const rk_config *config, rk_target target)
{
    return element_of(config, target) != NULL;
}

rk_status rk__target_name(char **out, rk_target target)
{
    rk_buffer text = {0};
    if (!target.list) {
        return rk__format(out, "%s.%s", target.row->section, target.row->key);
    }
    rk__buffer_add(&text, "data");
    if (target.list->parent[0] != '\0') {
        rk__buffer_add(&text, ".%s[%lld]", rk__list_of(target.list->parent)->key,
                       (long long)target.at[0]);
    }
    rk__buffer_add(&text, ".%s", target.list->key);
    if (last_index(target) >= 0) {
        rk__buffer_add(&text, "[%lld]", (long long)last_index(target));
    }
    if (target.row) {
        rk__buffer_add(&text, ".%s", target.row->key);
    }
    return rk__buffer_take(&text, out);
}

static bool is_name_of_data(const rk_option *row)
{
    return strcmp(row->key, "name") == 0 && strcmp(row->section, "data") == 0;
}

/* What an option's text stands for: paths become absolute, an empty data.name the config's name.
 * *out is NULL when the text stands for itself. */
static rk_status resolve(const rk_config *config, const rk_option *row, const rk_raw *raw,
                         const char *folder, char **out)
{
    *out = NULL;
    if (raw->kind != RK_RAW_SCALAR || raw->one.length > RK_LONGEST_VALUE ||
        memchr(raw->one.at, '\0', raw->one.length)) {
        return RK_OK; /* rk__value_parse says what is wrong */
    }
    bool is_empty = raw->one.length == 0;
    if (row->type == RK_TYPE_PATH) {
        char *path = NULL;
        RK_TRY(rk__strndup(&path, raw->one.at, raw->one.length));
        rk_status status =
            rk__path_absolute(out, is_empty ? config->options.config_dir : folder, path);
        rk__free(path);
        return status;
    }
    if (is_empty && is_name_of_data(row)) {
        return rk__strdup(out, config->options.config_name);
    }
    return RK_OK;
}

/* What a field owns: texts of a default are those of the table of options, where they can be. */
static void free_field(const rk_option *row, rk_field *field)
{
    if (field->text != row->default_text) {
        rk__free((void *)(uintptr_t)field->text);
    }
    if (field->origin != default_origin) {
        rk__free((void *)(uintptr_t)field->origin);
    }
}

/* The value (it is taken over) and its field in the place of the old ones. */
static void store(rk_config *config, rk_target target, rk_option_value *value, rk_field fresh)
{
    rk_field *field = rk__config_field(config, target);
    free_field(target.row, field);
    *field = fresh;
    rk__value_store(target.row, target.list ? element_of(config, target) : &config->options, value);
}

rk_status rk__config_assign(rk_config *config, rk_target target, const rk_raw *raw,
                            rk_speaker speaker)
{
    rk_status status = RK_OK;
    rk_option_value value = {0};
    rk_raw resolved_raw = *raw;
    char *name = NULL, *resolved = NULL, *origin = NULL;
    RK_TRY_GOTO(done, rk__target_name(&name, target));
    RK_TRY_GOTO(done, resolve(config, target.row, raw, speaker.folder, &resolved));
    if (resolved) {
        resolved_raw.one = (rk_scalar){.at = resolved, .length = strlen(resolved), .quoted = true};
    }
    RK_TRY_GOTO(done, rk__strdup(&origin, speaker.origin));
    RK_TRY_GOTO(done, rk__value_parse(&value, target.row, &resolved_raw, speaker.place, name,
                                      speaker.folder));
    store(config, target, &value, (rk_field){.text = value.text, .origin = origin});
    origin = NULL;
done:
    rk__free(origin);
    rk__free(resolved);
    rk__free(name);
    return status;
}

/* Configs are made often and consist of defaults: nothing is allocated for a number. */
static rk_status assign_default(rk_config *config, rk_target target)
{
    const rk_option *row = target.row;
    rk_option_value value = {0};
    rk_field field = {.text = row->default_text, .origin = default_origin};
    if (row->type == RK_TYPE_PATH || is_name_of_data(row)) {
        rk_scalar text = {.at = row->default_text, .length = strlen(row->default_text)};
        rk_raw raw = {.kind = RK_RAW_SCALAR, .one = text};
        rk_speaker speaker = {.place = "default", .origin = "default", .folder = "."};
        return rk__config_assign(config, target, &raw, speaker);
    }
    RK_TRY(rk__value_default(&value, row));
    if (value.text) {
        field.text = value.text;
    }
    store(config, target, &value, field);
    return RK_OK;
}

static void free_element(const rk_option_list *list, char *element);

static void free_elements(const rk_option_list *list, char *elements, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        free_element(list, elements + (size_t)i * list->size);
    }
    rk__free(elements);
}

static void free_element(const rk_option_list *list, char *element)
{
    int64_t n_lists = 0, n = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n_lists; i++) {
        if (strcmp(lists[i].parent, list->name) == 0) {
            void *inner = elements_of(&lists[i], element, &n);
            free_elements(&lists[i], inner, n);
        }
    }
    rk_field *said = said_of(list, element);
    for (int64_t i = 0; i < list->n_rows; i++) {
        if (said) {
            free_field(&list->rows[i], &said[i]);
        }
        rk__value_free(&list->rows[i], element);
    }
    char *origin = NULL;
    memcpy(&origin, element + list->origin, sizeof origin);
    rk__free(origin);
    rk__free(said);
}

int64_t rk__list_count(const rk_config *config, rk_target target)
{
    int64_t n = 0;
    void *owner = owner_of(config, target);
    if (owner) {
        elements_of(target.list, owner, &n);
    }
    return n;
}

/* Room for one more: a list of n has room for the next power of two. */
static rk_status grow(const rk_option_list *list, void *owner)
{
    int64_t n = 0;
    void *elements = elements_of(list, owner, &n);
    if ((n & (n - 1)) == 0) {
        RK_TRY(rk__realloc(&elements, n, n == 0 ? 1 : 2 * n, list->size, list->key));
        set_elements(list, owner, elements, n);
    }
    return RK_OK;
}

rk_status rk__list_add(rk_config *config, rk_target target, rk_speaker speaker)
{
    rk_status status = RK_OK;
    const rk_option_list *list = target.list;
    void *owner = owner_of(config, target);
    int64_t n = 0;
    char *origin = NULL;
    rk_field *said = NULL;
    RK_ASSERT(owner != NULL);
    elements_of(list, owner, &n);
    RK_ASSERT(n == last_index(target));
    if (n == RK_MOST_ELEMENTS) {
        RK_FAIL(RK_ERR_CONFIG, "%s: more than %d %s", speaker.place, RK_MOST_ELEMENTS, list->key);
    }
    RK_TRY(grow(list, owner));
    char *element = (char *)elements_of(list, owner, &n) + (size_t)n * list->size;
    memset(element, 0, list->size);
    set_elements(list, owner, elements_of(list, owner, &n), n + 1);
    RK_TRY_GOTO(failed, rk__strdup(&origin, speaker.origin));
    memcpy(element + list->origin, &origin, sizeof origin);
    RK_TRY_GOTO(failed, rk__calloc(&said, list->n_rows, sizeof *said, list->key));
    memcpy(element + list->said, &said, sizeof said);
    for (int64_t i = 0; i < list->n_rows; i++) {
        target.row = &list->rows[i];
        RK_TRY_GOTO(failed, assign_default(config, target));
    }
    return RK_OK;
failed:
    rk__list_keep(config, target, n);
    return status;
}

void rk__list_keep(rk_config *config, rk_target target, int64_t n)
{
    const rk_option_list *list = target.list;
    void *owner = owner_of(config, target);
    int64_t n_before = 0;
    char *elements = owner ? elements_of(list, owner, &n_before) : NULL;
    for (int64_t i = n; i < n_before; i++) {
        free_element(list, elements + (size_t)i * list->size);
    }
    if (n < n_before) {
        set_elements(list, owner, elements, n);
    }
}

rk_elements rk__list_take(rk_config *config, rk_target target)
{
    rk_elements elements;
    void *owner = owner_of(config, target);
    RK_ASSERT(owner != NULL);
    elements.at = elements_of(target.list, owner, &elements.n);
    set_elements(target.list, owner, NULL, 0);
    return elements;
}

void rk__list_put(rk_config *config, rk_target target, rk_elements elements)
{
    rk_elements now = rk__list_take(config, target);
    free_elements(target.list, now.at, now.n);
    set_elements(target.list, owner_of(config, target), elements.at, elements.n);
}

rk_status rk__config_create(rk_config **out, const char *path)
{
    rk_status status = RK_OK;
    rk_config *config = NULL;
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    RK_TRY(rk__calloc(&config, 1, sizeof *config, "a config"));
    RK_TRY_GOTO(done, rk__calloc(&config->fields, n, sizeof *config->fields, "a config"));
    RK_TRY_GOTO(done, rk__path_folder(&config->options.config_dir, path ? path : ""));
    RK_TRY_GOTO(done, rk__path_stem(&config->options.config_name, path ? path : "run"));
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, assign_default(config, (rk_target){.row = &rows[i]}));
    }
    *out = config;
    config = NULL;
done:
    rk_config_free(config);
    return status;
}

rk_status rk_config_create(rk_config **out)
{
    return rk__config_create(out, NULL);
}

static void free_lists(rk_config *config)
{
    int64_t n_lists = 0, n = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n_lists; i++) {
        if (lists[i].parent[0] == '\0') {
            void *elements = elements_of(&lists[i], &config->options, &n);
            free_elements(&lists[i], elements, n);
        }
    }
}

void rk_config_free(rk_config *config)
{
    if (!config) {
        return;
    }
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; config->fields && i < n; i++) {
        free_field(&rows[i], &config->fields[i]);
        rk__value_free(&rows[i], &config->options);
    }
    free_lists(config);
    for (int64_t i = 0; i < config->options.n_members; i++) {
        rk_config_free(config->options.members[i]);
    }
    rk__free(config->options.members);
    rk__free(config->fields);
    rk__free(config->options.config_dir);
    rk__free(config->options.config_name);
    rk__free(config);
}

rk_status rk__config_add_member(rk_config *config, rk_config *member)
{
    rk_options *o = &config->options;
    rk_status status = rk__realloc(&o->members, o->n_members, o->n_members + 1, sizeof(rk_config *),
                                   "the members of an ensemble");
    if (status != RK_OK) {
        rk_config_free(member);
        return status;
    }
    o->members[o->n_members++] = member;
    return RK_OK;
}

/* A text of its own in the place of the one that is there. */
static rk_status replace(const char **text, const char *by)
{
    char *fresh = NULL;
    if (by != default_origin) {
        RK_TRY(rk__strdup(&fresh, by));
    }
    if (*text != default_origin) {
        rk__free((void *)(uintptr_t)*text);
    }
    *text = fresh ? fresh : default_origin;
    return RK_OK;
}

/* Where a list's elements and their values came from; the target's last index does not matter. */
static rk_status copy_list_origins(const rk_config *config, rk_config *copy, rk_target target)
{
    const rk_option_list *list = target.list;
    int64_t n_lists = 0, n = rk__list_count(config, target);
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n; i++) {
        const char *origin = NULL, *old = NULL;
        target.at[rk__list_depth(list) - 1] = i;
        char *element = element_of(copy, target);
        memcpy(&origin, (char *)element_of(config, target) + list->origin, sizeof origin);
        memcpy(&old, element + list->origin, sizeof old);
        RK_TRY(replace(&old, origin));
        memcpy(element + list->origin, &old, sizeof old);
        for (int64_t r = 0; r < list->n_rows; r++) {
            target.row = &list->rows[r];
            RK_TRY(replace(&rk__config_field(copy, target)->origin,
                           rk__config_field(config, target)->origin));
        }
        target.row = NULL;
        for (int64_t l = 0; l < n_lists; l++) {
            if (strcmp(lists[l].parent, list->name) == 0) {
                target.list = &lists[l];
                RK_TRY(copy_list_origins(config, copy, target));
            }
        }
        target.list = list;
    }
    return RK_OK;
}

static rk_status copy_origins(const rk_config *config, rk_config *copy)
{
    int64_t n_rows = 0, n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    (void)rk__option_rows(&n_rows);
    for (int64_t i = 0; i < n_rows; i++) {
        RK_TRY(replace(&copy->fields[i].origin, config->fields[i].origin));
    }
    for (int64_t l = 0; l < n_lists; l++) {
        if (lists[l].parent[0] == '\0') {
            RK_TRY(copy_list_origins(config, copy, (rk_target){.list = &lists[l]}));
        }
    }
    return RK_OK;
}

rk_status rk__config_copy(const rk_config *config, rk_config **out)
{
    char *text = NULL;
    rk_config *copy = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk_config_text(config, false, &text));
    RK_TRY_GOTO(done, rk__config_parse(&copy, "config", text, (int64_t)strlen(text)));
    RK_TRY_GOTO(done, copy_origins(config, copy));
    for (int64_t i = 0; i < config->options.n_members; i++) {
        rk_config *member = NULL;
        RK_TRY_GOTO(done, rk__config_copy(config->options.members[i], &member));
        RK_TRY_GOTO(done, rk__config_add_member(copy, member));
    }
    *out = copy;
    copy = NULL;
done:
    rk_config_free(copy);
    rk_string_free(text);
    return status;
}

const rk_options *rk__config_options(const rk_config *config)
{
    return &config->options;
}

void rk_string_free(char *text)
{
    rk__free(text);
}
