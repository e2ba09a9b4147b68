/*
 * Adjacency lists as in LightGCN's repositories: a line is "user item item ...", with blanks or
 * tabs. Amazon-Book's test file has users with no items. A separator set in the source is accepted
 * besides blanks ("user:item item ...").
 */
#include <string.h>

#include "data/reader_internal.h"
#include "data/sniff.h"

/* Length of the blank or separator at `at`, 0 if there is none. */
static int64_t gap(const rk_reader *reader, const char *at, const char *stop)
{
    if (*at == ' ' || *at == '\t') {
        return 1;
    }
    size_t length = strlen(reader->separator);
    bool is_separator =
        length > 0 && (size_t)(stop - at) >= length && memcmp(at, reader->separator, length) == 0;
    return is_separator ? (int64_t)length : 0;
}

/* The next word of the current line, empty at its end. */
static rk_text next_word(rk_reader *reader)
{
    const char *line = rk__lines_at(&reader->lines);
    const char *at = line + reader->at, *stop = line + rk__lines_length(&reader->lines);
    int64_t skip;
    while (at < stop && (skip = gap(reader, at, stop)) > 0) {
        at += skip;
    }
    const char *end = at;
    while (end < stop && gap(reader, end, stop) == 0) {
        end++;
    }
    reader->at = end - line;
    return (rk_text){at, end - at};
}

static rk_status id_of(rk_reader *reader, rk_text *word, const char *title, int64_t *out,
                       bool *out_missing)
{
    rk_text whole = *word;
    rk_status status = rk__id_read(&reader->rule, &reader->lines, word, title, out, out_missing);
    if (status != RK_OK && !reader->separator[0] && memchr(whole.at, ':', (size_t)whole.length)) {
        return rk__fail(status, __FILE__, __LINE__, __func__,
                        "%s (for \"user:item item\" set separator to ':')", rk_last_error());
    }
    return status;
}

/* The user of the next line that has one. */
static rk_status next_user(rk_reader *reader, bool *out_end)
{
    rk_lines *lines = &reader->lines;
    rk_record *user = &reader->user_in_hand;
    for (bool is_missing = true; is_missing; reader->missing += is_missing) {
        do {
            RK_TRY(rk__lines_next(lines, out_end));
            if (*out_end) {
                if (!user->user.at) {
                    RK_FAIL(RK_ERR_DATA, "%s is empty", lines->path);
                }
                return RK_OK;
            }
        } while (rk__lines_is_blank(lines));
        if (!user->user.at) {
            RK_TRY(rk__sniff_text(lines->path, rk__lines_at(lines), rk__lines_length(lines)));
        }
        is_missing = false;
        reader->at = 0;
        user->user = next_word(reader);
        user->line = lines->number;
        RK_TRY(id_of(reader, &user->user, "the user", &user->user_id, &is_missing));
    }
    return RK_OK;
}

static rk_status next(rk_reader *reader, rk_record *out, bool *out_end)
{
    for (;;) {
        bool is_new = reader->at < 0, is_missing = false;
        *out_end = false;
        if (is_new) {
            RK_TRY(next_user(reader, out_end));
            if (*out_end) {
                return RK_OK;
            }
        }
        *out = reader->user_in_hand;
        out->item = next_word(reader);
        out->has_item = out->item.length > 0;
        if (!out->has_item) {
            reader->at = -1;
            if (is_new) {
                return RK_OK;
            }
            continue;
        }
        reader->rows++;
        RK_TRY(id_of(reader, &out->item, "the item", &out->item_id, &is_missing));
        if (!is_missing) {
            return RK_OK;
        }
        reader->missing++;
    }
}

rk_status rk__reader_open_adjacency(rk_reader *reader, const rk_source_options *source,
                                    const char *path, rk_line_options lines)
{
    const char *origin = source->origin ? source->origin : "";
    if (source->time[0] || source->where[0]) {
        RK_FAIL(RK_ERR_CONFIG, "%s%s%s: adjacency lists have no columns: remove source.%s", origin,
                origin[0] ? ": " : "", path, source->time[0] ? "time" : "where");
    }
    if (strlen(source->separator) > RK_TABLE_MAX_SEPARATOR) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the separator '%s' is longer than %d bytes", path,
                source->separator, RK_TABLE_MAX_SEPARATOR);
    }
    /* Tabs are accepted anyway. */
    if (strcmp(source->separator, "\\t") != 0) {
        memcpy(reader->separator, source->separator, strlen(source->separator) + 1);
    }
    reader->time = -1;
    reader->at = -1;
    reader->next = next;
    RK_TRY(rk__lines_open(&reader->lines, path, lines));
    return RK_OK;
}
