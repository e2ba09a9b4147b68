/*
 * Rows a second of the readers, single-threaded, on files it writes itself.
 *
 *   bench_reader [rows] [folder]      default 5000000 /tmp
 *
 * ratings.csv is like MovieLens 20M's (user, movie, rating in halves, seconds), once plain and once
 * with every field quoted; adjacency lists have 30 items a line. Read twice, so that the second
 * figure is from the page cache. Goal: 3 million rows/s of plain ratings.csv with rating and time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/parse.h"
#include "base/philox.h"
#include "base/timer.h"
#include "data/reader.h"

enum { ITEMS_A_LINE = 30 };

static bool write_rows(const char *path, int64_t rows, int kind)
{
    FILE *file = fopen(path, "wb");
    if (!file) {
        return false;
    }
    if (kind < 2) {
        fputs("userId,movieId,rating,timestamp\n", file);
    }
    for (int64_t i = 0; i < rows; i++) {
        rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, 0, (uint64_t)i, 0);
        int64_t user = i / ITEMS_A_LINE, item = w.v[0] % 190000,
                time = 900000000 + w.v[1] % 600000000;
        int halves = 1 + (int)(w.v[2] % 10);
        if (kind == 0) {
            fprintf(file, "%" PRId64 ",%" PRId64 ",%d.%d,%" PRId64 "\n", user, item, halves / 2,
                    halves % 2 * 5, time);
        } else if (kind == 1) {
            fprintf(file, "\"%" PRId64 "\",\"%" PRId64 "\",\"%d.%d\",\"%" PRId64 "\"\n", user, item,
                    halves / 2, halves % 2 * 5, time);
        } else {
            if (i % ITEMS_A_LINE == 0) {
                fprintf(file, "%s%" PRId64, i > 0 ? "\n" : "", user);
            }
            fprintf(file, " %" PRId64, item);
        }
    }
    return fclose(file) == 0;
}

static rk_status read_rows(const char *path, const char *title, int format, const char *where,
                           int ids)
{
    rk_source_options source = {.format = format,
                                .separator = (char *)"",
                                .header = true,
                                .quotes = true,
                                .user = (char *)"userId",
                                .item = (char *)"movieId",
                                .time = (char *)(format == RK_FORMAT_CSV ? "timestamp" : ""),
                                .value = (char *)"",
                                .where = (char *)where};
    for (int round = 0; round < 2; round++) {
        rk_reader *reader = NULL;
        RK_TRY(rk__reader_open(&reader, &source, path, ids));
        double begin = rk__now(), times = 0;
        uint64_t sum = 0;
        rk_record record;
        bool is_end = false;
        rk_status status;
        while ((status = rk__reader_next(reader, &record, &is_end)) == RK_OK && !is_end) {
            sum += (uint64_t)record.user_id + (uint64_t)record.item_id;
            times += record.time;
        }
        double seconds = rk__now() - begin;
        rk_reader_counts counts = rk__reader_counts(reader);
        rk__reader_close(reader);
        RK_TRY(status);
        printf("%-34s %9" PRId64 " rows  %6.2f s  %6.2f million rows/s  %5.0f MB/s   (%" PRIu64
               ", %.6g)\n",
               title, counts.rows, seconds, (double)counts.rows / seconds / 1e6,
               (double)counts.bytes / seconds / 1e6, sum, times);
    }
    return RK_OK;
}

int main(int argc, char **argv)
{
    int64_t rows = 5000000;
    if (argc > 1 && (rk__parse_int(argv[1], strlen(argv[1]), &rows) != RK_PARSE_OK || rows < 1)) {
        fprintf(stderr, "usage: bench_reader [rows] [folder]\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/bench_reader.%d", argc > 2 ? argv[2] : "/tmp", (int)getpid());
    rk_status status = RK_OK;
    for (int kind = 0; kind < 3 && status == RK_OK; kind++) {
        if (!write_rows(path, rows, kind)) {
            fprintf(stderr, "%s cannot be written\n", path);
            status = RK_ERR_IO;
        } else if (kind == 0) {
            status = read_rows(path, "csv, time", RK_FORMAT_CSV, "", RK_IDS_INTEGER);
            if (status == RK_OK) {
                status = read_rows(path, "csv, time, rating >= 4", RK_FORMAT_CSV, "rating >= 4",
                                   RK_IDS_INTEGER);
            }
            if (status == RK_OK) {
                status = read_rows(path, "csv, time, text ids", RK_FORMAT_CSV, "", RK_IDS_TEXT);
            }
        } else if (kind == 1) {
            status = read_rows(path, "csv, time, rating >= 4, quoted", RK_FORMAT_CSV, "rating >= 4",
                               RK_IDS_INTEGER);
        } else {
            status = read_rows(path, "adjacency", RK_FORMAT_ADJACENCY, "", RK_IDS_INTEGER);
        }
    }
    if (status == RK_ERR_DATA || status == RK_ERR_CONFIG) {
        fprintf(stderr, "%s\n", rk_last_error());
    }
    unlink(path);
    return status == RK_OK ? 0 : 1;
}
