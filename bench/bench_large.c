/*
 * Preparing rows that do not fit in memory: seconds, peak memory and disk, and whether the data set
 * is the one that is prepared in memory.
 *
 *   bench_large ROWS FOLDER MEMORY [both] [times]      e.g. 100000000 /tmp/large 4GiB both
 *
 * The file has ROWS rows in no order, of ROWS / 100 users and ROWS / 1000 items whose popularity
 * falls like a power law; with `times` also a time stamp and a rating. It is written once and kept.
 * It is prepared within MEMORY and, with `both`, without a bound, each in a process of its own,
 * into caches of their own below FOLDER; the files' names, which are digests of their bytes, are
 * compared.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/philox.h"
#include "base/timer.h"
#include "rankine/rankine.h"

/* What a process that prepares tells the one that waits for it. */
typedef struct answer {
    double seconds;
    int64_t peak, interactions, users, items, bytes;
    char name[200];
    char error[500];
} answer;

static int print_row(char *at, int64_t row, int64_t rows, bool with_times)
{
    const rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, 0, (uint64_t)row, 0);
    const int64_t user = 1 + (int64_t)(rk__uniform(w.v[0]) * (float)(rows / 100 + 1));
    const double u = (double)w.v[1] / 4294967296.0;
    const int64_t item = 1 + (int64_t)(u * u * (double)(rows / 1000 + 1));
    char *begin = at;
    at += rk__print_int(at, user);
    *at++ = ',';
    at += rk__print_int(at, item);
    if (with_times) {
        *at++ = ',';
        at += rk__print_int(at, 1300000000 + w.v[3] % 200000000);
        *at++ = ',';
        at += rk__print_int(at, 1 + w.v[2] % 5);
    }
    *at++ = '\n';
    return (int)(at - begin);
}

static bool write_rows(const char *path, int64_t rows, bool with_times)
{
    enum { BLOCK = 1 << 20, LONGEST = 120 };
    static char block[BLOCK + LONGEST];
    struct stat info;
    if (stat(path, &info) == 0) {
        return true;
    }
    FILE *file = fopen(path, "wb");
    if (!file) {
        return false;
    }
    fputs(with_times ? "user_id,item_id,time,stars\n" : "user_id,item_id\n", file);
    int n = 0;
    bool done = true;
    for (int64_t row = 0; row < rows && done; row++) {
        n += print_row(block + n, row, rows, with_times);
        if (n >= BLOCK || row + 1 == rows) {
            done = fwrite(block, 1, (size_t)n, file) == (size_t)n;
            n = 0;
        }
    }
    return fclose(file) == 0 && done;
}

static rk_status set(rk_config *config, const char *key, const char *value)
{
    char line[700];
    snprintf(line, sizeof line, "%s=%s", key, value);
    return rk_config_set(config, line, "bench");
}

static rk_status prepare(const char *folder, const char *cache, const char *memory,
                         const char *file, bool with_times, answer *out)
{
    rk_config *config = NULL;
    rk_dataset *dataset = NULL;
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, cache);
    rk_status status = rk_config_create(&config);
    const struct {
        const char *key, *value;
    } settings[] = {
        {"data.root", folder},
        {"data.name", "large"},
        {"data.cache", path},
        {"data.memory", memory},
        {"data.min_user", "5"},
        {"data.min_item", "5"},
        {"data.sources[0].file", file},
        {"split.kind", with_times ? "time" : "ratio"},
        {"data.sources[0].time", with_times ? "time" : ""},
        {"data.sources[0].value", with_times ? "stars" : ""},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == RK_OK; i++) {
        status = set(config, settings[i].key, settings[i].value);
    }
    const double start = rk__now();
    status = status == RK_OK ? rk_dataset_prepare(config, true, NULL, &dataset) : status;
    out->seconds = rk__now() - start;
    if (status == RK_OK) {
        const rk_dataset_stats *s = rk_dataset_get_stats(dataset);
        struct stat info = {.st_size = 0};
        stat(rk_dataset_path(dataset), &info);
        out->interactions = s->interactions;
        out->users = s->users;
        out->items = s->items;
        out->bytes = (int64_t)info.st_size;
        snprintf(out->name, sizeof out->name, "%s", strrchr(rk_dataset_path(dataset), '/') + 1);
    } else {
        snprintf(out->error, sizeof out->error, "%s", rk_last_error());
    }
    out->peak = rk__peak_memory();
    rk_dataset_free(dataset);
    rk_config_free(config);
    return status;
}

static int64_t free_bytes(const char *folder)
{
    struct statvfs info;
    return statvfs(folder, &info) == 0 ? (int64_t)(info.f_bavail * info.f_frsize) : 0;
}

/* In a process of its own; the least free disk meanwhile tells what it took. */
static bool run(const char *folder, const char *cache, const char *memory, const char *file,
                bool with_times, answer *out)
{
    const int64_t before = free_bytes(folder);
    int64_t least = before;
    int code = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(prepare(folder, cache, memory, file, with_times, out) == RK_OK ? 0 : 1);
    }
    while (waitpid(child, &code, WNOHANG) == 0) {
        const int64_t now = free_bytes(folder);
        least = now < least ? now : least;
        usleep(200000);
    }
    if (code != 0) {
        printf("%s: %s\n", memory, out->error[0] ? out->error : "the process ended");
        return false;
    }
    printf("%-8s %7.1f s  peak %6.0f MiB  disk %6.1f GB  file %5.2f GB  %lld interactions, %lld "
           "users, %lld items  %s\n",
           memory, out->seconds, (double)out->peak / 0x1p20, (double)(before - least) / 1e9,
           (double)out->bytes / 1e9, (long long)out->interactions, (long long)out->users,
           (long long)out->items, out->name);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    int64_t rows = 0;
    bool both = false, with_times = false;
    for (int i = 4; i < argc; i++) {
        both = both || strcmp(argv[i], "both") == 0;
        with_times = with_times || strcmp(argv[i], "times") == 0;
    }
    if (argc < 4 || rk__parse_int(argv[1], strlen(argv[1]), &rows) != RK_PARSE_OK || rows < 1) {
        fprintf(stderr, "bench_large ROWS FOLDER MEMORY [both] [times]\n");
        return 2;
    }
    char path[600], name[100];
    snprintf(name, sizeof name, "rows-%lld%s.csv", (long long)rows, with_times ? "-times" : "");
    snprintf(path, sizeof path, "%s/%s", argv[2], name);
    const double start = rk__now();
    if (!write_rows(path, rows, with_times)) {
        fprintf(stderr, "%s cannot be written\n", path);
        return 3;
    }
    printf("%s: written in %.1f s\n", path, rk__now() - start);
    answer *answers =
        mmap(NULL, 2 * sizeof *answers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (answers == MAP_FAILED) {
        return 4;
    }
    if (!run(argv[2], "pieces", argv[3], name, with_times, &answers[0])) {
        return 1;
    }
    if (!both) {
        return 0;
    }
    if (!run(argv[2], "whole", "0", name, with_times, &answers[1])) {
        return 1;
    }
    const bool same = strcmp(answers[0].name, answers[1].name) == 0;
    printf("%s\n", same ? "the same bytes" : "OTHER BYTES");
    return same ? 0 : 1;
}
