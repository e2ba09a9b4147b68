/* Files of results, which are whole or not there at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A pipe or a device takes what it is given; a file of its name beside it would replace it. */
static bool is_device(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

bool cli_is_standard_output(const char *path)
{
    struct stat ours, named;
    return fstat(STDOUT_FILENO, &ours) == 0 && stat(path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* Goes on where the standard output is, also in a file. */
static FILE *open_standard_output(void)
{
    const int descriptor = dup(STDOUT_FILENO);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (!file && descriptor >= 0) {
        close(descriptor);
    }
    return file;
}

static int refuse_existing(const cli_result *r)
{
    return cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                     "%s %s is there already: replace it by --force, or name another file",
                     r->option, r->path);
}

/* Removes what killed processes have left: PATH.NUMBER.tmp and PATH.NUMBER-I.tmp, on which no
 * process has a lock. */
static void remove_dead(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *folder =
        slash ? cli_format("%.*s", slash == path ? 1 : (int)(slash - path), path) : cli_format(".");
    const size_t length = strlen(name);
    DIR *entries = opendir(folder);
    for (struct dirent *e = entries ? readdir(entries) : NULL; e; e = readdir(entries)) {
        if (strncmp(e->d_name, name, length) != 0 || e->d_name[length] != '.') {
            continue;
        }
        const char *number = e->d_name + length + 1, *end = number + strspn(number, "0123456789");
        end += *end == '-' ? 1 + strspn(end + 1, "0123456789") : 0;
        if (end == number || strcmp(end, ".tmp") != 0) {
            continue;
        }
        char *aside = cli_format("%s/%s", folder, e->d_name);
        int descriptor = open(aside, O_RDWR | O_CLOEXEC);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (descriptor >= 0 && fcntl(descriptor, F_OFD_SETLK, &lock) == 0) {
            (void)unlink(aside);
        }
        if (descriptor >= 0) {
            close(descriptor);
        }
        cli_free(aside);
    }
    if (entries) {
        closedir(entries);
    }
    cli_free(folder);
}

/* Locks a file for its life; false: somebody else is removing it. A file system without locks has
 * nobody who removes. */
static bool hold(FILE *file)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat info;
    if (fcntl(fileno(file), F_OFD_SETLK, &lock) != 0) {
        return errno != EAGAIN && errno != EACCES;
    }
    return fstat(fileno(file), &info) == 0 && info.st_nlink > 0;
}

/* A file beside the one that is meant, which no other process has: also one with this process's
 * number on another machine. Its lock says that somebody writes it; where the file system has no
 * locks it stays after a kill. */
static FILE *open_aside(cli_result *r)
{
    enum { MOST_WRITERS = 1000 };
    remove_dead(r->path);
    for (int i = 0; i < MOST_WRITERS; i++) {
        r->aside = i == 0 ? cli_format("%s.%ld.tmp", r->path, (long)getpid())
                          : cli_format("%s.%ld-%d.tmp", r->path, (long)getpid(), i);
        FILE *file = fopen(r->aside, "wbx");
        if (file) {
            if (hold(file)) {
                return file;
            }
            fclose(file); /* somebody took it for a dead one meanwhile */
        } else if (errno != EEXIST) {
            return NULL;
        }
        cli_free(r->aside);
        r->aside = NULL;
    }
    return NULL;
}

int cli_result_open(cli_result *r, const char *option, const char *path, bool force)
{
    *r = (cli_result){.path = path, .option = option, .force = force};
    r->form = ends_with(path, ".jsonl") || ends_with(path, ".ndjson") ? CLI_ROWS_JSON
              : ends_with(path, ".csv")                               ? CLI_ROWS_CSV
                                                                      : CLI_ROWS_TSV;
    const bool is_output = cli_is_standard_output(path);
    if (!force && cli_is_there(path) && !is_device(path) && !is_output) {
        return refuse_existing(r);
    }
    r->file = is_output         ? open_standard_output()
              : is_device(path) ? fopen(path, "wb")
                                : open_aside(r);
    if (!r->file) {
        int code =
            cli_error(rk_status_exit_code(RK_ERR_IO), "%s %s: %s", option, path, strerror(errno));
        cli_free(r->aside);
        r->aside = NULL;
        return code;
    }
    return 0;
}

/* Without force only to a name that nobody has taken meanwhile. */
static bool give_name(const cli_result *r)
{
    if (r->force) {
        return rename(r->aside, r->path) == 0;
    }
    if (renameat2(AT_FDCWD, r->aside, AT_FDCWD, r->path, RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
    errno = EEXIST; /* the file system cannot do both at once */
    return !cli_is_there(r->path) && rename(r->aside, r->path) == 0;
}

int cli_result_commit(cli_result *r)
{
    bool written =
        fflush(r->file) == 0 && !ferror(r->file) && (!r->aside || fsync(fileno(r->file)) == 0);
    written = fclose(r->file) == 0 && written;
    r->file = NULL;
    if (!written || (r->aside && !give_name(r))) {
        int code = written && errno == EEXIST ? refuse_existing(r)
                                              : cli_error(rk_status_exit_code(RK_ERR_IO), "%s: %s",
                                                          r->path, strerror(errno));
        cli_result_close(r);
        return code;
    }
    cli_free(r->aside);
    r->aside = NULL;
    return 0;
}

void cli_result_close(cli_result *r)
{
    if (r->file) {
        fclose(r->file);
        r->file = NULL;
    }
    if (r->aside) {
        unlink(r->aside);
        cli_free(r->aside);
        r->aside = NULL;
    }
}

void cli_tsv_field(FILE *out, const char *text)
{
    const size_t plain = strcspn(text, "\t\n\r\\");
    fwrite(text, 1, plain, out);
    for (const char *at = text + plain; *at; at++) {
        static const char special[] = "\t\n\r\\", letters[] = "tnr\\";
        const char *found = strchr(special, *at);
        if (found) {
            fprintf(out, "\\%c", letters[found - special]);
        } else {
            fputc(*at, out);
        }
    }
}

/* In a CSV quoted where it must be (RFC 4180), in a TSV with escapes as in exports. */
void cli_result_text(cli_result *r, const char *text)
{
    const bool is_csv = r->form == CLI_ROWS_CSV;
    if (is_csv && text[strcspn(text, ",\"\r\n")] != '\0') {
        fputc('"', r->file);
        for (; *text; text++) {
            fputs(*text == '"' ? "\"" : "", r->file);
            fputc(*text, r->file);
        }
        fputc('"', r->file);
    } else if (is_csv) {
        fputs(text, r->file);
    } else {
        cli_tsv_field(r->file, text);
    }
}
