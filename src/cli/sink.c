/* Where answers go: the standard output, or a file that is written aside and takes its name when it
 * is whole. And what may be answered. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"

enum { BUFFER = 1 << 20, MOST_TOP = 1000000, NORMAL_TOP = 10 };

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
    if (path && strcmp(path, "-") == 0) {
        return cli_usage(command, "--out - names no file; the standard output is where it goes "
                                  "without --out");
    }
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

int cli_sink_open(cli_sink *s, const char *command, const cli_sink_args *args, const char *path)
{
    *s = (cli_sink){.quiet = args->quiet, .out = stdout};
    int code = choose_form(s, command, args);
    if (code == 0 && path) {
        code = cli_result_open(&s->file, "--out", path, args->force);
        s->out = s->file.file;
    }
    if (code != 0) {
        return code;
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
    if (code == 0 && s->file.file) {
        code = cli_result_commit(&s->file);
    }
    cli_result_close(&s->file);
    return code;
}

/* ---- fields ---- */

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
    const size_t length = strlen(text);
    float value = 0;
    int used = 0;
    /* it ends in a digit: scanf takes 1e for 1 */
    const bool is_number = length > 0 && text[0] != ' ' &&
                           strchr("0123456789.", text[length - 1]) &&
                           sscanf(text, "%f%n", &value, &used) == 1 && text[used] == '\0';
    if (!is_number || !isfinite(value)) {
        return cli_usage(command, "--min-score '%s': must be a number", text);
    }
    selection->has_min_score = true;
    selection->min_score = value;
    return 0;
}

void cli_print_nothing(const rk_selection *s, const char *why)
{
    if (s && s->has_min_score) {
        printf("      nothing has a score of %g or more (--min-score)\n", (double)s->min_score);
    } else if (s && (s->allow || s->n_deny > 0)) {
        printf("      nothing is left of what --among and --exclude allow\n");
    } else {
        printf("      %s\n", why);
    }
}

int cli_limits_find(const cli *c, cli_limits *l, const char *command, const rk_model *model,
                    rk_selection *selection)
{
    const rk_dataset *dataset = rk_model_dataset(model);
    int code = l->min_score ? parse_min_score(command, l->min_score, selection) : 0;
    code = code ? code : cli_ask(&l->excluded, model, CLI_ITEMS, &l->exclude);
    code = code ? code : cli_ask(&l->allowed, model, CLI_ITEMS, &l->among);
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

/* Takes a length that there is not yet. */
static void add_top(cli_tops *t, int64_t length)
{
    for (int i = 0; i < t->n; i++) {
        if (t->v[i] == length) {
            return;
        }
    }
    t->v[t->n++] = length;
    t->longest = length > t->longest ? length : t->longest;
}

int cli_tops_parse(cli_tops *t, const char *command, const cli_list *words)
{
    t->is_default = words->n == 0;
    if (t->is_default) {
        add_top(t, NORMAL_TOP);
    }
    for (int i = 0; i < words->n; i++) {
        char *copy = cli_format("%s", words->v[i]), *at = copy;
        bool fine = true;
        while (at && fine) {
            char *comma = strchr(at, ',');
            if (comma) {
                *comma = '\0';
            }
            int64_t length = 0;
            fine = t->n < CLI_MOST_TOPS && cli_parse_int(at, 1, MOST_TOP, &length);
            if (fine) {
                add_top(t, length);
            }
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

void cli_tops_clip(cli_tops *t, int64_t catalogue, bool tells)
{
    const cli_tops asked = *t;
    *t = (cli_tops){.n = 0};
    for (int i = 0; i < asked.n; i++) {
        if (asked.v[i] > catalogue && !asked.is_default && tells) {
            fprintf(stderr,
                    "note: --top %" PRId64 ": the catalogue has %s items, so there are no more\n",
                    asked.v[i], cli_count(catalogue).s);
        }
        add_top(t, asked.v[i] < catalogue ? asked.v[i] : catalogue);
    }
}

/* ---- cut-offs ---- */

int cli_cutoffs(const cli_list *words, const char *command, int64_t **out, int64_t *out_n)
{
    size_t capacity = 0;
    for (int i = 0; i < words->n; i++) {
        capacity += strlen(words->v[i]) + 1;
    }
    *out = capacity > 0 ? cli_alloc(capacity, sizeof **out) : NULL;
    for (int i = 0; i < words->n; i++) {
        const char *at = words->v[i];
        while (*at) {
            size_t length = strcspn(at, ", ");
            char *word = cli_format("%.*s", (int)length, at);
            int64_t k = 0;
            const bool is_one = cli_parse_int(word, 1, INT32_MAX, &k);
            cli_free(word);
            if (!is_one) {
                return cli_usage(command,
                                 "--k '%s': must be cut-offs of 1 or more, e.g. --k 5,10,20",
                                 words->v[i]);
            }
            bool is_new = true;
            for (int64_t other = 0; other < *out_n; other++) {
                is_new = is_new && (*out)[other] != k;
            }
            if (is_new) {
                (*out)[(*out_n)++] = k;
            }
            at += length;
            at += strspn(at, ", ");
        }
    }
    if (words->n > 0 && *out_n == 0) {
        return cli_usage(command, "--k names no cut-offs: e.g. --k 5,10,20");
    }
    return 0;
}
