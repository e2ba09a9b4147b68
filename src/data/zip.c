#include "data/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/alloc.h"

/* Sizes of the fixed parts of the format (APPNOTE.TXT 4.3). */
enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR64 = 20, MOST_COMMENT = 65535 };
enum { INPUT = 64 << 10 };

static uint64_t little(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

static rk_status damaged(const rk_zip *zip, const char *what)
{
    RK_FAIL(RK_ERR_DATA, "%s is no whole zip archive (%s): was it copied or downloaded whole?",
            zip->path, what);
}

static rk_status read_at(const rk_zip *zip, int64_t offset, void *to, int64_t n)
{
    if (zip->stop.wanted && zip->stop.wanted(zip->stop.self)) {
        RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while reading %s; nothing was written", zip->path);
    }
    if (offset < 0 || n < 0 || offset > zip->bytes - n) {
        return damaged(zip, "it ends too early");
    }
    for (int64_t done = 0; done < n;) {
        ssize_t got = pread(zip->descriptor, (char *)to + done, (size_t)(n - done), offset + done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            RK_FAIL(RK_ERR_IO, "%s cannot be read: %s", zip->path,
                    got < 0 ? strerror(errno) : "it became shorter");
        }
        done += got;
    }
    return RK_OK;
}

/* Where the list of members is, from the record at the end of the file. */
static rk_status find_list(rk_zip *zip, int64_t *out_offset, int64_t *out_n)
{
    rk_status status = RK_OK;
    int64_t length = zip->bytes < END + MOST_COMMENT ? zip->bytes : END + MOST_COMMENT;
    unsigned char *tail = NULL, record[END64];
    RK_TRY(rk__alloc(&tail, length, 1, "the end of an archive"));
    RK_TRY_GOTO(done, read_at(zip, zip->bytes - length, tail, length));
    int64_t at = length - END;
    while (at >= 0 && memcmp(tail + at, "PK\5\6", 4) != 0) {
        at--;
    }
    if (at < 0) {
        status = damaged(zip, "no list of members");
        goto done;
    }
    *out_n = (int64_t)little(tail + at + 10, 2);
    *out_offset = (int64_t)little(tail + at + 16, 4);
    if (at >= LOCATOR64 && memcmp(tail + at - LOCATOR64, "PK\6\7", 4) == 0) {
        int64_t where = (int64_t)little(tail + at - LOCATOR64 + 8, 8);
        RK_TRY_GOTO(done, read_at(zip, where, record, END64));
        if (memcmp(record, "PK\6\6", 4) != 0) {
            status = damaged(zip, "its 64-bit end");
            goto done;
        }
        *out_n = (int64_t)little(record + 32, 8);
        *out_offset = (int64_t)little(record + 48, 8);
    }
done:
    rk__free(tail);
    return status;
}

/* Sizes and offsets of 0xffffffff are in the extra field 1, in this order. */
static void take_long_sizes(rk_zip_entry *entry, const unsigned char *extra, int64_t length)
{
    int64_t *const values[] = {&entry->size, &entry->packed, &entry->header};
    while (length >= 4) {
        int64_t id = (int64_t)little(extra, 2), size = (int64_t)little(extra + 2, 2);
        size = size > length - 4 ? length - 4 : size;
        const unsigned char *at = extra + 4, *stop = at + size;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*values[i] == UINT32_MAX && stop - at >= 8) {
                *values[i] = (int64_t)little(at, 8);
                at += 8;
            }
        }
        extra += 4 + size;
        length -= 4 + size;
    }
}

static rk_status read_entry(rk_zip *zip, int64_t *inout_offset)
{
    unsigned char head[CENTRAL], *rest = NULL;
    rk_status status = RK_OK;
    RK_TRY(read_at(zip, *inout_offset, head, CENTRAL));
    if (memcmp(head, "PK\1\2", 4) != 0) {
        return damaged(zip, "its list of members");
    }
    int64_t name = (int64_t)little(head + 28, 2), extra = (int64_t)little(head + 30, 2);
    RK_TRY(rk__realloc(&zip->entries, zip->n, zip->n + 1, sizeof *zip->entries, "members"));
    rk_zip_entry *entry = &zip->entries[zip->n];
    *entry = (rk_zip_entry){.method = (int)little(head + 10, 2),
                            .crc = (uint32_t)little(head + 16, 4),
                            .packed = (int64_t)little(head + 20, 4),
                            .size = (int64_t)little(head + 24, 4),
                            .header = (int64_t)little(head + 42, 4)};
    RK_TRY(rk__alloc(&rest, name + extra, 1, "the name of a member"));
    RK_TRY_GOTO(done, read_at(zip, *inout_offset + CENTRAL, rest, name + extra));
    take_long_sizes(entry, rest + name, extra);
    RK_TRY_GOTO(done, rk__strndup(&entry->name, (const char *)rest, (size_t)name));
    zip->n++;
    *inout_offset += CENTRAL + name + extra + (int64_t)little(head + 32, 2);
done:
    rk__free(rest);
    return status;
}

