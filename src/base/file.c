#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

rk_status rk__path_join(char **out, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    return rk__format(out, "%s%s%s", folder, slash, name);
}

bool rk__file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool rk__is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

rk_status rk__folder_has(const char *folder, const char *name, bool *out)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, folder, name));
    *out = rk__file_exists(path);
    rk__free(path);
    return RK_OK;
}

/* errno, 0 when the folder is there. */
static int create(char *path, int *out_created)
{
    *out_created = 0;
    for (char *at = path + strspn(path, "/"); *at != '\0';) {
        at += strcspn(at, "/");
        char held = *at;
        *at = '\0';
        int error = mkdir(path, 0777) == 0 ? 0 : errno;
        *at = held;
        if (error != 0 && error != EEXIST) {
            return error;
        }
        *out_created = error == 0 ? *out_created + 1 : 0;
        at += strspn(at, "/");
    }
    return 0;
}

rk_status rk__folder_create_counting(const char *path, int *out_created)
{
    enum { ATTEMPTS = 100 };
    char *copy = NULL;
    RK_TRY(rk__strdup(&copy, path));
    int error = create(copy, out_created);
    /* Another process may have removed a folder above that it had created and left empty. */
    for (int attempt = 1; error == ENOENT && attempt < ATTEMPTS; attempt++) {
        error = create(copy, out_created);
    }
    rk__free(copy);
    if (error != 0) {
        RK_FAIL(RK_ERR_IO, "the folder %s cannot be created: %s", path, strerror(error));
    }
    return RK_OK;
}

rk_status rk__folder_create(const char *path)
{
    int created = 0;
    return rk__folder_create_counting(path, &created);
}

rk_status rk__file_read(const char *path, char **out, int64_t *out_length)
{
    rk_status status = RK_OK;
    char *text = NULL;
    struct stat about;
    FILE *file = fopen(path, "rb");
    if (!file) {
        RK_FAIL(RK_ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    if (fstat(fileno(file), &about) == 0 && S_ISDIR(about.st_mode)) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s is a folder: name a file in it", path);
    }
    if (fseeko(file, 0, SEEK_END) != 0) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    int64_t length = ftello(file);
    rewind(file);
    if (length < 0) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    RK_TRY_GOTO(done, rk__alloc(&text, length + 1, 1, "the contents of a file"));
    if (fread(text, 1, (size_t)length, file) != (size_t)length) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read to its end", path);
    }
    text[length] = '\0';
    *out = text;
    text = NULL;
    if (out_length) {
        *out_length = length;
    }
done:
    rk__free(text);
    fclose(file);
    return status;
}

/* Renames aside, complete and closed, to path; removed where that fails. */
static rk_status commit(const char *aside, const char *path)
{
    rk_status status = RK_OK;
    int descriptor = open(aside, O_RDONLY | O_CLOEXEC);
    /* The rename must not reach the disk before the bytes do. */
    if (descriptor < 0 || fsync(descriptor) != 0 || rename(aside, path) != 0) {
        status = rk__fail(RK_ERR_IO, __FILE__, __LINE__, __func__, "%s cannot be written: %s", path,
                          strerror(errno));
        unlink(aside);
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
    return status;
}

rk_status rk__file_replace(const char *path, const void *bytes, int64_t length)
{
    char *aside = NULL;
    RK_TRY(rk__format(&aside, "%s.tmp", path));
    rk_status status = RK_OK;
    FILE *file = fopen(aside, "wb");
    if (!file) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    }
    bool written = fwrite(bytes, 1, (size_t)length, file) == (size_t)length;
    int error = errno;
    if (fclose(file) != 0 || !written) {
        error = written ? errno : error;
        unlink(aside);
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be written: %s", path, strerror(error));
    }
    status = commit(aside, path);
done:
    rk__free(aside);
    return status;
}
