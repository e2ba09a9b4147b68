/* What is in the folder of prepared data sets, and removing it: rankine/cache.h. */
#include "rankine/cache.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/cache.h"
#include "data/dataset_internal.h"
#include "io/aside.h"

/* An entry whose texts are owned. */
typedef struct entry {
    rk_cache_entry of;
    char *path, *name, *fingerprint, *source;
    const char *file; /* the end of path: its name in the folder */
} entry;

/* A file in keys/. */
typedef struct key {
    char *name; /* in the folder, with keys/ */
    char *file; /* the data set that it names; NULL = none: of another version, or no key at all */
    rk_cache_state state;
    char *source;
    double used_at;
} key;

struct rk_cache {
    char *folder;
    entry *entries;
    int64_t n, room;
    key *keys;
    int64_t n_keys, room_keys;
};

const char *rk_cache_state_name(rk_cache_state state)
{
    static const char *const names[] = {"current", "changed", "gone", "unused", "remains"};
    return (unsigned)state <= RK_CACHE_REMAINS ? names[state] : NULL;
}

/* ---- names ---- */

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), of_ending = strlen(ending);
    return length > of_ending && strcmp(name + length - of_ending, ending) == 0;
}

/* How many digits there are in "...-0123456789abcdef.h5": 16; or 8, as earlier versions named data
 * sets; 0 = it is no such name. */
static size_t digits_of(const char *name)
{
    const char *dash = strrchr(name, '-');
    size_t digits = dash ? strspn(dash + 1, "0123456789abcdef") : 0;
    return (digits == 16 || digits == 8) && strcmp(dash + 1 + digits, ".h5") == 0 ? digits : 0;
}

/* "NAME.h5.tmp", "NAME.h5.2.tmp": what io/aside.h calls its files. */
static bool is_aside_name(const char *name)
{
    const char *at = ends_in(name, ".tmp") ? strstr(name, ".h5.") : NULL;
    return at && (strcmp(at, ".h5.tmp") == 0 || strspn(at + 4, "0123456789") + 8 == strlen(at));
}

/* ---- reading the folder ---- */

static double seconds_of(const struct timespec *time)
{
    return (double)time->tv_sec + 1e-9 * (double)time->tv_nsec;
}

/* The state of the sources that a key lists, and the one that decides it. */
static rk_status judge(const char *text, rk_cache_state *out_state, char **out_source)
{
    static const rk_cache_state states[] = {[RK_SOURCE_SAME] = RK_CACHE_CURRENT,
                                            [RK_SOURCE_CHANGED] = RK_CACHE_CHANGED,
                                            [RK_SOURCE_GONE] = RK_CACHE_GONE};
    char *path = NULL;
    rk_source_state state = RK_SOURCE_SAME;
    *out_state = RK_CACHE_CURRENT;
    for (const char *at = text;;) {
        RK_TRY(rk__cache_next_source(&at, &path, &state));
        if (!path) {
            return RK_OK;
        }
        if (!*out_source || states[state] > *out_state) {
            rk__free(*out_source);
            *out_source = path;
            *out_state = states[state];
        } else {
            rk__free(path);
        }
    }
}

/* A folder of somebody who prepares, or was killed over it; it may go in any case, since then
 * others prepare at the same time. */
static bool is_turn(const char *name)
{
    return ends_in(name, RK_CACHE_BUSY);
}

static rk_status read_key(rk_cache *cache, const char *name)
{
    struct stat info;
    char *path = NULL, *text = NULL;
    rk_status status = RK_OK;
    key k = {.state = RK_CACHE_UNUSED};
    RK_TRY_GOTO(done, rk__format(&k.name, RK_CACHE_KEYS "/%s", name));
    RK_TRY_GOTO(done, rk__path_join(&path, cache->folder, k.name));
    if (stat(path, &info) != 0 || !(S_ISREG(info.st_mode) || is_turn(name))) {
        goto done;
    }
    k.used_at = seconds_of(&info.st_mtim);
    if (!ends_in(name, ".tmp") && !is_turn(name)) {
        status = rk__cache_read_key(cache->folder, name, &text, &k.file);
        if (status == RK_ERR_IO) { /* removed meanwhile */
            status = RK_OK;
            goto done;
        }
        RK_TRY_GOTO(done, status);
        RK_TRY_GOTO(done, k.file ? judge(text, &k.state, &k.source) : RK_OK);
    }
    if (cache->n_keys == cache->room_keys) {
        int64_t room = 2 * cache->room_keys + 16;
        RK_TRY_GOTO(done, rk__realloc(&cache->keys, cache->n_keys, room, sizeof *cache->keys,
                                      "keys of a cache"));
        cache->room_keys = room;
    }
    cache->keys[cache->n_keys++] = k;
    k = (key){.name = NULL};
done:
    rk__free(k.name);
    rk__free(k.file);
    rk__free(k.source);
    rk__free(path);
    rk__free(text);
    return status;
}

