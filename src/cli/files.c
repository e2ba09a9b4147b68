/* Files that commands read and write for people: lists of ids, and results that are whole or not
 * there at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* ---- lists of ids ---- */

int cli_read_lines(const char *option, const char *path, cli_lines *out)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    size_t room = 0, capacity = 0;
    char *line = NULL;
    ssize_t length;
    *out = (cli_lines){.v = NULL};
    if (!file) {
        return cli_error(rk_status_exit_code(RK_ERR_IO), "%s %s: %s", option, path,
                         strerror(errno));
    }
    while ((length = getline(&line, &room, file)) >= 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
            line[--length] = '\0';
        }
        if (length == 0) {
            continue;
        }
        if ((size_t)out->n == capacity) {
            size_t more = capacity > 0 ? 2 * capacity : 256;
            char **v = cli_alloc(more, sizeof *v);
            if (out->n > 0) {
                memcpy(v, out->v, (size_t)out->n * sizeof *v);
            }
            cli_free(out->v);
            out->v = v;
            capacity = more;
        }
        out->v[out->n++] = cli_format("%s", line);
    }
    bool failed = ferror(file) != 0;
    free(line);
    if (!is_stdin) {
        fclose(file);
    }
    if (failed) {
        cli_lines_free(out);
        return cli_error(rk_status_exit_code(RK_ERR_IO), "%s %s: %s", option, path,
                         strerror(errno));
    }
    return 0;
}

void cli_lines_free(cli_lines *lines)
{
    for (int64_t i = 0; i < lines->n; i++) {
        cli_free(lines->v[i]);
    }
    cli_free(lines->v);
    *lines = (cli_lines){.v = NULL};
}

/* ---- results ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

int cli_result_open(cli_result *r, const char *option, const char *path, bool force)
{
    *r = (cli_result){.path = path};
    r->form = ends_with(path, ".jsonl") || ends_with(path, ".ndjson") ? CLI_ROWS_JSON
              : ends_with(path, ".csv")                               ? CLI_ROWS_CSV
                                                                      : CLI_ROWS_TSV;
    if (!force && access(path, F_OK) == 0) {
        return cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                         "%s %s is there already: replace it by --force, or name another file",
                         option, path);
    }
    r->aside = cli_format("%s.%ld.tmp", path, (long)getpid());
    r->file = fopen(r->aside, "wb");
    if (!r->file) {
        int code =
            cli_error(rk_status_exit_code(RK_ERR_IO), "%s %s: %s", option, path, strerror(errno));
        cli_free(r->aside);
        r->aside = NULL;
        return code;
    }
    return 0;
}

int cli_result_commit(cli_result *r)
{
    bool written = fflush(r->file) == 0 && !ferror(r->file) && fsync(fileno(r->file)) == 0;
    written = fclose(r->file) == 0 && written;
    r->file = NULL;
    if (!written || rename(r->aside, r->path) != 0) {
        int code = cli_error(rk_status_exit_code(RK_ERR_IO), "%s: %s", r->path, strerror(errno));
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

/* In a CSV quoted where it must be (RFC 4180), in a TSV with escapes as in exports. */
void cli_result_text(cli_result *r, const char *text)
{
    if (r->form == CLI_ROWS_CSV && text[strcspn(text, ",\"\r\n")] != '\0') {
        fputc('"', r->file);
        for (; *text; text++) {
            fputs(*text == '"' ? "\"" : "", r->file);
            fputc(*text, r->file);
        }
        fputc('"', r->file);
        return;
    }
    for (; *text; text++) {
        char escape = r->form == CLI_ROWS_CSV ? '\0'
                      : *text == '\t'         ? 't'
                      : *text == '\n'         ? 'n'
                      : *text == '\r'         ? 'r'
                      : *text == '\\'         ? '\\'
                                              : '\0';
        if (escape) {
            fputc('\\', r->file);
        }
        fputc(escape ? escape : *text, r->file);
    }
}
