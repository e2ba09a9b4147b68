#include "config/schema.h"

#include <stdio.h>
#include <string.h>

#define ROW(section_, key_, type_, default_, min_, max_, only_with_, help_, offset_)               \
    {.section = #section_,                                                                         \
     .key = #key_,                                                                                 \
     .type = RK_TYPE_##type_,                                                                      \
     .default_text = default_,                                                                     \
     .minimum = min_ "\0",                                                                         \
     .maximum = max_,                                                                              \
     .only_with = only_with_,                                                                      \
     .help = help_,                                                                                \
     .offset = offset_},
#define OPTION_ROW(section, key, type, def, min, max, only_with, help)                             \
    ROW(section, key, type, def, min, max, only_with, help, offsetof(rk_options, section.key))

static const rk_option option_rows[] = {
#define SECTION_ROWS(name, NAME, title) RK_OPTIONS_##NAME(OPTION_ROW)
    RK_OPTION_SECTIONS(SECTION_ROWS)
#undef SECTION_ROWS
};

/* source_rows ... */
#define LIST_ROW(section, key, type, def, min, max, only_with, help)                               \
    ROW(section, key, type, def, min, max, only_with, help, offsetof(rk_##section##_options, key))
#define LIST_ROWS(name, NAME, key, title, example)                                                 \
    static const rk_option name##_rows[] = {RK_OPTIONS_##NAME(LIST_ROW)};
RK_OPTION_LISTS(LIST_ROWS)

#define LIST_IN(name_, key_, title_, example_, parent_, owner)                                     \
    {.name = #name_,                                                                               \
     .key = #key_,                                                                                 \
     .parent = parent_,                                                                            \
     .title = title_,                                                                              \
     .example = example_,                                                                          \
     .rows = name_##_rows,                                                                         \
     .n_rows = sizeof name_##_rows / sizeof name_##_rows[0],                                       \
     .size = sizeof(rk_##name_##_options),                                                         \
     .origin = offsetof(rk_##name_##_options, origin),                                             \
     .said = offsetof(rk_##name_##_options, said),                                                 \
     .elements = offsetof(owner, key_),                                                            \
     .count = offsetof(owner, n_##key_)},
#define LIST_OF_DATA(name, NAME, key, title, example)                                              \
    LIST_IN(name, key, title, example, "", rk_options)
#define LIST_OF_FEATURE(name, NAME, key, title, example)                                           \
    LIST_IN(name, key, title, example, "feature", rk_feature_options)

static const rk_option_list lists[] = {RK_LISTS_OF_FEATURE(LIST_OF_FEATURE)
                                           RK_LISTS_OF_DATA(LIST_OF_DATA)};

static const rk_option_section sections[] = {
#define SECTION(name, NAME, title) {#name, title},
    RK_OPTION_SECTIONS(SECTION)
#undef SECTION
};

enum {
    N_ROWS = sizeof option_rows / sizeof option_rows[0],
    N_LISTS = sizeof lists / sizeof lists[0],
    N_SECTIONS = sizeof sections / sizeof sections[0],
};

const rk_option_section *rk__option_sections(int64_t *out_n)
{
    *out_n = N_SECTIONS;
    return sections;
}

const rk_option *rk__option_rows(int64_t *out_n)
{
    *out_n = N_ROWS;
    return option_rows;
}

const rk_option_list *rk__option_lists(int64_t *out_n)
{
    *out_n = N_LISTS;
    return lists;
}

static bool equals(const char *word, const char *text, size_t length)
{
    return strlen(word) == length && memcmp(word, text, length) == 0;
}

const rk_option_section *rk__section_find(const char *name, size_t length)
{
    for (int64_t i = 0; i < N_SECTIONS; i++) {
        if (equals(sections[i].name, name, length)) {
            return &sections[i];
        }
    }
    return NULL;
}

const rk_option_list *rk__list_of(const char *section)
{
    for (int64_t i = 0; i < N_LISTS; i++) {
        if (strcmp(lists[i].name, section) == 0) {
            return &lists[i];
        }
    }
    return NULL;
}

const rk_option_list *rk__list_find(const char *section, const char *key, size_t length)
{
    const char *parent = strcmp(section, "data") == 0 ? "" : section;
    for (int64_t i = 0; i < N_LISTS; i++) {
        if (strcmp(lists[i].parent, parent) == 0 && equals(lists[i].key, key, length)) {
            return &lists[i];
        }
    }
    return NULL;
}

int rk__list_depth(const rk_option_list *list)
{
    return list->parent[0] == '\0' ? 1 : 2;
}

void rk__list_describe(rk_buffer *out, const rk_option_list *list, const char *index)
{
    rk__buffer_add(out, "data.");
    if (list->parent[0] != '\0') {
        rk__buffer_add(out, "%s%s.", rk__list_of(list->parent)->key, index);
    }
    rk__buffer_add(out, "%s%s", list->key, index);
}

/* The rows among which those of a section are. */
static const rk_option *rows_of(const char *section, int64_t *out_n)
{
    const rk_option_list *list = rk__list_of(section);
    *out_n = list ? list->n_rows : N_ROWS;
    return list ? list->rows : option_rows;
}

const rk_option *rk__option_find(const char *section, const char *key, size_t length)
{
    int64_t n = 0;
    const rk_option *rows = rows_of(section, &n);
    for (int64_t i = 0; i < n; i++) {
        if (strcmp(rows[i].section, section) == 0 && equals(rows[i].key, key, length)) {
            return &rows[i];
        }
    }
    return NULL;
}

int rk__section_rows(const char *section, const rk_option *out[RK_MOST_KEYS])
{
    int64_t n_rows = 0;
    const rk_option *rows = rows_of(section, &n_rows);
    int n = 0;
    for (int64_t i = 0; i < n_rows; i++) {
        if (strcmp(rows[i].section, section) != 0) {
            continue;
        }
        /* Behind the last row with the same conditions; those without any are the first ones. */
        int at = n;
        while (at > 0 && strcmp(out[at - 1]->only_with, rows[i].only_with) != 0) {
            at--;
        }
        at = at == 0 && rows[i].only_with[0] != '\0' ? n : at;
        RK_ASSERT(n < RK_MOST_KEYS);
        memmove(&out[at + 1], &out[at], (size_t)(n - at) * sizeof(const rk_option *));
        out[at] = &rows[i];
        n++;
    }
    return n;
}

int64_t rk__option_index(const rk_option *row)
{
    uintptr_t at = (uintptr_t)row, first = (uintptr_t)option_rows;
    int64_t n = 0;
    bool is_of_a_section = at >= first && at < first + sizeof option_rows;
    return row - (is_of_a_section ? option_rows : rows_of(row->section, &n));
}

const char *rk__choice_next(const char *choice)
{
    const char *next = choice + strlen(choice) + 1;
    return *next != '\0' ? next : NULL;
}

/* The option "train.epochs" or, of a list whatever the element, "data.features.columns.kind". */
static const rk_option *find_by_name(const char *name)
{
    char section[32] = "";
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(name, '.')) {
        size_t length = strcspn(name, ".[");
        const rk_option_list *list =
            section[0] != '\0' ? rk__list_find(section, name, length) : NULL;
        snprintf(section, sizeof section, "%.*s", (int)(list ? strlen(list->name) : length),
                 list ? list->name : name);
        name = dot + 1;
    }
    return rk__option_find(section, name, strlen(name));
}

const char *rk__option_choice(const char *key, int index)
{
    const rk_option *row = find_by_name(key);
    RK_ASSERT(row != NULL && (row->type == RK_TYPE_CHOICE || row->type == RK_TYPE_CHOICES) &&
              index >= 0);
    const char *choice = row->minimum;
    for (; index > 0 && choice; index--) {
        choice = rk__choice_next(choice);
    }
    RK_ASSERT(choice != NULL);
    return choice;
}

void rk__option_describe(rk_buffer *out, const rk_option *row)
{
    switch (row->type) {
    case RK_TYPE_BOOL:
        rk__buffer_add(out, "true or false");
        break;
    case RK_TYPE_INT:
        rk__buffer_add(out, "an integer in [%s, %s]", row->minimum, row->maximum);
        break;
    case RK_TYPE_REAL:
        rk__buffer_add(out, "a number in [%s, %s]", row->minimum, row->maximum);
        break;
    case RK_TYPE_SIZE:
        rk__buffer_add(out, "a size of %s to %s with its unit, e.g. 4GiB, or 0", row->minimum,
                       row->maximum);
        break;
    case RK_TYPE_STRING:
        rk__buffer_add(out, "a text");
        break;
    case RK_TYPE_PATH:
        rk__buffer_add(out, "a folder");
        break;
    case RK_TYPE_PATHS:
        rk__buffer_add(out, "a list of folders, e.g. [runs/one, runs/two]");
        break;
    case RK_TYPE_CHOICE:
    case RK_TYPE_CHOICES:
        rk__buffer_add(out, row->type == RK_TYPE_CHOICE ? "one of" : "a list of any of");
        for (const char *choice = row->minimum; choice; choice = rk__choice_next(choice)) {
            rk__buffer_add(out, choice == row->minimum ? " %s" : ", %s", choice);
        }
        break;
    case RK_TYPE_INTS:
        rk__buffer_add(out, "a list of integers in [%s, %s], e.g. [10, 20]", row->minimum,
                       row->maximum);
        break;
    case RK_TYPE_REALS:
        rk__buffer_add(out, "a list of numbers in [%s, %s], e.g. [0.5, 0.25, 0.25]", row->minimum,
                       row->maximum);
        break;
    }
}