/* The best of the keys that lead to a data set: a current one, else one without sources. */
static rk_status find_state(const rk_cache *cache, entry *e)
{
    static const int worth[] = {
        [RK_CACHE_CURRENT] = 3, [RK_CACHE_GONE] = 2, [RK_CACHE_CHANGED] = 1, [RK_CACHE_UNUSED] = 0};
    const key *best = NULL;
    for (int64_t i = 0; i < cache->n_keys; i++) {
        const key *k = &cache->keys[i];
        if (!k->file || strcmp(k->file, e->file) != 0) {
            continue;
        }
        e->of.used_at = k->used_at > e->of.used_at ? k->used_at : e->of.used_at;
        best = !best || worth[k->state] > worth[best->state] ? k : best;
    }
    if (!best) {
        return RK_OK;
    }
    e->of.state = best->state;
    return rk__strdup(&e->source, best->source ? best->source : "");
}

static void free_entry(entry *e)
{
    rk__free(e->path);
    rk__free(e->name);
    rk__free(e->fingerprint);
    rk__free(e->source);
}

static rk_status add_entry(rk_cache *cache, const char *file)
{
    struct stat info;
    const bool is_remains = is_aside_name(file);
    entry e = {.of.state = is_remains ? RK_CACHE_REMAINS : RK_CACHE_UNUSED};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__path_join(&e.path, cache->folder, file));
    if (stat(e.path, &info) != 0 || !S_ISREG(info.st_mode)) {
        goto done;
    }
    e.file = strrchr(e.path, '/') + 1;
    e.of.bytes = info.st_size;
    e.of.runs = (int64_t)info.st_nlink - 1;
    e.of.used_at = seconds_of(&info.st_mtim);
    if (!is_remains) {
        int64_t layout = 0;
        status = rk__dataset_read_name(e.path, &e.name, &e.fingerprint, &layout);
        if (digits_of(file) == 8 && (status == RK_ERR_DATA || layout > 1)) {
            status = RK_OK; /* something else, with a similar name */
            goto done;
        }
        if (status == RK_ERR_DATA || status == RK_ERR_IO) {
            status = RK_OK; /* damaged */
        }
        RK_TRY_GOTO(done, status);
        RK_TRY_GOTO(done, find_state(cache, &e));
    }
    RK_TRY_GOTO(done, e.name ? RK_OK : rk__strdup(&e.name, ""));
    RK_TRY_GOTO(done, e.fingerprint ? RK_OK : rk__strdup(&e.fingerprint, ""));
    RK_TRY_GOTO(done, e.source ? RK_OK : rk__strdup(&e.source, ""));
    if (cache->n == cache->room) {
        int64_t room = 2 * cache->room + 16;
        RK_TRY_GOTO(done, rk__realloc(&cache->entries, cache->n, room, sizeof *cache->entries,
                                      "data sets of a cache"));
        cache->room = room;
    }
    e.of.path = e.path;
    e.of.name = e.name;
    e.of.fingerprint = e.fingerprint;
    e.of.source = e.source;
    cache->entries[cache->n++] = e;
    e = (entry){.path = NULL};
done:
    free_entry(&e);
    return status;
}

/* Calls `add` for every name in a folder. */
static rk_status for_each(rk_cache *cache, const char *path,
                          rk_status (*add)(rk_cache *cache, const char *name))
{
    rk_status status = RK_OK;
    DIR *directory = opendir(path);
    if (!directory) {
        RK_FAIL(RK_ERR_IO, "the folder %s cannot be read: %s", path, strerror(errno));
    }
    for (struct dirent *at; status == RK_OK && (at = readdir(directory));) {
        status = add(cache, at->d_name);
    }
    closedir(directory);
    return status;
}

