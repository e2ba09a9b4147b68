/*
 * A configuration: every option of the library, with the origin of its value.
 *
 * Precedence: default < YAML file < rk_config_set. An unknown key, a wrong type or a value out of
 * range is an error that names the file, the line, the key and the nearest known key.
 *
 * Threads: rk_config_set and rk_config_free must have the config alone; all others only read one,
 * from any number of threads at once.
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
 * (data.root, data.cache) start at the file's own folder, and an empty data.root is that folder;
 * both are made absolute here. A file that is missing or not a config is RK_ERR_CONFIG. Free with
 * rk_config_free. */
RK_API rk_status rk_config_load(rk_config **out, const char *path);

/* A config of RecBole 1.2.1 (https://recbole.io) as one of ours: keys that it leaves out have
 * RecBole's defaults, data_path starts at the current folder. What has no counterpart and changes
 * results is RK_ERR_CONFIG with file and line; *out_notes has what was passed over or differs, a
 * line each ("" = nothing). Free *out with rk_config_free, *out_notes with rk_string_free. */
RK_API rk_status rk_config_load_recbole(rk_config **out, const char *path, char **out_notes);

/* Sets one option by an assignment "section.key=value":
 *
 *   train.epochs=5
 *   eval.k=[10, 20]                     or eval.k=10,20
 *   data.sources[0].file=ratings.csv    (an index one past the end appends a source)
 *   data.sources=[{file: a}]            (replaces the whole list)
 *
 * Text is taken literally, ':' and '#' included, unless it begins with a quote: then it is YAML,
 * and "\t" is a tab. Relative folders start at the current folder. `origin` is what --print-config
 * shows, e.g. "--set". On failure the config stays as it was. */
RK_API rk_status rk_config_set(rk_config *config, const char *assignment, const char *origin);

/* Sets run.device to "auto", "cpu" or "cuda"; "cuda:1" sets cuda.device to 1 besides. Otherwise as
 * rk_config_set. */
RK_API rk_status rk_config_set_device(rk_config *config, const char *device, const char *origin);

/* The value of "section.key" as text in YAML notation. It is the config's own, which lives until
 * rk_config_set changes this option or the config is freed; no other call touches it. */
RK_API rk_status rk_config_get(const rk_config *config, const char *key, const char **out_text);

/* Where the value of "section.key" is from: "default", "exp.yaml:12", or the `origin` of
 * rk_config_set. It lives as the text of rk_config_get does. */
RK_API rk_status rk_config_get_origin(const rk_config *config, const char *key,
                                      const char **out_text);

/* Whether anything looks at "section.key" under the values that the other options have:
 * model.layers e.g. with model.kind lightgcn, but not with ease. RK_ERR_CONFIG for a key that is
 * none. */
RK_API rk_status rk_config_is_read(const rk_config *config, const char *key, bool *out);

/* Checks options against each other (e.g. split.order time without a time column). Calls that take
 * a config do so themselves; this is for checking early. */
RK_API rk_status rk_config_check(const rk_config *config);

/* Fills in what nobody has said and what follows from the rest, for a first config: if no source
 * says a part and split.kind is not set, each user's items are divided by their shares
 * (split.kind ratio), the latest held out where every source has times (split.order time), else
 * random ones. *out_text is a sentence that says so, or NULL if nothing was to do; free it with
 * rk_string_free. The program does this with every config that it loads. */
RK_API rk_status rk_config_settle(rk_config *config, char **out_text);

/* The resolved configuration as YAML text. rk_config_load reads the same values back from it, in
 * any folder. with_origins: each value is followed by a comment with its origin. Free with
 * rk_string_free. */
RK_API rk_status rk_config_text(const rk_config *config, bool with_origins, char **out_text);

/* A table of all options with type, range, default and help; markdown: as in docs/options.md.
 * Free with rk_string_free. */
RK_API rk_status rk_config_reference(bool markdown, char **out_text);

/* NULL is fine. */
RK_API void rk_config_free(rk_config *config);

/* Frees any text that the library handed to the caller. NULL is fine. */
RK_API void rk_string_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
