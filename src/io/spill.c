#include "io/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "io/aside.h"

enum {
    SHARE_OF_ALL = 2, /* of its memory that all blocks may be before arrays move to files */
    SMALL = 1 << 14,  /* bytes of an array that never is a file */
    PIECE = 1 << 22,  /* bytes */
    ALIGNMENT = 64,   /* of what rk__alloc gives */
    HEAD = 4096 + 32, /* bytes of a mapping before its array, so that it is no multiple of 64: this
                         * is how an array in a file is told from one in memory */
};

/* At the beginning of the mapping of an array. */
typedef struct array {
    struct array *next; /* of the same spill */
    rk_spill *spill;
    int64_t mapped; /* bytes */
    int descriptor; /* of the file */
} array;

struct rk_spill {
    char *folder; /* owned */
    int64_t memory;
    _Atomic int owners;
    _Atomic bool on_disk;
    _Atomic int64_t touched; /* bytes since pages were given back */
    pthread_mutex_t lock;    /* of the list of arrays */
    array *arrays;           /* that are mapped */
};

/* ---- owners ---- */

rk_status rk__spill_create(rk_spill **out, const char *folder, int64_t memory)
{
    rk_spill *spill = NULL;
    RK_TRY(rk__calloc(&spill, 1, sizeof *spill, "the arrays of a data set"));
    rk_status status = rk__strdup(&spill->folder, folder);
    if (status != RK_OK) {
        rk__free(spill);
        return status;
    }
    spill->memory = memory;
    spill->owners = 1;
    (void)pthread_mutex_init(&spill->lock, NULL); /* with default attributes it cannot fail */
    *out = spill;
    return RK_OK;
}

rk_spill *rk__spill_share(rk_spill *spill)
{
    if (spill) {
        atomic_fetch_add(&spill->owners, 1);
    }
    return spill;
}

void rk__spill_release(rk_spill *spill)
{
    if (spill && atomic_fetch_sub(&spill->owners, 1) == 1) {
        (void)pthread_mutex_destroy(&spill->lock);
        rk__free(spill->folder);
        rk__free(spill);
    }
}

void rk__spill_expect(rk_spill *spill, int64_t bytes)
{
    if (spill && bytes > spill->memory / RK_SPILL_SHARE_OF_ARRAYS) {
        atomic_store(&spill->on_disk, true);
    }
}

int64_t rk__spill_memory(const rk_spill *spill)
{
    return spill ? spill->memory : INT64_MAX;
}

bool rk__spill_is_on_disk(const rk_spill *spill)
{
    return spill && atomic_load(&spill->on_disk);
}

/* ---- the list of arrays ---- */

static void enlist(array *a)
{
    pthread_mutex_lock(&a->spill->lock);
    a->next = a->spill->arrays;
    a->spill->arrays = a;
    pthread_mutex_unlock(&a->spill->lock);
}

static void delist(array *a)
{
    pthread_mutex_lock(&a->spill->lock);
    array **link = &a->spill->arrays;
    while (*link != a) {
        link = &(*link)->next;
    }
    *link = a->next;
    pthread_mutex_unlock(&a->spill->lock);
}

/* The mapping of an array; NULL = it is in memory. */
static array *mapping_of(void *pointer)
{
    return (uintptr_t)pointer % ALIGNMENT == HEAD % ALIGNMENT
               ? (array *)(void *)((char *)pointer - HEAD)
               : NULL;
}

/* ---- files ---- */

static rk_status fail_file(const rk_spill *spill, int error, int64_t bytes, const char *what)
{
    char size[32];
    rk__print_size(size, bytes);
    RK_FAIL(RK_ERR_IO,
            "%s of %s do not fit data.memory and cannot be put into a file in %s: %s; name a "
            "data.cache on a larger disk, or raise data.memory",
            size, what, spill->folder, strerror(error));
}

/* A file without a name in the folder. */
static rk_status open_nameless(const rk_spill *spill, int64_t bytes, const char *what, int *out)
{
    rk_aside aside = {.descriptor = -1};
    char *path = NULL;
    rk_status status = RK_OK;
    *out = open(spill->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*out >= 0) {
        return RK_OK;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
        return fail_file(spill, errno, bytes, what);
    }
    /* The file system has no such files: one whose name goes at once, and which the next writer
     * takes if this process is killed in between. */
    RK_TRY_GOTO(done, rk__path_join(&path, spill->folder, "rows"));
    RK_TRY_GOTO(done, rk__aside_open(&aside, path));
    *out = fcntl(aside.descriptor, F_DUPFD_CLOEXEC, 3);
    status = *out < 0 ? fail_file(spill, errno, bytes, what) : RK_OK;
done:
    rk__aside_close(&aside);
    rk__free(path);
    return status;
}

