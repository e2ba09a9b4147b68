/*
 * Limits of a container and of the machine, read from the files of Linux that state them.
 *
 * A container's limit on processor time (docker run --cpus=2) hides no core: OpenMP would start a
 * thread for each core of the machine, and all of them would be paused together most of the time.
 * Its limit on memory makes no allocation fail: the process is killed once it uses too much, as on
 * a machine that promises more memory than it has. So both limits are looked up.
 */
#include "base/limits.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static FILE *open_below(const char *root, const char *name)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s/%s", root, name) >= (int)sizeof path) {
        return NULL;
    }
    return fopen(path, "r");
}

/* The leading words of a line that are positive numbers; returns how many, at most two. */
static int numbers_of(const char *word, int64_t out[2])
{
    int n = 0;
    while (n < 2) {
        word += strspn(word, " \t");
        size_t length = strcspn(word, " \t\n");
        if (rk__parse_int(word, length, &out[n]) != RK_PARSE_OK || out[n] <= 0) {
            break;
        }
        n++;
        word += length;
    }
    return n;
}

/* The same for the first line of root/name. */
static int read_numbers(const char *root, const char *name, int64_t out[2])
{
    char line[128] = "";
    FILE *file = open_below(root, name);
    if (!file) {
        return 0;
    }
    int n = fgets(line, sizeof line, file) ? numbers_of(line, out) : 0;
    fclose(file);
    return n;
}

/* The number after `key` at the start of a line; 0 if there is none. */
static int64_t read_key(FILE *file, const char *key)
{
    char line[256];
    int64_t value[2] = {0, 0};
    size_t length = strlen(key);
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) == 0) {
            fclose(file);
            return numbers_of(line + length, value) > 0 ? value[0] : 0;
        }
    }
    if (file) {
        fclose(file);
    }
    return 0;
}

int rk__cpu_quota(const char *root)
{
    int64_t limit[2], period[2]; /* microseconds of processor time in a period of microseconds */
    if (read_numbers(root, "cpu.max", limit) != 2) {
        if (read_numbers(root, "cpu/cpu.cfs_quota_us", limit) < 1 || /* control groups version 1 */
            read_numbers(root, "cpu/cpu.cfs_period_us", period) < 1) {
            return 0;
        }
        limit[1] = period[0];
    }
    int64_t cores = limit[0] / limit[1] + (limit[0] % limit[1] != 0);
    return cores < 4096 ? (int)cores : 4096;
}

int rk__threads(int64_t wanted)
{
    int cores = omp_get_max_threads(), quota = rk__cpu_quota(RK_CONTROL_GROUP);
    return wanted > 0 ? (int)wanted : quota > 0 && quota < cores ? quota : cores;
}

/* Bytes left in a control group; file pages that it can drop count as free. -1 = no limit. */
static int64_t group_leaves(const char *root)
{
    static const char *const versions[2][4] = {
        {"memory.max", "memory.current", "memory.stat", "inactive_file "},
        {"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat",
         "total_inactive_file "},
    };
    for (int i = 0; i < 2; i++) {
        int64_t limit[2], used[2];
        if (read_numbers(root, versions[i][0], limit) > 0 &&
            read_numbers(root, versions[i][1], used) > 0) {
            int64_t files = read_key(open_below(root, versions[i][2]), versions[i][3]);
            int64_t left = limit[0] - used[0] + (files < used[0] ? files : used[0]);
            return left > 0 ? left : 1; /* 0 would mean: not known */
        }
    }
    return -1;
}

int64_t rk__memory_available(const char *meminfo, const char *root)
{
    int64_t machine = 1024 * read_key(fopen(meminfo, "r"), "MemAvailable:");
    int64_t group = group_leaves(root);
    if (group < 0 || machine == 0) {
        return machine;
    }
    return group < machine ? group : machine;
}

int64_t rk__memory_available_here(void)
{
    return rk__memory_available("/proc/meminfo", RK_CONTROL_GROUP);
}
