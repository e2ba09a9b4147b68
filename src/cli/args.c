/*
 * The arguments of a command, by its table of options; its --help comes from the same table.
 *
 * --key value and --key=value are the same. "--" ends the options. A value that starts with "--"
 * needs the form with "=", so that a missing value is noticed.
 */
#include <inttypes.h>
#include <string.h>

#include "cli.h"

enum { HELP_COLUMN = 26 };

typedef struct cli_walk {
    cli *c;
    const cli_spec *spec;
    char **argv;
    int argc, at;
    uint64_t seen; /* options of one value that were there, a bit each */
} cli_walk;

static void print_option(const char *name, const char *value, const char *help)
{
    int width = printf("  %s%s%s", name, value ? " " : "", value ? value : "");
    if (width + 2 > HELP_COLUMN) {
        printf("\n%*s", HELP_COLUMN, "");
    } else {
        printf("%*s", HELP_COLUMN - width, "");
    }
    for (const char *at = help; *at; at++) {
        fputc(*at, stdout);
        if (*at == '\n') {
            printf("%*s", HELP_COLUMN, "");
        }
    }
    fputc('\n', stdout);
}

static void print_spec(const cli_spec *spec)
{
    printf("usage: rankine %s", spec->name);
    if (spec->positional) {
        printf(spec->positional_optional ? " [%s]" : " %s", spec->positional);
    }
    printf(" [option]...\n\n%s\n\noptions:\n", spec->about);
    for (const cli_option *o = spec->options; o->name; o++) {
        print_option(o->name, o->value, o->help);
    }
    print_option("--verbose", NULL, "more messages; errors say where in the source they arose");
    print_option("-h, --help", NULL, "this text");
    printf("\nexamples:\n%s\n", spec->examples);
}

/* Whether two names, "--with-known" and "--include-known", have a word in common. */
static bool share_word(const char *a, const char *b)
{
    enum { SHORTEST = 4 };
    for (const char *at = a; *at;) {
        size_t length = strcspn(at, "-");
        char *word = cli_format("%.*s", (int)length, at);
        const char *found = length >= SHORTEST ? strstr(b, word) : NULL;
        cli_free(word);
        if (found && found[-1] == '-' && (found[length] == '-' || found[length] == '\0')) {
            return true;
        }
        at += length + (at[length] == '-');
    }
    return false;
}

/* What somebody may have meant who wrote a name that is none: spelt nearly like it, else with a
 * word of it; NULL = nothing comes to mind. *out_set = whether the command has --set. */
static const char *nearest_option(const cli_spec *spec, const char *name, bool *out_set)
{
    int best = (int)strlen(name) / 3 + 1; /* with this many edits it is another word */
    const char *nearest = NULL, *related = NULL;
    best = best > 4 ? 4 : best;
    *out_set = false;
    for (const cli_option *o = spec->options; o->name; o++) {
        int distance = cli_distance(o->name, name);
        if (distance < best) {
            best = distance;
            nearest = o->name;
        }
        related = !related && share_word(name, o->name) ? o->name : related;
        *out_set = *out_set || strcmp(o->name, "--set") == 0;
    }
    return nearest ? nearest : related;
}

/* The option named arg[0, length), or NULL after a message that suggests another one. */
static const cli_option *find_option(const cli_spec *spec, const char *arg, size_t length)
{
    for (const cli_option *o = spec->options; o->name; o++) {
        if (strlen(o->name) == length && strncmp(o->name, arg, length) == 0) {
            return o;
        }
    }
    bool has_set = false;
    char *name = cli_format("%.*s", (int)length, arg);
    const char *nearest = nearest_option(spec, name, &has_set);
    if (nearest) {
        cli_usage(spec->name, "%s has no option %s; did you mean %s?", spec->name, name, nearest);
    } else if (has_set) {
        cli_usage(spec->name,
                  "%s has no option %s; what a config may say is set by --set, e.g. "
                  "--set train.epochs=5",
                  spec->name, name);
    } else {
        cli_usage(spec->name, "%s has no option %s", spec->name, name);
    }
    cli_free(name);
    return NULL;
}

static bool is_option(const char *arg)
{
    return strncmp(arg, "--", 2) == 0 || strcmp(arg, "-h") == 0;
}

static void append(cli_list *list, int capacity, const char *value)
{
    if (!list->v) {
        list->v = cli_alloc((size_t)capacity, sizeof *list->v);
    }
    list->v[list->n++] = value;
}

/* value is one of the words of "a|b|c:N"; N stands for a number. */
static bool is_choice(const char *choices, const char *value)
{
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        size_t length = strcspn(at, "|"), rest = 0;
        if (length > 2 && strncmp(at + length - 2, ":N", 2) == 0) {
            length--;
            rest = strlen(value) > length ? strspn(value + length, "0123456789") : 0;
        }
        if (length > 0 && strncmp(at, value, length) == 0 && value[length + rest] == '\0' &&
            (rest > 0 || at[length] != 'N')) {
            return true;
        }
    }
    return false;
}

