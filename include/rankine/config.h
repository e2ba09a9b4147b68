/*
 * A configuration: every option of every room, with the origin of its value.
 *
 * Order of precedence: default < YAML file < rk_config_set. Unknown keys, wrong types and values
 * out of range fail with the file, the line, the key and the nearest known key.
 */
#ifndef RANKINE_CONFIG_H
#define RANKINE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_config rk_config;

/* All defaults. Free with rk_config_free. */
RK_API rk_status rk_config_create(rk_config **out);

/* Defaults overlaid with a YAML file (strict: an unknown key is an error). Relative folders in it
 * (data.root, data.cache) start at the folder of the file, and so does an empty data.root; they are
 * made absolute here. A file that is not there or is not a config is RK_ERR_CONFIG. */
RK_API rk_status rk_config_load(rk_config **out, const char *path);

/* "section.key=value": "train.epochs=5", "eval.k=[10, 20]" or "eval.k=10,20",
 * "data.sources[0].file=ratings.csv" (an index one past the end appends), "data.sources=[{file:
 * a}]" (the whole list). A text is taken as it stands, ':' and '#' too, unless it begins with a
 * quote: then it is YAML, "\t" is a tab. Relative folders start at the current folder. `origin` is
 * what --print-config shows, e.g. "--set". On failure the config stays as it was. */
RK_API rk_status rk_config_set(rk_config *config, const char *assignment, const char *origin);

/* The value of "section.key" as text in YAML notation; valid until the config changes. */
RK_API rk_status rk_config_get(const rk_config *config, const char *key, const char **out_text);

/* Cross-checks that no single option can see (e.g. split.order time without a time column).
 * Calls that take a config check it themselves; this is for checking early. */
RK_API rk_status rk_config_check(const rk_config *config);

/* The resolved configuration as YAML text that rk_config_load accepts, from any folder with the
 * same values; with_origins adds a comment with the origin behind every value. Free with
 * rk_string_free. */
RK_API rk_status rk_config_text(const rk_config *config, bool with_origins, char **out_text);

/* A table of all options with type, range, default and help; markdown: as docs/options.md has it.
 * Free with rk_string_free. */
RK_API rk_status rk_config_reference(bool markdown, char **out_text);

/* NULL is fine. */
RK_API void rk_config_free(rk_config *config);

/* Frees any text that the library handed over. NULL is fine. */
RK_API void rk_string_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
