/*
 * From a ratings file to a cached data set: seconds and peak memory, on a file it writes itself.
 *
 *   bench_prepare [rows] [folder]      default 7000000 /tmp
 *
 * The file has GoodBooks' size and shape: 53,424 users in no order, 10,000 items whose popularity
 * falls like a power law, ratings 1..5 of which `where` keeps 4 and 5, a time stamp; minimum counts
 * 5 and 5. Prepared four times: split at random, by a user's times, at a moment for all, and once
 * more from the cache. Goal: under 10 s and 1 GiB on 2 cores.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/philox.h"
#include "base/timer.h"
#include "rankine/rankine.h"

enum { USERS = 53424, ITEMS = 10000 };

static bool write_rows(const char *path, int64_t rows)
{
    FILE *file = fopen(path, "wb");
    if (!file) {
        return false;
    }
    fputs("user_id,book_id,rating,timestamp\n", file);
    for (int64_t i = 0; i < rows; i++) {
        rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, 0, (uint64_t)i, 0);
        int64_t user = 1 + w.v[0] % USERS;
        /* The inverse of a share that grows like the square root of the rank. */
        int64_t item = 1 + (int64_t)(pow((double)rk__uniform(w.v[1]), 2.0) * ITEMS);
        int rating = 1 + (int)(sqrt((double)rk__uniform(w.v[2])) * 5);
        fprintf(file, "%" PRId64 ",%" PRId64 ",%d,%" PRIu32 "\n", user, item, rating,
                1300000000 + w.v[3] % 200000000);
    }
    return fclose(file) == 0;
}

static rk_status run(const char *folder, const char *title, const char *const *settings, bool force)
{
    rk_config *config = NULL;
    rk_dataset *dataset = NULL;
    char line[600];
    rk_status status = rk_config_create(&config);
    snprintf(line, sizeof line, "data.root=%s", folder);
    status = status == RK_OK ? rk_config_set(config, line, "bench") : status;
    snprintf(line, sizeof line, "data.cache=%s", folder);
    status = status == RK_OK ? rk_config_set(config, line, "bench") : status;
    for (; *settings && status == RK_OK; settings++) {
        status = rk_config_set(config, *settings, "bench");
    }
    double start = rk__now();
    status = status == RK_OK ? rk_dataset_prepare(config, force, NULL, &dataset) : status;
    double seconds = rk__now() - start;
    if (status == RK_OK) {
        const rk_dataset_stats *s = rk_dataset_get_stats(dataset);
        printf("%-22s %6.2f s  peak %4.0f MB  %" PRId64 " of %" PRId64 " rows, %" PRId64
               " users, %" PRId64 " items\n",
               title, seconds, (double)rk__peak_memory() / 1e6, s->interactions, s->rows_read,
               s->users, s->items);
        status = force ? RK_OK : (unlink(rk_dataset_path(dataset)), RK_OK);
    }
    rk_dataset_free(dataset);
    rk_config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    int64_t rows = 7000000;
    const char *folder = argc > 2 ? argv[2] : "/tmp";
    char path[500];
    if (argc > 1 && rk__parse_int(argv[1], strlen(argv[1]), &rows) != RK_PARSE_OK) {
        fprintf(stderr, "bench_prepare [rows] [folder]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/bench_prepare.csv", folder);
    if (!write_rows(path, rows)) {
        fprintf(stderr, "%s cannot be written\n", path);
        return 3;
    }
#define SOURCE                                                                                     \
    "data.name=bench", "data.sources[0].file=bench_prepare.csv", "data.sources[0].item=book_id",   \
        "data.sources[0].where=rating >= 4", "data.min_user=5", "data.min_item=5"
    const char *const random[] = {SOURCE, "split.kind=leave_one_out", NULL};
    const char *const by_time[] = {SOURCE, "data.sources[0].time=timestamp", "split.kind=ratio",
                                   "split.order=time", NULL};
    const char *const moment[] = {SOURCE, "data.sources[0].time=timestamp", "split.kind=time",
                                  NULL};
    const char *const texts[] = {SOURCE, "split.kind=leave_one_out", "data.ids=text", NULL};
    rk_status status = run(folder, "leave one out, random", random, true);
    status = status == RK_OK ? run(folder, "from the cache", random, false) : status;
    status = status == RK_OK ? run(folder, "ratio by time", by_time, false) : status;
    status = status == RK_OK ? run(folder, "at a moment", moment, false) : status;
    status = status == RK_OK ? run(folder, "text ids", texts, false) : status;
    unlink(path);
    if (status != RK_OK) {
        fprintf(stderr, "%s\n", rk_last_error());
    }
    return rk_status_exit_code(status);
}
