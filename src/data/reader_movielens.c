/*
 * MovieLens as distributed by GroupLens: u.data (100K: tabs, no header), ratings.dat (1M, 10M:
 * "::", no header), ratings.csv (20M and later, latest-small: commas, header). The file's extension
 * tells which one it is.
 */
#include <string.h>
#include <strings.h>

#include "data/reader_internal.h"

static const char *const column_names[] = {"userId", "movieId", "rating", "timestamp", NULL};

static const struct {
    const char *extension, *separator;
    bool header;
} variants[] = {
    {".data", "\t", false}, {".base", "\t", false}, {".test", "\t", false}, /* u.data, u1.base */
    {".dat", "::", false},  {".csv", ",", true},
};

/* How compressed files are called; which ones they are is told by their bytes. */
static const char *const packed[] = {".gz", ".zst"};

static bool ends_with(const char *name, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length >= n && strncasecmp(name + length - n, end, n) == 0;
}

rk_status rk__reader_open_movielens(rk_reader *reader, const rk_source_options *source,
                                    const char *path, rk_line_options lines)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    for (size_t k = 0; k < sizeof packed / sizeof packed[0]; k++) {
        if (ends_with(name, length, packed[k])) {
            length -= strlen(packed[k]);
        }
    }
    size_t i = 0, n = sizeof variants / sizeof variants[0];
    while (i < n && !ends_with(name, length, variants[i].extension)) {
        i++;
    }
    if (i == n) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: a movielens file is u.data (or .base, .test), ratings.dat or ratings.csv; "
                "for other files use format csv with separator, header, user and item",
                path);
    }
    /* The options' defaults are not MovieLens' names, so they mean "not named". */
    bool own_user = strcmp(source->user, "user_id") == 0;
    bool own_item = strcmp(source->item, "item_id") == 0;
    bool own_time = source->time[0] == '\0';
    rk_table_source movielens = {
        .format = {.separator = source->separator[0] ? source->separator : variants[i].separator,
                   .header = variants[i].header,
                   .quotes = variants[i].header && source->quotes,
                   .names = column_names},
        .user = own_user ? column_names[0] : source->user,
        .item = own_item ? column_names[1] : source->item,
        .time = own_time ? column_names[3] : source->time,
        .time_is_optional = own_time,
    };
    return rk__reader_open_table(reader, &movielens, source, path, lines);
}
