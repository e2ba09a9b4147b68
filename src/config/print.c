/* The resolved configuration as YAML. */
#include <string.h>

#include "config/internal.h"

enum { ORIGIN_COLUMN = 44 };

/* "key: value" at this indentation, behind it the origin if wanted. */
static void print_line(rk_buffer *out, const char *indent, const char *key, const rk_field *field,
                       bool with_origin)
{
    int64_t start = out->length;
    rk__buffer_add(out, "%s%s: ", indent, key);
    rk__buffer_add_bytes(out, field->text, (int64_t)strlen(field->text));
    if (with_origin) {
        int64_t used = out->length - start;
        rk__buffer_add(out, "%*s # ", used < ORIGIN_COLUMN ? (int)(ORIGIN_COLUMN - used) : 0, "");
        rk_excerpt origin = rk__excerpt(field->origin, strlen(field->origin));
        rk__buffer_add(out, "%s", origin.text);
    }
    rk__buffer_add(out, "\n");
}

static void print_element(rk_buffer *out, const rk_config *config, rk_target target, int indent,
                          bool with_origins);

/* "key:" and the elements below it, or "key: []"; the target's last index does not matter. */
static void print_list(rk_buffer *out, const rk_config *config, rk_target target, int indent,
                       bool with_origins)
{
    int64_t n = rk__list_count(config, target);
    rk__buffer_add(out, "%*s%s:%s\n", indent, "", target.list->key, n == 0 ? " []" : "");
    for (int64_t i = 0; i < n; i++) {
        target.at[rk__list_depth(target.list) - 1] = i;
        print_element(out, config, target, indent + 4, with_origins);
    }
}

static void print_element(rk_buffer *out, const rk_config *config, rk_target target, int indent,
                          bool with_origins)
{
    int64_t n_lists = 0;
    const rk_option_list *list = target.list, *lists = rk__option_lists(&n_lists);
    char first[32], others[32];
    snprintf(first, sizeof first, "%*s- ", indent, "");
    snprintf(others, sizeof others, "%*s  ", indent, "");
    for (int64_t i = 0; i < list->n_rows; i++) {
        target.row = &list->rows[i];
        print_line(out, i == 0 ? first : others, target.row->key, rk__config_field(config, target),
                   with_origins);
    }
    target.row = NULL;
    for (int64_t i = 0; i < n_lists; i++) {
        if (strcmp(lists[i].parent, list->name) == 0) {
            target.list = &lists[i];
            print_list(out, config, target, indent + 2, with_origins);
        }
    }
}

/* The lists of the section "data". */
static void print_lists(rk_buffer *out, const rk_config *config, bool with_origins)
{
    int64_t n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n_lists; i++) {
        if (lists[i].parent[0] == '\0') {
            print_list(out, config, (rk_target){.list = &lists[i]}, 4, with_origins);
        }
    }
}

rk_status rk_config_text(const rk_config *config, bool with_origins, char **out_text)
{
    rk_buffer out = {0};
    int64_t n_sections = 0, n_rows = 0;
    const rk_option_section *sections = rk__option_sections(&n_sections);
    const rk_option *rows = rk__option_rows(&n_rows);
    for (int64_t s = 0; s < n_sections; s++) {
        rk__buffer_add(&out, "%s:\n", sections[s].name);
        for (int64_t i = 0; i < n_rows; i++) {
            if (strcmp(rows[i].section, sections[s].name) == 0) {
                rk_target target = {.row = &rows[i]};
                print_line(&out, "    ", rows[i].key, rk__config_field(config, target),
                           with_origins);
            }
        }
        if (strcmp(sections[s].name, "data") == 0) {
            print_lists(&out, config, with_origins);
        }
    }
    return rk__buffer_take(&out, out_text);
}
