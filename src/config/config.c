/*
 * The config object: values with their texts and origins. Every change goes through
 * rk__config_assign, which checks first and stores then.
 */
#include <string.h>

#include "base/alloc.h"
#include "config/internal.h"
#include "config/paths.h"

static int64_t n_source_rows(void)
{
    int64_t n = 0;
    rk__source_rows(&n);
    return n;
}

rk_field *rk__config_field(const rk_config *config, rk_target target)
{
    int64_t row = rk__option_index(target.row);
    return target.source < 0 ? &config->fields[row]
                             : &config->source_fields[target.source * n_source_rows() + row];
}

rk_status rk__target_name(char **out, rk_target target)
{
    return target.source < 0 ? rk__format(out, "%s.%s", target.row->section, target.row->key)
                             : rk__format(out, "data.sources[%lld].%s", (long long)target.source,
                                          target.row->key);
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
    if (is_empty && row == rk__option_find("data", "name", strlen("name"))) {
        return rk__strdup(out, config->options.config_name);
    }
    return RK_OK;
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
    RK_TRY_GOTO(done, rk__value_parse(&value, target.row, &resolved_raw, speaker.place, name));
    rk_field *field = rk__config_field(config, target);
    rk__free(field->text);
    rk__free(field->origin);
    *field = (rk_field){.text = value.text, .origin = origin};
    origin = NULL;
    void *options = target.source < 0 ? (void *)&config->options
                                      : (void *)&config->options.sources[target.source];
    rk__value_store(target.row, options, &value);
done:
    rk__free(origin);
    rk__free(resolved);
    rk__free(name);
    return status;
}

static rk_status assign_default(rk_config *config, rk_target target)
{
    const char *text = target.row->default_text;
    rk_speaker speaker = {.place = "default", .origin = "default", .folder = "."};
    rk_status status = RK_OK;
    rk_raw raw = {.kind = RK_RAW_SCALAR, .one = {.at = text, .length = strlen(text)}};
    rk_scalar *items = NULL;
    rk_yaml yaml = {0};
    if (rk__option_is_list(target.row)) {
        RK_TRY_GOTO(done, rk__yaml_parse(&yaml, "default", false, text, (int64_t)strlen(text)));
        RK_TRY_GOTO(done, rk__yaml_raw(&yaml, rk__yaml_root(&yaml), "default", target.row->key,
                                       &raw, &items));
    }
    RK_TRY_GOTO(done, rk__config_assign(config, target, &raw, speaker));
done:
    rk__free(items);
    rk__yaml_free(&yaml);
    return status;
}

rk_status rk__config_add_source(rk_config *config, rk_speaker speaker)
{
    rk_status status = RK_OK;
    rk_options *options = &config->options;
    int64_t n = options->n_sources, n_rows = n_source_rows();
    if (n == RK_MOST_SOURCES) {
        RK_FAIL(RK_ERR_CONFIG, "%s: more than %d sources", speaker.place, RK_MOST_SOURCES);
    }
    if (n == config->source_capacity) {
        int64_t capacity = n == 0 ? 4 : 2 * n;
        RK_TRY(rk__realloc(&options->sources, n, capacity, sizeof *options->sources, "sources"));
        RK_TRY(rk__realloc(&config->source_fields, n * n_rows, capacity * n_rows,
                           sizeof *config->source_fields, "sources"));
        config->source_capacity = capacity;
    }
    memset(&options->sources[n], 0, sizeof options->sources[n]);
    memset(&config->source_fields[n * n_rows], 0, (size_t)n_rows * sizeof(rk_field));
    options->n_sources++;
    RK_TRY_GOTO(failed, rk__strdup(&options->sources[n].origin, speaker.origin));
    const rk_option *rows = rk__source_rows(&n_rows);
    for (int64_t i = 0; i < n_rows; i++) {
        RK_TRY_GOTO(failed, assign_default(config, (rk_target){.row = &rows[i], .source = n}));
    }
    return RK_OK;
failed:
    rk__config_keep_sources(config, n);
    return status;
}

void rk__config_keep_sources(rk_config *config, int64_t n)
{
    int64_t n_rows = 0;
    const rk_option *rows = rk__source_rows(&n_rows);
    for (int64_t s = n; s < config->options.n_sources; s++) {
        rk_source_options *source = &config->options.sources[s];
        rk__free(source->origin);
        for (int64_t i = 0; i < n_rows; i++) {
            rk_field *field = rk__config_field(config, (rk_target){.row = &rows[i], .source = s});
            rk__free(field->text);
            rk__free(field->origin);
            rk__value_free(&rows[i], source);
        }
    }
    config->options.n_sources = n < config->options.n_sources ? n : config->options.n_sources;
}

void rk__config_free_sources(rk_config *config)
{
    rk__config_keep_sources(config, 0);
    rk__free(config->source_fields);
    rk__free(config->options.sources);
    config->source_fields = NULL;
    config->options.sources = NULL;
    config->source_capacity = 0;
}

void rk__config_swap_sources(rk_config *a, rk_config *b)
{
    rk_config old = *a;
    a->options.sources = b->options.sources;
    a->options.n_sources = b->options.n_sources;
    a->source_fields = b->source_fields;
    a->source_capacity = b->source_capacity;
    b->options.sources = old.options.sources;
    b->options.n_sources = old.options.n_sources;
    b->source_fields = old.source_fields;
    b->source_capacity = old.source_capacity;
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
        RK_TRY_GOTO(done, assign_default(config, (rk_target){.row = &rows[i], .source = -1}));
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

void rk_config_free(rk_config *config)
{
    if (!config) {
        return;
    }
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; config->fields && i < n; i++) {
        rk__free(config->fields[i].text);
        rk__free(config->fields[i].origin);
        rk__value_free(&rows[i], &config->options);
    }
    rk__config_free_sources(config);
    rk__free(config->fields);
    rk__free(config->options.config_dir);
    rk__free(config->options.config_name);
    rk__free(config);
}

const rk_options *rk__config_options(const rk_config *config)
{
    return &config->options;
}

void rk_string_free(char *text)
{
    rk__free(text);
}
