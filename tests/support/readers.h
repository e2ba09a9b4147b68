/* Reading whole files through the readers, for the reader tests. */
#ifndef RK_TESTS_READERS_H
#define RK_TESTS_READERS_H

#include "data/reader_internal.h"
#include "support/support.h"

/* The defaults of options.def. */
static inline rk_source_options test_source(int format)
{
    return (rk_source_options){.file = (char *)"",
                               .format = format,
                               .separator = (char *)"",
                               .header = true,
                               .quotes = true,
                               .user = (char *)"user_id",
                               .item = (char *)"item_id",
                               .time = (char *)"",
                               .value = (char *)"",
                               .relation = (char *)"",
                               .where = (char *)"",
                               .origin = (char *)""};
}

/* What a file came to; the same sums are made by the Python in the tests that use them. */
typedef struct test_sums {
    int64_t records, users_without_items;
    uint64_t users, items; /* sums of the ids, mod 2^64 */
    uint64_t check; /* sum over records n of (31 user + 17 item) * (n mod 1009 + 1), mod 2^64 */
    uint64_t words; /* over the ids as text and the line numbers */
    double times;
    rk_reader_counts counts;
} test_sums;

static inline uint64_t test_hash(uint64_t hash, rk_text text)
{
    for (int64_t i = 0; i < text.length; i++) {
        hash = (hash ^ (unsigned char)text.at[i]) * 0x100000001b3u;
    }
    return (hash ^ 0xff) * 0x100000001b3u;
}

static inline void test_add(test_sums *sums, const rk_record *r)
{
    sums->words = test_hash(sums->words, r->user) + (uint64_t)r->line;
    if (!r->has_item) {
        sums->users_without_items++;
        return;
    }
    sums->words = test_hash(sums->words, r->item);
    sums->check += (31 * (uint64_t)r->user_id + 17 * (uint64_t)r->item_id) *
                   (uint64_t)(sums->records % 1009 + 1);
    sums->records++;
    sums->users += (uint64_t)r->user_id;
    sums->items += (uint64_t)r->item_id;
    sums->times += r->time;
}

static inline rk_status test_read_with(const rk_source_options *source, const char *path,
                                       const rk_reader_options *how, rk_line_options lines,
                                       test_sums *out)
{
    rk_reader *reader = NULL;
    *out = (test_sums){0};
    RK_TRY(rk__reader_open_lines(&reader, source, path, how, lines));
    rk_status status;
    bool is_end = false;
    for (;;) {
        rk_record record;
        status = rk__reader_next(reader, &record, &is_end);
        if (status != RK_OK || is_end) {
            break;
        }
        test_add(out, &record);
    }
    out->counts = rk__reader_counts(reader);
    rk__reader_close(reader);
    return status;
}

static inline rk_status test_read_all(const rk_source_options *source, const char *path, int ids,
                                      rk_line_options lines, test_sums *out)
{
    return test_read_with(source, path, &(rk_reader_options){.ids = ids}, lines, out);
}

/* Writes the text to a file of this name in the folder and reads it with default limits. */
static inline rk_status test_read_text(const rk_source_options *source, const char *folder,
                                       const char *name, const char *text, int ids, test_sums *out)
{
    const char *path = test_path(folder, name);
    test_write(path, text, -1);
    return test_read_all(source, path, ids, (rk_line_options){0}, out);
}

#endif
