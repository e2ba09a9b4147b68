/* Where answers go: the standard output, or a file that is written aside and takes its name when it
 * is whole. And what may be answered. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answers.h"

enum { BUFFER = 1 << 20, MOST_WRITERS = 1000, MOST_TOP = 1000000 };

/* ---- files ---- */

static bool ends_in(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

/* By the options, else by the ending of the file. */
static int choose_form(cli_sink *s, const char *command, const cli_sink_args *args)
{
    if (args->json + args->jsonl + args->tsv > 1) {
        return cli_usage(command, "take one of --json, --jsonl and --tsv");
    }
    const char *path = args->out;
    s->form = args->json    ? CLI_FORM_JSON
              : args->jsonl ? CLI_FORM_JSONL
              : args->tsv   ? CLI_FORM_TSV
                            : CLI_FORM_PEOPLE;
    if (s->form != CLI_FORM_PEOPLE || !path) {
        return 0;
    }
    s->form = ends_in(path, ".tsv")     ? CLI_FORM_TSV
              : ends_in(path, ".jsonl") ? CLI_FORM_JSONL
              : ends_in(path, ".json")  ? CLI_FORM_JSON
                                        : CLI_FORM_PEOPLE;
    if (s->form == CLI_FORM_PEOPLE) {
        return cli_usage(command,
                         "--out %s: the name ends in .tsv, .jsonl or .json, or --tsv, --jsonl or "
                         "--json says what is written",
                         path);
    }
    return 0;
}

static int cannot_write(const char *path, int error)
{
    return cli_error(rk_status_exit_code(RK_ERR_IO), "%s cannot be written: %s", path,
                     strerror(error));
}

/* A file beside the one that is wanted; a device or a pipe is written to as it is. */
static int open_file(cli_sink *s, const char *path)
{
    struct stat info;
    const bool is_there = stat(path, &info) == 0;
    s->path = cli_format("%s", path);
    if (is_there && S_ISDIR(info.st_mode)) {
        return cannot_write(path, EISDIR);
    }
    if (is_there && !S_ISREG(info.st_mode)) {
        s->out = fopen(path, "w");
        return s->out ? 0 : cannot_write(path, errno);
    }
    int descriptor = -1;
    for (int i = 0; descriptor < 0 && i < MOST_WRITERS; i++) {
        cli_free(s->temporary);
        s->temporary = cli_format("%s.%ld.%d.tmp", path, (long)getpid(), i);
        descriptor = open(s->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST) {
            break;
        }
    }
    if (descriptor < 0) {
        const int error = errno;
        cli_free(s->temporary);
        s->temporary = NULL;
        return cannot_write(path, error);
    }
    s->out = fdopen(descriptor, "w");
    return s->out ? 0 : cannot_write(path, errno);
}

int cli_sink_open(cli_sink *s, const char *command, const cli_sink_args *args, const char *path)
{
    *s = (cli_sink){.out = stdout};
    int code = choose_form(s, command, args);
    if (code == 0 && path) {
        s->out = NULL;
        code = open_file(s, path);
    }
    if (code != 0) {
        return cli_sink_close(s, code);
    }
    setvbuf(s->out, NULL, _IOFBF, BUFFER);
    s->j = (cli_json){.out = s->out};
    if (s->form == CLI_FORM_JSON) {
        cli_json_open(&s->j, '[');
    }
    return 0;
}

bool cli_sink_fine(const cli_sink *s)
{
    return !ferror(s->out);
}

int cli_sink_close(cli_sink *s, int code)
{
    if (code == 0 && s->form == CLI_FORM_JSON) {
        cli_json_close(&s->j, ']');
    }
    if (s->path && s->out) {
        bool failed =
            fflush(s->out) != 0 || ferror(s->out) || (s->temporary && fsync(fileno(s->out)) != 0);
        int error = errno;
        if (fclose(s->out) != 0 && !failed) {
            failed = true;
            error = errno;
        }
        if (code == 0 && !failed && s->temporary && rename(s->temporary, s->path) != 0) {
            failed = true;
            error = errno;
        }
        code = code == 0 && failed ? cannot_write(s->path, error) : code;
    }
    if (code != 0 && s->temporary) {
        unlink(s->temporary);
    }
    cli_free(s->path);
    cli_free(s->temporary);
    s->path = s->temporary = NULL;
    return code;
}

/* ---- fields ---- */

void cli_tsv_field(FILE *out, const char *text)
{
    const size_t plain = strcspn(text, "\t\n\r\\");
    fwrite(text, 1, plain, out);
    for (const char *at = text + plain; *at; at++) {
        const char *special = strchr("\tt\nn\rr\\\\", *at);
        if (special) {
            fprintf(out, "\\%c", special[1]);
        } else {
            fputc(*at, out);
        }
    }
}

void cli_json_asked(cli_json *j, const char *id, bool integer)
{
    int64_t value;
    cli_json_id(j, id,
                integer && *id != '+' && (*id != '0' || !id[1]) &&
                    cli_parse_int(id, 0, INT64_MAX, &value));
}

/* ---- limits ---- */

static int parse_min_score(const char *command, const char *text, rk_selection *selection)
{
    char *end = NULL;
    const float value = strtof(text, &end);
    if (*text == '\0' || *end != '\0' || !isfinite(value)) {
        return cli_usage(command, "--min-score '%s': must be a number", text);
    }
    selection->has_min_score = true;
    selection->min_score = value;
    return 0;
}

int cli_limits_find(const cli *c, cli_limits *l, const char *command, const rk_dataset *dataset,
                    rk_selection *selection)
{
    int code = l->min_score ? parse_min_score(command, l->min_score, selection) : 0;
    code = code ? code : cli_ask(&l->excluded, dataset, CLI_ITEMS, &l->exclude);
    code = code ? code : cli_ask(&l->allowed, dataset, CLI_ITEMS, &l->among);
    code = code ? code : cli_must_know(c, &l->excluded, dataset, CLI_ITEMS, "--exclude");
    code = code ? code : cli_must_know(c, &l->allowed, dataset, CLI_ITEMS, "--among");
    if (code != 0) {
        return code;
    }
    l->exclude_items = cli_indices(&l->excluded);
    l->among_items = cli_indices(&l->allowed);
    selection->deny = l->exclude_items;
    selection->n_deny = l->excluded.n - l->excluded.unknown;
    selection->allow = l->among.n > 0 ? l->among_items : NULL;
    selection->n_allow = l->allowed.n - l->allowed.unknown;
    return 0;
}

void cli_limits_free(cli_limits *l)
{
    cli_asking_free(&l->excluded);
    cli_asking_free(&l->allowed);
    cli_free(l->exclude_items);
    cli_free(l->among_items);
    cli_free(l->exclude.v);
    cli_free(l->among.v);
}

int cli_tops_parse(cli_tops *t, const char *command, const cli_list *words)
{
    for (int i = 0; i < words->n; i++) {
        char *copy = cli_format("%s", words->v[i]), *at = copy;
        bool fine = true;
        while (at && fine) {
            char *comma = strchr(at, ',');
            if (comma) {
                *comma = '\0';
            }
            fine = t->n < CLI_MOST_TOPS && cli_parse_int(at, 1, MOST_TOP, &t->v[t->n]);
            t->n += fine;
            at = comma ? comma + 1 : NULL;
        }
        cli_free(copy);
        if (!fine) {
            return cli_usage(command,
                             "--top '%s': must be a whole number from 1 to %d, or up to %d of them "
                             "with commas between them",
                             words->v[i], MOST_TOP, CLI_MOST_TOPS);
        }
    }
    return 0;
}

void cli_tops_clip(cli_tops *t, int64_t catalogue)
{
    for (int i = 0; i < t->n; i++) {
        if (t->v[i] > catalogue) {
            cli_error(0,
                      "note: --top %" PRId64 ": the catalogue has %s items, so there are no more",
                      t->v[i], cli_count(catalogue).s);
            t->v[i] = catalogue;
        }
        t->longest = t->v[i] > t->longest ? t->v[i] : t->longest;
    }
}