/* Remains in a folder without keys may be those of anybody. */
static rk_status add_if_ours(rk_cache *cache, const char *name)
{
    bool is_ours = digits_of(name) > 0 || (cache->n_keys > 0 && is_aside_name(name));
    return is_ours ? add_entry(cache, name) : RK_OK;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->file, ((const entry *)b)->file);
}

rk_status rk_cache_open(const char *folder, rk_cache **out)
{
    rk_cache *cache = NULL;
    char *keys = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__calloc(&cache, 1, sizeof *cache, "the list of a cache"));
    RK_TRY_GOTO(done, rk__strdup(&cache->folder, folder));
    RK_TRY_GOTO(done, rk__path_join(&keys, folder, RK_CACHE_KEYS));
    if (rk__file_exists(keys)) {
        RK_TRY_GOTO(done, for_each(cache, keys, read_key));
    }
    RK_TRY_GOTO(done, for_each(cache, folder, add_if_ours));
    if (cache->n > 0) {
        qsort(cache->entries, (size_t)cache->n, sizeof *cache->entries, compare_entries);
    }
    *out = cache;
    cache = NULL;
done:
    rk__free(keys);
    rk_cache_free(cache);
    return status;
}

int64_t rk_cache_count(const rk_cache *cache)
{
    return cache->n;
}

const rk_cache_entry *rk_cache_at(const rk_cache *cache, int64_t number)
{
    return number >= 0 && number < cache->n ? &cache->entries[number].of : NULL;
}

void rk_cache_free(rk_cache *cache)
{
    if (!cache) {
        return;
    }
    for (int64_t i = 0; i < cache->n; i++) {
        free_entry(&cache->entries[i]);
    }
    for (int64_t i = 0; i < cache->n_keys; i++) {
        rk__free(cache->keys[i].name);
        rk__free(cache->keys[i].file);
        rk__free(cache->keys[i].source);
    }
    rk__free(cache->entries);
    rk__free(cache->keys);
    rk__free(cache->folder);
    rk__free(cache);
}

/* ---- removing ---- */

/* *out_removed: false = it was gone already, or its writer is at work. */
static rk_status remove_file(const char *path, bool *out_removed)
{
    if (is_turn(path)) {
        *out_removed = rmdir(path) == 0;
        return RK_OK;
    }
    if (ends_in(path, ".tmp")) {
        *out_removed = rk__aside_remove_dead(path);
        return RK_OK;
    }
    *out_removed = unlink(path) == 0;
    if (!*out_removed && errno != ENOENT) {
        RK_FAIL(RK_ERR_IO, "%s cannot be removed: %s", path, strerror(errno));
    }
    return RK_OK;
}

static bool is_kept(rk_cache_state state, bool all)
{
    return !all && (state == RK_CACHE_CURRENT || state == RK_CACHE_GONE);
}

/* Keys before data sets: whoever looks meanwhile finds no key without its data set. */
static rk_status clean_keys(const rk_cache *cache, bool all)
{
    for (int64_t i = 0; i < cache->n_keys; i++) {
        char *path = NULL;
        bool removed = false;
        if (is_kept(cache->keys[i].state, all)) {
            continue;
        }
        RK_TRY(rk__path_join(&path, cache->folder, cache->keys[i].name));
        rk_status status = remove_file(path, &removed);
        rk__free(path);
        RK_TRY(status);
    }
    return RK_OK;
}

rk_status rk_cache_clean(const char *folder, bool all, int64_t *out_files, int64_t *out_bytes)
{
    rk_cache *cache = NULL;
    int64_t files = 0, bytes = 0;
    RK_TRY(rk_cache_open(folder, &cache));
    rk_status status = clean_keys(cache, all);
    for (int64_t i = 0; status == RK_OK && i < cache->n; i++) {
        const rk_cache_entry *e = &cache->entries[i].of;
        bool removed = false;
        if (!is_kept(e->state, all)) {
            status = remove_file(e->path, &removed);
            files += removed;
            bytes += removed && e->runs == 0 ? e->bytes : 0;
        }
    }
    rk_cache_free(cache);
    if (out_files) {
        *out_files = files;
    }
    if (out_bytes) {
        *out_bytes = bytes;
    }
    return status;
}
