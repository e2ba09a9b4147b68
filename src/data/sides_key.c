/*
 * What shapes relations and features, for the digest that a prepared data set is found by. Every
 * key of the table of options counts, by its value: a new one needs no line here.
 */
#include <string.h>

#include "base/alloc.h"
#include "config/schema.h"
#include "data/reader.h"
#include "data/sides.h"

/* Texts are written with their length, so that no two lists of options give the same bytes. */
static void add_text(rk_buffer *out, const char *text)
{
    rk__buffer_add(out, "%zu:%s,", strlen(text), text);
}

static void add_row(rk_buffer *out, const rk_option *row, const void *element)
{
    const char *at = (const char *)element + row->offset;
    char *text = NULL;
    int choice = 0;
    int64_t integer = 0;
    bool boolean = false;
    add_text(out, row->key);
    switch (row->type) {
    case RK_TYPE_STRING:
        memcpy(&text, at, sizeof text);
        add_text(out, text);
        break;
    case RK_TYPE_CHOICE:
        memcpy(&choice, at, sizeof choice);
        rk__buffer_add(out, "%d,", choice);
        break;
    case RK_TYPE_INT:
        memcpy(&integer, at, sizeof integer);
        rk__buffer_add(out, "%lld,", (long long)integer);
        break;
    case RK_TYPE_BOOL:
        memcpy(&boolean, at, sizeof boolean);
        rk__buffer_add(out, "%d,", boolean);
        break;
    default:
        RK_ASSERT(false); /* a key of a relation or feature of this type */
    }
}

static void add_element(rk_buffer *out, const char *section, const void *element)
{
    const rk_option_list *list = rk__list_of(section);
    add_text(out, section);
    for (int64_t i = 0; i < list->n_rows; i++) {
        add_row(out, &list->rows[i], element);
    }
}

/* The file by its whole path: it may be relative to a folder that changes. */
static rk_status add_path(rk_buffer *out, const rk_options *options, const char *file)
{
    char *path = NULL;
    RK_TRY(rk__source_path(options, file, &path));
    add_text(out, path);
    rk__free(path);
    return RK_OK;
}

rk_status rk__sides_key(rk_buffer *out, const rk_options *options)
{
    for (int64_t i = 0; i < options->n_relations; i++) {
        add_element(out, "relation", &options->relations[i]);
    }
    for (int64_t i = 0; i < options->n_features; i++) {
        const rk_feature_options *feature = &options->features[i];
        add_element(out, "feature", feature);
        for (int64_t c = 0; c < feature->n_columns; c++) {
            add_element(out, "column", &feature->columns[c]);
        }
    }
    for (int64_t i = 0; i < rk__sides_n_files(options); i++) {
        RK_TRY(add_path(out, options, rk__sides_file(options, i)));
    }
    return out->status;
}

int64_t rk__sides_n_files(const rk_options *options)
{
    int64_t n = options->n_features;
    for (int64_t i = 0; i < options->n_relations; i++) {
        n += options->relations[i].derive == RK_DERIVE_NONE;
    }
    return n;
}

const char *rk__sides_file(const rk_options *options, int64_t index)
{
    for (int64_t i = 0; i < options->n_relations; i++) {
        if (options->relations[i].derive == RK_DERIVE_NONE && index-- == 0) {
            return options->relations[i].file;
        }
    }
    return options->features[index].file;
}
