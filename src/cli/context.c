/* --context NAME=VALUE: the circumstances of an answer, for models that read data.fields. */
#include <string.h>

#include "answers.h"

static const char *name_of(const cli_context *x, int64_t field)
{
    return rk_dataset_field_name(x->dataset, rk_model_field(x->model, field));
}

/* "previous, skip": the fields that the model reads. Free with cli_free. */
static char *names_of(const cli_context *x)
{
    char *all = cli_format("%s", "");
    for (int64_t f = 0; f < x->n; f++) {
        char *longer = cli_format("%s%s%s", all, f > 0 ? ", " : "", name_of(x, f));
        cli_free(all);
        all = longer;
    }
    return all;
}

/* A field may have a '=' in its name, so the longest name that fits is meant. -1 = none. */
static int64_t find_name(const cli_context *x, const char *word)
{
    int64_t best = -1;
    size_t longest = 0;
    for (int64_t f = 0; f < x->n; f++) {
        const char *name = name_of(x, f);
        const size_t length = strlen(name);
        if (strncmp(word, name, length) == 0 && word[length] == '=' && length >= longest) {
            best = f;
            longest = length;
        }
    }
    return best;
}

static int refuse_word(const cli_context *x, const char *command, const char *word)
{
    const int length = (int)strcspn(word, "=");
    char *names = names_of(x);
    int code;
    if (x->n == 0) {
        code = cli_usage(command,
                         "--context %s, but the model reads no fields of rows; leave --context out",
                         word);
    } else if (word[length] == '\0') {
        code =
            cli_usage(command, "--context %s: write NAME=VALUE; the model reads %s", word, names);
    } else {
        code = cli_usage(command, "--context %s: the model reads no field '%.*s'; it reads %s",
                         word, length, word, names);
    }
    cli_free(names);
    return code;
}

void cli_context_empty(cli_context *x, const rk_model *model)
{
    x->model = model;
    x->dataset = rk_model_dataset(model);
    x->n = rk_model_n_fields(model);
    x->values = cli_alloc((size_t)x->n, sizeof *x->values);
    for (int64_t f = 0; f < x->n; f++) {
        x->values[f] = -1;
    }
}

int cli_context_find(const cli *c, cli_context *x, const char *command, const rk_model *model)
{
    cli_context_empty(x, model);
    bool *given = cli_alloc((size_t)x->n, sizeof *given);
    memset(given, 0, (size_t)x->n * sizeof *given);
    int code = 0;
    for (int i = 0; i < x->words.n && code == 0; i++) {
        const char *word = x->words.v[i];
        const int64_t f = find_name(x, word);
        int64_t value = -1;
        if (f < 0) {
            code = refuse_word(x, command, word);
        } else if (given[f]) {
            code = cli_usage(command, "--context names the field %s twice", name_of(x, f));
        } else {
            rk_status status = rk_dataset_find_value(x->dataset, rk_model_field(model, f),
                                                     word + strlen(name_of(x, f)) + 1, &value);
            code = status == RK_OK ? 0 : cli_fail(c, status);
            x->values[f] = (int32_t)value;
            given[f] = true;
        }
    }
    for (int64_t f = 0; f < x->n && code == 0; f++) {
        if (!given[f]) {
            code = cli_usage(command,
                             "the model reads the field %s of what it answers: give --context "
                             "%s=VALUE (%s= where it is empty)",
                             name_of(x, f), name_of(x, f), name_of(x, f));
        }
    }
    cli_free(given);
    return code;
}

rk_query cli_context_query(const cli_context *x, int64_t user)
{
    return (rk_query){.user = user, .context = x->values, .n_context = x->n};
}

static const char *value_of(const cli_context *x, int64_t field, char room[RK_ID_BYTES])
{
    const char *value =
        rk_dataset_field_value(x->dataset, rk_model_field(x->model, field), x->values[field], room);
    return value ? value : "";
}

void cli_context_json(cli_json *j, const cli_context *x)
{
    char room[RK_ID_BYTES];
    if (x->n == 0) {
        return;
    }
    cli_json_key(j, "context");
    cli_json_open(j, '{');
    for (int64_t f = 0; f < x->n; f++) {
        cli_json_key(j, name_of(x, f));
        cli_json_text(j, value_of(x, f, room));
    }
    cli_json_close(j, '}');
}

void cli_context_print(const cli_context *x)
{
    char room[RK_ID_BYTES];
    for (int64_t f = 0; f < x->n; f++) {
        printf("%s%s=", f > 0 ? ", " : "in the context ", name_of(x, f));
        cli_print_id(stdout, value_of(x, f, room), 0);
    }
    if (x->n > 0) {
        putchar('\n');
    }
}

void cli_context_note(const cli_context *x)
{
    const rk_query q = {.user = -1, .context = x->values, .n_context = x->n};
    rk_grounds grounds = {0};
    if (x->n > 0 && rk_model_grounds(x->model, &q, &grounds) == RK_OK &&
        grounds.context_used < x->n) {
        fprintf(stderr,
                "note: of %s value%s of --context %s in a train row; the others say "
                "nothing\n",
                cli_count(x->n).s, x->n == 1 ? "" : "s",
                grounds.context_used == 0   ? "none is"
                : grounds.context_used == 1 ? "one is"
                                            : "some are");
    }
}

void cli_context_free(cli_context *x)
{
    cli_free(x->words.v);
    cli_free(x->values);
}