/* An option of one value that is there twice: which of the two was meant? */
static bool is_there_twice(cli_walk *w, const cli_option *o)
{
    const uint64_t bit = (uint64_t)1 << ((o - w->spec->options) & 63);
    const bool is_single = o->kind == CLI_TEXT || o->kind == CLI_INT;
    const bool is_twice = is_single && (w->seen & bit) != 0;
    w->seen |= is_single ? bit : 0;
    if (is_twice) {
        cli_usage(w->spec->name, "%s is there twice, and takes one value: remove one of them",
                  o->name);
    }
    return is_twice;
}

static bool store(cli_walk *w, const cli_option *o, const char *value)
{
    int64_t number;
    if (is_there_twice(w, o)) {
        return false;
    }
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->out = true;
        return true;
    case CLI_TEXT:
        if (strchr(o->value, '|') && !is_choice(o->value, value)) {
            cli_usage(w->spec->name, "%s '%s': must be one of %s", o->name, value, o->value);
            return false;
        }
        if (*value == '\0') {
            cli_usage(w->spec->name, "%s: the value is empty", o->name);
            return false;
        }
        *(const char **)o->out = value;
        return true;
    case CLI_INT:
        if (!cli_parse_int(value, o->min, o->max, &number)) {
            cli_usage(w->spec->name, "%s '%s': must be a whole number from %" PRId64 " to %" PRId64,
                      o->name, value, o->min, o->max);
            return false;
        }
        *(int64_t *)o->out = number;
        return true;
    case CLI_REPEAT:
    case CLI_MANY:
        append(o->out, w->argc, value);
        return true;
    }
    return false;
}

/* argv[at] is an option: takes it and its values. */
static bool take_option(cli_walk *w)
{
    const char *arg = w->argv[w->at++];
    const char *equals = strchr(arg, '=');
    size_t length = equals ? (size_t)(equals - arg) : strlen(arg);
    const char *value = equals ? equals + 1 : NULL;
    if (strcmp(arg, "--verbose") == 0) {
        w->c->verbose = true;
        return true;
    }
    const cli_option *o = find_option(w->spec, arg, length);
    if (!o) {
        return false;
    }
    if (o->kind == CLI_FLAG && value) {
        cli_usage(w->spec->name, "%s takes no value", o->name);
        return false;
    }
    if (o->kind != CLI_FLAG && !value) {
        if (w->at >= w->argc || is_option(w->argv[w->at])) {
            cli_usage(w->spec->name, "%s needs a value: %s %s", o->name, o->name, o->value);
            return false;
        }
        value = w->argv[w->at++];
    }
    if (!store(w, o, value)) {
        return false;
    }
    while (o->kind == CLI_MANY && w->at < w->argc && !is_option(w->argv[w->at])) {
        append(o->out, w->argc, w->argv[w->at++]);
    }
    return true;
}

static bool take_positional(cli_walk *w)
{
    const char *arg = w->argv[w->at++];
    const cli_spec *spec = w->spec;
    if (!spec->positional) {
        cli_usage(spec->name, "%s takes only options; what is '%s'?", spec->name, arg);
        return false;
    }
    if (strstr(spec->positional, "...")) {
        append(&w->c->more, w->argc, arg);
        w->c->positional = w->c->more.v[0];
        return true;
    }
    if (w->c->positional) {
        cli_usage(spec->name, "%s takes one %s; it has '%s' already, what is '%s'?%s", spec->name,
                  spec->positional, w->c->positional, arg,
                  strchr(arg, '=') ? " (options of the config go behind --set)" : "");
        return false;
    }
    w->c->positional = arg;
    return true;
}

bool cli_parse(cli *c, const cli_spec *spec, int argc, char **argv, int *exit_code)
{
    cli_walk w = {.c = c, .spec = spec, .argv = argv, .argc = argc, .at = 1};
    bool options = true;
    *exit_code = rk_status_exit_code(RK_ERR_CONFIG);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            print_spec(spec);
            *exit_code = 0;
            return false;
        }
    }
    while (w.at < argc) {
        if (options && strcmp(argv[w.at], "--") == 0) {
            options = false;
            w.at++;
        } else if (!(options && argv[w.at][0] == '-' && argv[w.at][1] != '\0'
                         ? take_option(&w)
                         : take_positional(&w))) {
            return false;
        }
    }
    if (spec->positional && !spec->positional_optional && !c->positional) {
        cli_usage(spec->name, "%s needs a %s", spec->name, spec->positional);
        return false;
    }
    *exit_code = cli_ranks_refuse(spec->name);
    return *exit_code == 0;
}
