#include "config/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

const char *rk__path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

rk_status rk__path_folder(char **out, const char *path)
{
    size_t length = (size_t)(rk__path_name(path) - path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    return length == 0 ? rk__strdup(out, ".") : rk__strndup(out, path, length);
}

rk_status rk__path_stem(char **out, const char *path)
{
    const char *name = rk__path_name(path);
    size_t length = strlen(name);
    static const char *const endings[] = {".yaml", ".yml"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0) {
            return rk__strndup(out, name, length - ending);
        }
    }
    return rk__strdup(out, name);
}

/* "./a" is "a", "." is "". */
static const char *skip_dots(const char *path)
{
    while (path[0] == '.' && (path[1] == '/' || path[1] == '\0')) {
        path++;
        while (path[0] == '/') {
            path++;
        }
    }
    return path;
}

/* folder/path without doubled or trailing slashes; ".." stays, it may lead through a link. */
static rk_status join(char **out, const char *folder, const char *path)
{
    size_t length = strlen(folder), rest = strlen(path);
    while (length > 1 && folder[length - 1] == '/') {
        length--;
    }
    while (rest > 1 && path[rest - 1] == '/') {
        rest--;
    }
    bool needs_slash = rest > 0 && length > 0 && folder[length - 1] != '/';
    return rk__format(out, "%.*s%s%.*s", (int)length, folder, needs_slash ? "/" : "", (int)rest,
                      path);
}

rk_status rk__path_absolute(char **out, const char *folder, const char *path)
{
    if (path[0] == '/') {
        return join(out, "", path);
    }
    char current[PATH_MAX] = "";
    if (folder[0] != '/' && !getcwd(current, sizeof current)) {
        RK_FAIL(RK_ERR_IO, "the current folder cannot be found out: %s", strerror(errno));
    }
    char *base = NULL;
    if (folder[0] == '/') {
        RK_TRY(join(&base, "", folder));
    } else {
        RK_TRY(join(&base, current, skip_dots(folder)));
    }
    rk_status status = join(out, base, skip_dots(path));
    rk__free(base);
    return status;
}