static int64_t whole_pages(int64_t bytes)
{
    const int64_t page = sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Reserves the blocks of the file up to `end`; an errno. */
static int reserve(int descriptor, int64_t from, int64_t end)
{
    int error;
    do {
        error = posix_fallocate(descriptor, from, end - from);
    } while (error == EINTR);
    return error;
}

static rk_status map_file(rk_spill *spill, int64_t bytes, const char *what, char **out)
{
    const int64_t mapped = whole_pages(HEAD + bytes);
    RK_TRY(rk__folder_create(spill->folder));
    int descriptor = -1;
    RK_TRY(open_nameless(spill, bytes, what, &descriptor));
    int error = reserve(descriptor, 0, mapped);
    void *at = MAP_FAILED;
    if (error == 0) {
        at = mmap(NULL, (size_t)mapped, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        error = errno;
    }
    if (at == MAP_FAILED) {
        close(descriptor);
        return fail_file(spill, error, bytes, what);
    }
    array *a = at;
    *a = (array){.spill = spill, .mapped = mapped, .descriptor = descriptor};
    enlist(a);
    *out = (char *)at + HEAD;
    return RK_OK;
}

static rk_status grow_file(array *a, int64_t bytes, const char *what, char **out)
{
    const int64_t mapped = whole_pages(HEAD + bytes);
    if (mapped > a->mapped) {
        const int error = reserve(a->descriptor, a->mapped, mapped);
        if (error != 0) {
            return fail_file(a->spill, error, bytes, what);
        }
        delist(a);
        void *at = mremap(a, (size_t)a->mapped, (size_t)mapped, MREMAP_MAYMOVE);
        if (at == MAP_FAILED) {
            rk_status status = fail_file(a->spill, errno, bytes, what);
            enlist(a);
            return status;
        }
        a = at;
        a->mapped = mapped;
        enlist(a);
    }
    *out = (char *)a + HEAD;
    return RK_OK;
}

/* ---- arrays ---- */

/* Besides what is expected, all blocks count: what else there is must be in memory. */
static bool goes_to_disk(rk_spill *spill, int64_t bytes)
{
    const rk_budget *budget = rk__alloc_budget();
    rk__spill_expect(spill, bytes);
    if (budget && atomic_load(&budget->used) + bytes > spill->memory / SHARE_OF_ALL) {
        atomic_store(&spill->on_disk, true);
    }
    return bytes > SMALL && atomic_load(&spill->on_disk);
}

static rk_status make(rk_spill *spill, void *out_pointer, int64_t count, size_t size,
                      const char *what, bool zeroed)
{
    int64_t bytes = 0;
    char *at = NULL;
    RK_TRY(rk__mul(&bytes, count, (int64_t)size, what));
    if (!spill || !goes_to_disk(spill, bytes)) {
        return zeroed ? rk__calloc(out_pointer, count, size, what)
                      : rk__alloc(out_pointer, count, size, what);
    }
    RK_TRY(map_file(spill, bytes, what, &at));
    memcpy(out_pointer, &at, sizeof at);
    return RK_OK;
}

rk_status rk__spill_alloc(rk_spill *spill, void *out_pointer, int64_t count, size_t size,
                          const char *what)
{
    return make(spill, out_pointer, count, size, what, false);
}

rk_status rk__spill_calloc(rk_spill *spill, void *out_pointer, int64_t count, size_t size,
                           const char *what)
{
    return make(spill, out_pointer, count, size, what, true);
}

rk_status rk__spill_realloc(rk_spill *spill, void *inout_pointer, int64_t old_count, int64_t count,
                            size_t size, const char *what)
{
    char *old = NULL, *fresh = NULL;
    int64_t bytes = 0;
    memcpy(&old, inout_pointer, sizeof old);
    RK_TRY(rk__mul(&bytes, count, (int64_t)size, what));
    array *a = mapping_of(old);
    if (a) {
        RK_TRY(grow_file(a, bytes, what, &fresh));
    } else {
        RK_TRY(make(spill, &fresh, count, size, what, false));
        const int64_t kept = old_count < count ? old_count : count;
        if (old && kept > 0) {
            memcpy(fresh, old, (size_t)kept * size);
        }
        rk__free(old);
    }
    memcpy(inout_pointer, &fresh, sizeof fresh);
    return RK_OK;
}

void rk__spill_free(void *pointer)
{
    array *a = mapping_of(pointer);
    if (!a) {
        rk__free(pointer);
        return;
    }
    delist(a);
    close(a->descriptor);
    munmap(a, (size_t)a->mapped);
}

/* ---- pages ---- */

/* Gives back the pages of all arrays; what is in them stays in the files. */
static void give_back(rk_spill *spill)
{
    pthread_mutex_lock(&spill->lock);
    for (array *a = spill->arrays; a; a = a->next) {
        (void)madvise(a, (size_t)a->mapped, MADV_DONTNEED);
    }
    pthread_mutex_unlock(&spill->lock);
}

void rk__spill_touch(rk_spill *spill, int64_t bytes)
{
    if (!rk__spill_is_on_disk(spill)) {
        return;
    }
    const int64_t most = spill->memory / RK_SPILL_SHARE_OF_PAGES;
    if (atomic_fetch_add(&spill->touched, bytes) + bytes > most) {
        atomic_store(&spill->touched, bytes < most ? bytes : most);
        give_back(spill);
    }
}

int64_t rk__spill_piece(rk_spill *spill, int64_t from, int64_t n, int64_t bytes)
{
    if (!rk__spill_is_on_disk(spill)) {
        return n;
    }
    const int64_t least = spill->memory / (4 * RK_SPILL_SHARE_OF_PAGES);
    const int64_t piece = (least < PIECE ? least : PIECE) / bytes + 1;
    const int64_t to = n - from < piece ? n : from + piece;
    rk__spill_touch(spill, (to - from) * bytes);
    return to;
}

void rk__spill_discard(void *pointer, int64_t from, int64_t to)
{
    array *a = mapping_of(pointer);
    const int64_t page = sysconf(_SC_PAGESIZE);
    const int64_t first = whole_pages(HEAD + from), last = (HEAD + to) / page * page;
    if (a && last > first) {
        (void)madvise((char *)a + first, (size_t)(last - first), MADV_REMOVE);
    }
}
