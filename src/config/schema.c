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
#define SOURCE_ROW(section, key, type, def, min, max, only_with, help)                             \
    ROW(section, key, type, def, min, max, only_with, help, offsetof(rk_source_options, key))

static const rk_option option_rows[] = {
#define SECTION_ROWS(name, NAME, title) RK_OPTIONS_##NAME(OPTION_ROW)
    RK_OPTION_SECTIONS(SECTION_ROWS)
#undef SECTION_ROWS
};

static const rk_option source_rows[] = {RK_OPTIONS_SOURCE(SOURCE_ROW)};

static const rk_option_section sections[] = {
#define SECTION(name, NAME, title) {#name, title},
    RK_OPTION_SECTIONS(SECTION)
#undef SECTION
};

enum {
    N_ROWS = sizeof option_rows / sizeof option_rows[0],
    N_SOURCE_ROWS = sizeof source_rows / sizeof source_rows[0],
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

const rk_option *rk__source_rows(int64_t *out_n)
{
    *out_n = N_SOURCE_ROWS;
    return source_rows;
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

const rk_option *rk__option_find(const char *section, const char *key, size_t length)
{
    bool in_source = strcmp(section, "source") == 0;
    const rk_option *rows = in_source ? source_rows : option_rows;
    int64_t n = in_source ? N_SOURCE_ROWS : N_ROWS;
    for (int64_t i = 0; i < n; i++) {
        if (strcmp(rows[i].section, section) == 0 && equals(rows[i].key, key, length)) {
            return &rows[i];
        }
    }
    return NULL;
}

int rk__section_rows(const char *section, const rk_option *out[RK_MOST_KEYS])
{
    bool in_source = strcmp(section, "source") == 0;
    const rk_option *rows = in_source ? source_rows : option_rows;
    int64_t n_rows = in_source ? N_SOURCE_ROWS : N_ROWS;
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
    return strcmp(row->section, "source") == 0 ? row - source_rows : row - option_rows;
}

const char *rk__choice_next(const char *choice)
{
    const char *next = choice + strlen(choice) + 1;
    return *next != '\0' ? next : NULL;
}

const char *rk__option_choice(const char *key, int index)
{
    const char *dot = strrchr(key, '.');
    RK_ASSERT(dot != NULL);
    char section[32];
    bool in_source = strncmp(key, "data.sources", strlen("data.sources")) == 0;
    snprintf(section, sizeof section, "%.*s", in_source ? 6 : (int)(dot - key),
             in_source ? "source" : key);
    const rk_option *row = rk__option_find(section, dot + 1, strlen(dot + 1));
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
    case RK_TYPE_STRING:
        rk__buffer_add(out, "a text");
        break;
    case RK_TYPE_PATH:
        rk__buffer_add(out, "a folder");
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
