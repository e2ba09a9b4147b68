/*
 * How many cores a container may use. Its limit on processor time (docker run --cpus=2) hides no
 * core: OpenMP would start a thread for each core of the machine, and all of them would be stopped
 * together most of the time.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "device/cpu/cpu.h"

/* The words of the first line of root/name as numbers; returns how many are, at most two. */
static int read_numbers(const char *root, const char *name, int64_t out[2])
{
    char path[512], line[128] = "";
    if (snprintf(path, sizeof path, "%s/%s", root, name) >= (int)sizeof path) {
        return 0;
    }
    FILE *file = fopen(path, "r");
    if (!file) {
        return 0;
    }
    const char *word = fgets(line, sizeof line, file) ? line : "";
    fclose(file);
    int n = 0;
    while (n < 2) {
        size_t length = strcspn(word, " \n");
        if (rk__parse_int(word, length, &out[n]) != RK_PARSE_OK || out[n] <= 0) {
            break;
        }
        n++;
        word += length + (word[length] == ' ');
    }
    return n;
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
