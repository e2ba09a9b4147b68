/*
 * A reader of one format, FUZZ_FORMAT. The first two bytes choose options of the source, the rest
 * is the file. Records and errors must not depend on the size of the blocks that are read.
 */
#include <stdio.h>
#include <string.h>

#include "data/reader_internal.h"
#include "fuzz/fuzz.h"

enum { HEAD = 2, MESSAGE = 2048 };

typedef struct outcome {
    rk_status status;
    uint64_t hash;
    rk_reader_counts counts;
    char message[MESSAGE];
} outcome;

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    }
    return hash;
}

static void read_all(const rk_source_options *source, const char *path, int ids, int64_t block,
                     outcome *out)
{
    rk_reader *reader = NULL;
    rk_record r;
    bool is_end = false;
    const rk_reader_options how = {.ids = ids, .missing = ids ? RK_MISSING_DROP : RK_MISSING_ERROR};
    memset(out, 0, sizeof *out);
    out->status =
        rk__reader_open_lines(&reader, source, path, &how, (rk_line_options){.block = block});
    while (out->status == RK_OK) {
        out->status = rk__reader_next(reader, &r, &is_end);
        if (out->status != RK_OK || is_end) {
            break;
        }
        fuzz_check(r.user_id >= 0 && r.item_id >= 0, "ids are not negative");
        fuzz_check(r.user.length >= 0 && r.item.length >= 0, "texts have a length");
        if (ids == RK_IDS_TEXT) {
            out->hash = hash_bytes(out->hash, r.user.at, (size_t)r.user.length);
            if (r.has_item) {
                out->hash = hash_bytes(out->hash, r.item.at, (size_t)r.item.length);
            }
        } else {
            out->hash = hash_bytes(out->hash, &r.user_id, sizeof r.user_id);
            out->hash = hash_bytes(out->hash, &r.item_id, sizeof r.item_id);
        }
        out->hash = hash_bytes(out->hash, &r.time, sizeof r.time);
        out->hash = hash_bytes(out->hash, &r.value, sizeof r.value);
        out->hash = hash_bytes(out->hash, &r.line, sizeof r.line);
    }
    if (out->status != RK_OK) {
        snprintf(out->message, sizeof out->message, "%s", rk_last_error());
        fuzz_check(out->message[0] != '\0', "an error has a message");
    }
    if (reader) {
        out->counts = rk__reader_counts(reader);
        rk__reader_close(reader);
    }
}

/* The defaults of options.def, changed by the bits of the first bytes. */
static rk_source_options source_of(const uint8_t head[HEAD])
{
    static char *const separators[] = {"", ";", "\\t", "::"};
    static char *const times[] = {"", "time", "timestamp", "2"};
    static char *const wheres[] = {"", "rating >= 3", "not (rating in [1, 2] or word == 'a')",
                                   "time > 2001-01-01"};
    bool has_columns = FUZZ_FORMAT != RK_FORMAT_ADJACENCY;
    bool may_choose = FUZZ_FORMAT == RK_FORMAT_CSV || FUZZ_FORMAT == RK_FORMAT_JSONL;
    rk_source_options source = {
        .file = "", .format = FUZZ_FORMAT, .origin = "", .user = "user_id", .item = "item_id"};
    source.separator = FUZZ_FORMAT == RK_FORMAT_CSV ? separators[head[0] & 3] : "";
    source.header = FUZZ_FORMAT != RK_FORMAT_CSV || (head[0] & 4) == 0;
    source.quotes = (head[0] & 8) == 0;
    source.encoding = head[0] & 16 ? RK_ENCODING_LATIN1 : RK_ENCODING_UTF8;
    source.decimal =
        FUZZ_FORMAT == RK_FORMAT_CSV && head[0] & 32 ? RK_DECIMAL_COMMA : RK_DECIMAL_POINT;
    source.time = may_choose ? times[head[1] & 3] : "";
    source.where = has_columns && may_choose ? wheres[head[1] >> 2 & 3] : "";
    source.value = may_choose && head[1] & 16 ? "rating" : "";
    source.relation = may_choose && head[1] & 32 ? "word" : "";
    source.time_unit = RK_TIME_UNIT_AUTO;
    if (!source.header) {
        source.user = "0";
        source.item = "1";
    }
    return source;
}

static bool is_compressed(const uint8_t *data, size_t size)
{
    return (size >= 2 && memcmp(data, "\x1f\x8b", 2) == 0) ||
           (size >= 4 && memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static outcome whole, pieces;
    if (size < HEAD) {
        return 0;
    }
    rk_source_options source = source_of(data);
    int ids = data[1] & 32 ? RK_IDS_TEXT : RK_IDS_INTEGER;
    const char *path = fuzz_file(data + HEAD, size - HEAD);
    read_all(&source, path, ids, 0, &whole);
    read_all(&source, path, ids, 5 + data[1] % 60, &pieces);
    fuzz_check(whole.status == pieces.status, "blocks do not change the status");
    /* What is damaged in compressed data is found before what is wrong in the lines before it. */
    fuzz_check(is_compressed(data + HEAD, size - HEAD) ||
                   strcmp(whole.message, pieces.message) == 0,
               "blocks do not change the message");
    fuzz_check(whole.status != RK_OK || whole.hash == pieces.hash, "blocks change no record");
    return 0;
}
