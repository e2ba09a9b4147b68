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

static void print_sources(rk_buffer *out, const rk_config *config, bool with_origins)
{
    int64_t n_rows = 0, n = config->options.n_sources;
    const rk_option *rows = rk__source_rows(&n_rows);
    rk__buffer_add(out, n == 0 ? "    sources: []\n" : "    sources:\n");
    for (int64_t s = 0; s < n; s++) {
        for (int64_t i = 0; i < n_rows; i++) {
            rk_target target = {.row = &rows[i], .source = s};
            print_line(out, i == 0 ? "        - " : "          ", rows[i].key,
                       rk__config_field(config, target), with_origins);
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
                rk_target target = {.row = &rows[i], .source = -1};
                print_line(&out, "    ", rows[i].key, rk__config_field(config, target),
                           with_origins);
            }
        }
        if (strcmp(sections[s].name, "data") == 0) {
            print_sources(&out, config, with_origins);
        }
    }
    return rk__buffer_take(&out, out_text);
}
