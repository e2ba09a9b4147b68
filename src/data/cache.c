#include "data/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset_internal.h"
#include "io/aside.h"

#define HEAD "rankine cache key " RK_CACHE_VERSION "\n"

void rk__cache_key_free(rk_cache_key *key)
{
    rk__free(key->state);
    *key = (rk_cache_key){.state = NULL};
}

/* ---- the sources of a key ---- */

/* Bytes that would end a line, as %XX. */
static void add_path(rk_buffer *out, const char *path)
{
    for (const char *at = path; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == '%') {
            rk__buffer_add(out, "%%%02X", (unsigned)(unsigned char)*at);
        } else {
            rk__buffer_add_bytes(out, at, 1);
        }
    }
}

static unsigned hex(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'A' + 10);
}

static void unescape(char *path)
{
    char *to = path;
    for (const char *at = path; *at; at++) {
        if (at[0] == '%' && at[1] && at[2]) {
            *to++ = (char)(hex(at[1]) << 4 | hex(at[2]));
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
}

bool rk__cache_add_source(rk_buffer *state, const char *path)
{
    struct stat info;
    bool is_stream = strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
    if (is_stream || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return false; /* what /dev/stdin names is another file each time */
    }
    /* The time of change, too: tools that copy can set the other one. */
    rk__buffer_add(state, "source %lld %lld.%09ld %lld.%09ld ", (long long)info.st_size,
                   (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                   (long long)info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
    add_path(state, path);
    rk__buffer_add_bytes(state, "\n", 1);
    return true;
}

/* The path in a line of rk__cache_add_source; NULL if it is none. */
static const char *path_in(const char *line, size_t length)
{
    const char *at = line, *end = line + length;
    for (int field = 0; field < 4; field++) {
        at = at ? memchr(at, ' ', (size_t)(end - at)) : NULL;
        at = at ? at + 1 : NULL;
    }
    return at;
}

rk_status rk__cache_next_source(const char **at, char **out_path, rk_source_state *out_state)
{
    rk_buffer now = {0};
    *out_path = NULL;
    const char *line = strncmp(*at, "source ", 7) == 0 ? *at : strstr(*at, "\nsource ");
    line = line && *line == '\n' ? line + 1 : line;
    size_t length = line ? strcspn(line, "\n") : 0;
    const char *path = line ? path_in(line, length) : NULL;
    if (!path) {
        return RK_OK;
    }
    *at = line + length;
    RK_TRY(rk__strndup(out_path, path, (size_t)(line + length - path)));
    unescape(*out_path);
    if (!rk__file_exists(*out_path)) {
        *out_state = RK_SOURCE_GONE;
        return RK_OK;
    }
    bool same = rk__cache_add_source(&now, *out_path) && now.status == RK_OK &&
                (size_t)now.length == length + 1 && memcmp(now.at, line, length) == 0;
    *out_state = same ? RK_SOURCE_SAME : RK_SOURCE_CHANGED;
    rk_status status = now.status;
    rk__buffer_free(&now);
    if (status != RK_OK) {
        rk__free(*out_path);
        *out_path = NULL;
    }
    return status;
}

/* ---- finding ---- */

rk_status rk__cache_read_key(const char *folder, const char *name, char **out_text, char **out_file)
{
    char *path = NULL, *text = NULL;
    rk_status status = RK_OK;
    *out_text = *out_file = NULL;
    RK_TRY_GOTO(done, rk__format(&path, "%s/" RK_CACHE_KEYS "/%s", folder, name));
    RK_TRY_GOTO(done, rk__file_read(path, &text, NULL));
    static const char begin[] = HEAD "file ";
    if (strncmp(text, begin, sizeof begin - 1) == 0) {
        const char *file = text + sizeof begin - 1;
        size_t length = strcspn(file, "\n");
        if (length > 0 && !memchr(file, '/', length)) {
            RK_TRY_GOTO(done, rk__strndup(out_file, file, length));
        }
    }
    *out_text = text;
    text = NULL;
done:
    rk__free(text);
    rk__free(path);
    return status;
}

/* The data set that a key names, if it is there. */
static rk_status follow(const char *folder, const char *name, char **out)
{
    char *text = NULL, *file = NULL, *path = NULL, *key = NULL;
    rk_status status = RK_OK;
    *out = NULL;
    RK_TRY_GOTO(done, rk__format(&key, "%s/" RK_CACHE_KEYS "/%s", folder, name));
    if (!rk__file_exists(key)) {
        goto done;
    }
    status = rk__cache_read_key(folder, name, &text, &file);
    if (status == RK_ERR_IO) {
        status = RK_OK; /* removed meanwhile, or not for us to read */
    }
    if (status != RK_OK || !file) {
        goto done;
    }
    RK_TRY_GOTO(done, rk__path_join(&path, folder, file));
    if (rk__file_exists(path)) {
        (void)utimensat(AT_FDCWD, key, NULL,
                        0); /* used now; a cache that is read-only serves, too */
        *out = path;
        path = NULL;
    }
done:
    rk__free(text);
    rk__free(file);
    rk__free(path);
    rk__free(key);
    return status;
}

static rk_status key_name(const rk_cache_key *key, char **out)
{
    return rk__format(out, "%s-%s", key->options, key->sources);
}

rk_status rk__cache_find(const char *folder, const rk_cache_key *key, char **out)
{
    char *name = NULL;
    *out = NULL;
    if (!key->sources[0]) {
        return RK_OK;
    }
    RK_TRY(key_name(key, &name));
    rk_status status = follow(folder, name, out);
    rk__free(name);
    return status;
}

/* Puts the path into *best if its key was used later than that of *best. */
static rk_status take_later(const char *folder, const char *name, struct timespec *when,
                            char **best)
{
    char *key = NULL, *path = NULL;
    struct stat info;
    RK_TRY(rk__format(&key, "%s/" RK_CACHE_KEYS "/%s", folder, name));
    bool later = stat(key, &info) == 0 &&
                 (info.st_mtim.tv_sec > when->tv_sec ||
                  (info.st_mtim.tv_sec == when->tv_sec && info.st_mtim.tv_nsec > when->tv_nsec));
    rk__free(key);
    if (!later) {
        return RK_OK;
    }
    RK_TRY(follow(folder, name, &path));
    if (path) {
        *when = info.st_mtim;
        rk__free(*best);
        *best = path;
    }
    return RK_OK;
}

rk_status rk__cache_find_any(const char *folder, const rk_cache_key *key, char **out)
{
    rk_status status = RK_OK;
    struct timespec when = {0};
    char *keys = NULL;
    *out = NULL;
    RK_TRY(rk__path_join(&keys, folder, RK_CACHE_KEYS));
    DIR *directory = opendir(keys);
    rk__free(keys);
    if (!directory) {
        return RK_OK;
    }
    for (struct dirent *entry; status == RK_OK && (entry = readdir(directory));) {
        if (strncmp(entry->d_name, key->options, 16) == 0 && entry->d_name[16] == '-' &&
            strlen(entry->d_name) == 33) {
            status = take_later(folder, entry->d_name, &when, out);
        }
    }
    closedir(directory);
    if (status != RK_OK) {
        rk__free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- adding ---- */

static void tell_waiting(const rk_hooks *hooks)
{
    if (hooks && hooks->log) {
        hooks->log(hooks->user, RK_LOG_INFO,
                   "another process is preparing this data set: waiting for it");
    }
}

rk_status rk__cache_take_turn(const char *folder, const rk_cache_key *key, const rk_hooks *hooks,
                              rk_folder_lock *out)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    char *path = NULL;
    rk_status status = RK_OK;
    if (!key->sources[0]) {
        return RK_OK;
    }
    RK_TRY(rk__format(&path, "%s/" RK_CACHE_KEYS "/%s-%s" RK_CACHE_BUSY, folder, key->options,
                      key->sources));
    bool told = false;
    for (bool busy = true; busy && status == RK_OK;) {
        status = rk__folder_try(out, path, &busy);
        if (status == RK_OK && busy) {
            if (!told) {
                tell_waiting(hooks);
                told = true;
            }
            if (hooks && hooks->should_stop && hooks->should_stop(hooks->user)) {
                status = rk__fail(RK_ERR_INTERRUPTED, __FILE__, __LINE__, __func__,
                                  "interrupted while another process prepared the data set");
            } else {
                nanosleep(&pause, NULL);
            }
        }
    }
    if (out->path && out->created == 0) {
        out->created = 1; /* also one that somebody else has left is removed in the end */
    }
    rk__free(path);
    return status == RK_ERR_IO ? RK_OK : status; /* what is wrong is found out in writing */
}

enum { CHUNK = 1 << 20 };

/* Eight bytes at a time, for files of gigabytes; the bits of the upper half are folded back, since
 * a product carries none of them down. */
static uint64_t digest_bytes(uint64_t hash, const char *bytes, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, (size_t)(n - i < 8 ? n - i : 8));
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

/* Up to CHUNK bytes, as many as there are; -1 with errno. */
static int64_t read_chunk(int descriptor, int64_t offset, char *out)
{
    int64_t done = 0;
    while (done < CHUNK) {
        ssize_t n = pread(descriptor, out + done, (size_t)(CHUNK - done), offset + done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        done += n;
    }
    return done;
}

static rk_status digest_file(int descriptor, const char *name, uint64_t *out)
{
    char *chunk = NULL;
    RK_TRY(rk__alloc(&chunk, CHUNK, 1, "a block of a data set's file"));
    int64_t n = 0, offset = 0;
    *out = 0;
    do {
        n = read_chunk(descriptor, offset, chunk);
        *out = digest_bytes(*out, chunk, n);
        offset += n;
    } while (n == CHUNK);
    rk__free(chunk);
    if (n < 0) {
        RK_FAIL(RK_ERR_IO, "%s cannot be read back: %s", name, strerror(errno));
    }
    *out = (*out ^ (uint64_t)offset) * UINT64_C(0x9e3779b97f4a7c15);
    return RK_OK;
}

/* Whether the file at path has the bytes of the descriptor's. */
static rk_status has_bytes_of(const char *path, int descriptor, bool *out)
{
    char *a = NULL, *b = NULL;
    rk_status status = RK_OK;
    int other = open(path, O_RDONLY | O_CLOEXEC);
    *out = other >= 0;
    RK_TRY_GOTO(done, rk__alloc(&a, CHUNK, 1, "a block of a data set's file"));
    RK_TRY_GOTO(done, rk__alloc(&b, CHUNK, 1, "a block of a data set's file"));
    for (int64_t offset = 0, n = CHUNK; *out && n == CHUNK; offset += n) {
        n = read_chunk(descriptor, offset, a);
        *out = n >= 0 && read_chunk(other, offset, b) == n && memcmp(a, b, (size_t)n) == 0;
    }
done:
    if (other >= 0) {
        close(other);
    }
    rk__free(a);
    rk__free(b);
    return status;
}

/* Gives the file its name; a file that has it already stays, unless it is damaged. */
static rk_status name_by_content(rk_h5 *file, const char *folder, const char *name, char **out)
{
    uint64_t digest = 0;
    int descriptor = -1;
    bool same = false;
    rk_status status = RK_OK;
    char *path = NULL;
    RK_TRY_GOTO(done, rk__h5_complete(file, &descriptor));
    RK_TRY_GOTO(done, digest_file(descriptor, rk__h5_path(file), &digest));
    RK_TRY_GOTO(done,
                rk__format(&path, "%s/%s-%016llx.h5", folder, name, (unsigned long long)digest));
    RK_TRY_GOTO(done, rk__h5_retarget(file, path));
    if (rk__file_exists(path)) {
        RK_TRY_GOTO(done, has_bytes_of(path, descriptor, &same));
        RK_TRY_GOTO(done, same ? RK_OK : rk__h5_commit(file));
    } else {
        /* If it is there now after all, another process has just finished the same. */
        RK_TRY_GOTO(done, rk__h5_commit_new(file, &same));
    }
    *out = path;
    path = NULL;
done:
    rk__free(path);
    return status;
}

static rk_status write_key(const char *folder, const rk_cache_key *key, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *keys = NULL, *name = NULL, *target = NULL, *text = NULL;
    rk_aside aside = {.descriptor = -1};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__path_join(&keys, folder, RK_CACHE_KEYS));
    RK_TRY_GOTO(done, rk__folder_create(keys));
    RK_TRY_GOTO(done, key_name(key, &name));
    RK_TRY_GOTO(done, rk__format(&target, "%s/" RK_CACHE_KEYS "/%s", folder, name));
    RK_TRY_GOTO(done, rk__format(&text, HEAD "file %s\n%s", slash + 1, key->state));
    RK_TRY_GOTO(done, rk__aside_open(&aside, target));
    RK_TRY_GOTO(done, rk__aside_write(&aside, text, (int64_t)strlen(text)));
    status = rk__aside_commit(&aside);
done:
    rk__aside_close(&aside);
    rk__free(text);
    rk__free(target);
    rk__free(name);
    rk__free(keys);
    return status;
}

rk_status rk__cache_add(const char *folder, const char *name, const rk_cache_key *key,
                        rk_dataset *dataset, rk_work *work)
{
    char *path = NULL;
    rk_h5 *file = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__folder_create(folder));
    RK_TRY_GOTO(done, rk__format(&path, "%s/%s.h5", folder, name));
    RK_TRY_GOTO(done, rk__dataset_save_aside(dataset, path, work, &file));
    rk__free(path);
    path = NULL;
    RK_TRY_GOTO(done, name_by_content(file, folder, name, &path));
    RK_TRY_GOTO(done, rk__dataset_is_at(dataset, path));
    RK_TRY_GOTO(done, key->sources[0] ? write_key(folder, key, path) : RK_OK);
done:
    rk__h5_close(file);
    rk__free(path);
    return status;
}