rk_status rk__zip_open(rk_zip *zip, const char *path, rk_stop stop)
{
    rk_status status = RK_OK;
    struct stat info;
    int64_t offset = 0, n = 0;
    char head[2];
    *zip = (rk_zip){.stop = stop, .descriptor = -1};
    RK_TRY_GOTO(done, rk__strdup(&zip->path, path));
    zip->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (zip->descriptor < 0 || fstat(zip->descriptor, &info) != 0) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        RK_FAIL_GOTO(done, RK_ERR_IO,
                     "%s cannot be read: format npz needs a file, no pipe or folder", path);
    }
    zip->bytes = (int64_t)info.st_size;
    if (pread(zip->descriptor, head, sizeof head, 0) != sizeof head || memcmp(head, "PK", 2) != 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA,
                     "%s is no .npz archive of scipy.sparse.save_npz; for text set format to csv",
                     path);
    }
    RK_TRY_GOTO(done, find_list(zip, &offset, &n));
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, read_entry(zip, &offset));
    }
done:
    if (status != RK_OK) {
        rk__zip_close(zip);
    }
    return status;
}

void rk__zip_close(rk_zip *zip)
{
    for (int64_t i = 0; i < zip->n; i++) {
        rk__free(zip->entries[i].name);
    }
    if (zip->path && zip->descriptor >= 0) {
        close(zip->descriptor);
    }
    rk__free(zip->entries);
    rk__free(zip->path);
    *zip = (rk_zip){0};
}

const rk_zip_entry *rk__zip_find(const rk_zip *zip, const char *name)
{
    for (int64_t i = 0; i < zip->n; i++) {
        if (strcmp(zip->entries[i].name, name) == 0) {
            return &zip->entries[i];
        }
    }
    return NULL;
}

rk_status rk__zip_member_open(rk_zip_member *member, rk_zip *zip, const rk_zip_entry *entry)
{
    unsigned char head[LOCAL];
    *member = (rk_zip_member){.zip = zip, .entry = entry, .left = entry->packed};
    RK_TRY(read_at(zip, entry->header, head, LOCAL));
    if (memcmp(head, "PK\3\4", 4) != 0 || (entry->method != 0 && entry->method != 8) ||
        (little(head + 6, 2) & 1) != 0) {
        RK_FAIL(RK_ERR_DATA, "%s: the member %s is damaged, encrypted or packed in an unknown way",
                zip->path, entry->name);
    }
    member->next =
        entry->header + LOCAL + (int64_t)little(head + 26, 2) + (int64_t)little(head + 28, 2);
    RK_TRY(rk__alloc(&member->input, INPUT, 1, "a member of an archive"));
    if (entry->method == 8) {
        z_stream *z = NULL;
        RK_TRY(rk__calloc(&z, 1, sizeof *z, "a decoder"));
        if (inflateInit2(z, -MAX_WBITS) != Z_OK) {
            rk__free(z);
            RK_FAIL(RK_ERR_MEMORY, "there is no memory to unpack %s", zip->path);
        }
        member->inflater = z;
    }
    return RK_OK;
}

void rk__zip_member_close(rk_zip_member *member)
{
    if (member->inflater) {
        inflateEnd(member->inflater);
        rk__free(member->inflater);
    }
    rk__free(member->input);
    *member = (rk_zip_member){0};
}

static rk_status fill(rk_zip_member *member)
{
    int64_t wanted = member->left < INPUT ? member->left : INPUT;
    RK_TRY(read_at(member->zip, member->next, member->input, wanted));
    member->at = 0;
    member->end = wanted;
    member->next += wanted;
    member->left -= wanted;
    member->zip->used += wanted;
    return RK_OK;
}

static rk_status too_short(const rk_zip_member *member)
{
    RK_FAIL(RK_ERR_DATA, "%s: the member %s ends too early, after %lld bytes", member->zip->path,
            member->entry->name, (long long)member->given);
}

/* Some bytes, at least one. */
static rk_status read_some(rk_zip_member *member, char *to, int64_t n, int64_t *out_got)
{
    z_stream *z = member->inflater;
    for (*out_got = 0; *out_got == 0;) {
        if (member->at == member->end && member->left > 0) {
            RK_TRY(fill(member));
        }
        int64_t there = member->end - member->at;
        if (!z) {
            *out_got = there < n ? there : n;
            memcpy(to, member->input + member->at, (size_t)*out_got);
            member->at += *out_got;
            if (there == 0) {
                return too_short(member);
            }
            continue;
        }
        int64_t room = n < INPUT ? n : INPUT;
        z->next_in = (Bytef *)member->input + member->at;
        z->avail_in = (uInt)there;
        z->next_out = (Bytef *)to;
        z->avail_out = (uInt)room;
        int code = inflate(z, Z_NO_FLUSH);
        member->at = member->end - (int64_t)z->avail_in;
        *out_got = room - (int64_t)z->avail_out;
        bool goes_on = code == Z_OK || (code == Z_BUF_ERROR && member->left > 0);
        if (*out_got == 0 && !goes_on) {
            return too_short(member);
        }
    }
    return RK_OK;
}

rk_status rk__zip_read(rk_zip_member *member, void *to, int64_t n)
{
    char *at = to;
    while (n > 0) {
        int64_t got = 0;
        RK_TRY(read_some(member, at, n, &got));
        member->crc = (uint32_t)crc32_z(member->crc, (const Bytef *)at, (size_t)got);
        member->given += got;
        at += got;
        n -= got;
    }
    return RK_OK;
}

rk_status rk__zip_finish(const rk_zip_member *member)
{
    if (member->given != member->entry->size || member->crc != member->entry->crc) {
        RK_FAIL(RK_ERR_DATA, "%s: the member %s is damaged: its %s is wrong", member->zip->path,
                member->entry->name, member->given != member->entry->size ? "length" : "checksum");
    }
    return RK_OK;
}
