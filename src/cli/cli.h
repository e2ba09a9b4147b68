/*
 * Shared by the commands of the rankine program: arguments, texts, the display, signals.
 *
 * The program uses only the public API (rankine/rankine.h, the shared library). It is the only room
 * that prints and exits: results go to standard output, everything else (messages, progress,
 * errors) to standard error.
 */
#ifndef RK_CLI_CLI_H
#define RK_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rankine/rankine.h"
#include "text/json.h"

/* ---- arguments (args.c) ---- */

typedef struct cli_list {
    const char **v; /* each points into argv; the array is owned */
    int n;
} cli_list;

typedef enum cli_kind {
    CLI_FLAG,   /* bool *:          --resume */
    CLI_TEXT,   /* const char **:   --run DIR; a value name with '|' lists the choices */
    CLI_INT,    /* int64_t *:       --top K, in [min, max] */
    CLI_REPEAT, /* cli_list *:      --set A --set B */
    CLI_MANY,   /* cli_list *:      --user A B C, up to the next option */
} cli_kind;

typedef struct cli_option {
    const char *name; /* "--run" */
    cli_kind kind;
    void *out;         /* where the value goes, see cli_kind; lent */
    const char *value; /* the value's name in the help, e.g. "DIR"; NULL for flags */
    const char *help;  /* may hold newlines */
    int64_t min, max;  /* CLI_INT */
} cli_option;

/* What a command takes; its --help is made from this. */
typedef struct cli_spec {
    const char *name;
    const char *positional; /* "CONFIG", "RUN"; NULL = takes none; "RUN..." = one or more */
    bool positional_optional;
    const char *about;
    const char *examples;      /* lines, each starting with two blanks */
    const cli_option *options; /* ended by a row without a name */
} cli_spec;

/* One invocation of the program. */
typedef struct cli {
    bool verbose, quiet;
    const char *positional; /* as given, or NULL; the first of several */
    cli_list more;          /* all of them, where the command takes several; the array is owned */
    char **words;           /* of the command line, the program's name first; ended by NULL */
    rk_ranks *ranks;        /* that work on it together (ranks.c); NULL = alone */
    bool is_other;          /* a rank that is not the first: that one prints and writes */
} cli;

/* Sets what the options' `out` point to. false: the command ends now with *exit_code (help or an
 * error was printed). */
bool cli_parse(cli *c, const cli_spec *spec, int argc, char **argv, int *exit_code);

/* ---- commands (cmd_*.c); argv[0] is the command's name; they return the exit code ---- */

int cmd_train(cli *c, int argc, char **argv);
int cmd_sweep(cli *c, int argc, char **argv);
int cmd_prepare(cli *c, int argc, char **argv);
int cmd_cache(cli *c, int argc, char **argv);
int cmd_compare(cli *c, int argc, char **argv);
int cmd_evaluate(cli *c, int argc, char **argv);
int cmd_report(cli *c, int argc, char **argv);
int cmd_recommend(cli *c, int argc, char **argv);
int cmd_similar(cli *c, int argc, char **argv);
int cmd_score(cli *c, int argc, char **argv);
int cmd_serve(cli *c, int argc, char **argv);
int cmd_export(cli *c, int argc, char **argv);
int cmd_info(cli *c, int argc, char **argv);
int cmd_init(cli *c, int argc, char **argv);
int cmd_synth(cli *c, int argc, char **argv);
int cmd_help(cli *c, int argc, char **argv);

typedef struct cli_command {
    const char *name;
    const char *help;
    int (*run)(cli *c, int argc, char **argv);
    bool by_ranks; /* processes that were started together may all run it */
} cli_command;

/* All of them, ended by a row without a name (main.c). */
const cli_command *cli_commands(void);
/* NULL if there is none of that name; *nearest (may be NULL) is the most similar one, or NULL. */
const cli_command *cli_find_command(const char *name, const char **nearest);
void cli_print_help(FILE *out);
/* Prints every option of a config; returns an exit code. */
int cli_print_options(const cli *c);
/* The training step of a config as a page, on the data set of the run in run_dir, NULL = the
 * config's; returns the exit code. */
int cli_print_program(const cli *c, const rk_config *config, const char *run_dir);

/* ---- errors (errors.c) ---- */

/* Of processes that were started together all but the first are late until they have met: what is
 * wrong with a command line or a config is mostly the same for all, and a launcher ends the others
 * when the first has said it. What only another one finds is heard two seconds later. */
void cli_speak_late(bool late);
/* Prints "rankine: MESSAGE" for the library's last error; returns the exit code of the status. */
int cli_fail(const cli *c, rk_status status);
/* Prints "rankine: MESSAGE" and how to get help; returns 2. command may be NULL. */
int cli_usage(const char *command, const char *format, ...) RK_PRINTF(2, 3);
/* Prints "rankine: MESSAGE"; returns the code. */
int cli_error(int code, const char *format, ...) RK_PRINTF(2, 3);

/* What one of these three printed last, without "rankine: ". */
const char *cli_last_error(void);

/* ---- several processes (ranks.c) ---- */

/* Whom mpirun or srun started together share a command's users; rank 0 alone prints and writes. */
#define CLI_COMMUNICATOR_OPTION(communicator)                                                      \
    {                                                                                              \
        "--communicator", CLI_TEXT, &(communicator), "auto|self",                                  \
            "auto: processes that mpirun or srun has started together divide the\n"                \
            "users among them. self: this process is alone, whoever started it",                   \
            0, 0                                                                                   \
    }

/* Of a command that is not by_ranks: an error where several processes were started together. */
int cli_ranks_refuse(const char *command);
/* Finds the others, who must have the same command line. communicator: NULL = auto. Another rank
 * than the first hears of nothing but the wish to stop from then on. hooks: lent until
 * cli_ranks_leave. Returns an exit code, after a message. */
int cli_ranks_join(cli *c, const char *command, const char *communicator, rk_hooks *hooks);
/* All ranks must have read the same: `what` names it. Returns an exit code, after a message. */
int cli_ranks_agree(const cli *c, const char *what, const char *text);
/* The same of a list of ids, as dense indices. */
int cli_ranks_agree_ids(const cli *c, const char *what, const int32_t *ids, int64_t n);
/* The end, with this rank's exit code; returns that of the rank that failed, if one did. */
int cli_ranks_leave(cli *c, int code);

/* ---- texts (text.c) ---- */

typedef struct cli_text {
    char s[48];
} cli_text;

cli_text cli_count(int64_t n);        /* 1,234,567 */
cli_text cli_score(float score);      /* 4.1234, or where that had no digit left 9.09e-06 */
cli_text cli_rate(double per_second); /* 1.25M */
cli_text cli_seconds(double seconds); /* 0.42 s, 12.3 s, 3m05s, 1h02m */
cli_text cli_bytes(double bytes);     /* 213 MB */
cli_text cli_percent(double share);   /* 0.953 % */

/* The whole text must be a decimal integer in [min, max]. */
bool cli_parse_int(const char *text, int64_t min, int64_t max, int64_t *out);

/* Number of edits (insert, delete, replace, swap of neighbours) between two words. */
int cli_distance(const char *a, const char *b);

/* Zeroed memory; if there is none left, the program ends with code 4. Free with cli_free. */
void *cli_alloc(size_t count, size_t size);
void cli_free(void *pointer);
/* printf into a fresh text; free with cli_free. */
char *cli_format(const char *format, ...) RK_PRINTF(1, 2);

/* For people: at most `width` characters, control characters as '?'; truncated with "...". */
void cli_print_label(FILE *out, const char *text, int width);
/* The same of an id, all of it, with blanks up to `width`. */
void cli_print_id(FILE *out, const char *id, int width);

/* For a POSIX shell: as it is where it is plain, else in quotes. Free with cli_free. */
char *cli_quote(const char *text);
/* The same of a path, which does not look like an option. */
char *cli_quote_path(const char *path);
/* The command line as it could be typed again. Free with cli_free. */
char *cli_command_line(const cli *c);

bool cli_is_there(const char *path);
bool cli_is_directory(const char *path);
bool cli_exists(const char *directory, const char *file);

/* runs/NAME-YYYYmmdd-HHMMSS, the kind ("-sweep", "") behind NAME, which is the last part of a path
 * without .yaml or .yml. Free with cli_free. */
char *cli_new_folder(const char *path, const char *kind);

/* ---- JSON (json.c) ---- */

/* A writer of text/json.h whose calls have the same names. */
typedef struct cli_json {
    FILE *out;
    text_json writer;
} cli_json;

void cli_json_open(cli_json *j, char bracket);  /* '{' or '[' */
void cli_json_close(cli_json *j, char bracket); /* '}' or ']'; the outermost ends the line */
void cli_json_key(cli_json *j, const char *key);
void cli_json_text(cli_json *j, const char *text); /* escaped; bytes that are not UTF-8: U+FFFD */
void cli_json_pair(cli_json *j, const char *key, const char *text); /* nothing where text is NULL */
void cli_json_int(cli_json *j, int64_t value);
void cli_json_bool(cli_json *j, bool value);
void cli_json_real(cli_json *j, double value); /* shortest that reads back; null if not finite */
void cli_json_float(cli_json *j, float value);
void cli_json_raw(cli_json *j, const char *json); /* a value that is JSON already, or begins one */
/* An original id: a number when the data set's ids are integers, else a text. */
void cli_json_id(cli_json *j, const char *id, bool integer);

/* ---- files (files.c) ---- */

/* A file of rows that is written aside and then renamed: it is whole or not there. A pipe or a
 * device is written to as it is. */
typedef enum cli_rows { CLI_ROWS_TSV, CLI_ROWS_CSV, CLI_ROWS_JSON } cli_rows;
typedef struct cli_result {
    const char *path, *option; /* lent */
    bool force;
    cli_rows form; /* by the name: .jsonl, .csv, else TSV */
    FILE *file;
    char *aside; /* owned */
} cli_result;

/* Whether a path names what the standard output goes to, as /dev/stdout does. A result of that name
 * is written there, and nothing else may be. */
bool cli_is_standard_output(const char *path);
/* Refuses a file that is there, unless force. These two return an exit code, after printing the
 * error if any. */
int cli_result_open(cli_result *result, const char *option, const char *path, bool force);
int cli_result_commit(cli_result *result);
void cli_result_close(cli_result *result); /* drops it unless committed; a zeroed one is fine */
/* A field of a line with tabs: what would end it is escaped with a backslash, as by export. */
void cli_tsv_field(FILE *out, const char *text);
/* A text in a CSV or TSV, with what it needs of quotes or escapes. */
void cli_result_text(cli_result *result, const char *text);

/* ---- display (display.c): messages and progress on standard error ---- */

typedef struct cli_display {
    bool quiet, verbose;
    bool terminal, colour;
    bool line_shown; /* a progress line is on the terminal */
    double drawn_at; /* seconds, monotonic; when a line was last shown */
    char phase[160]; /* of the last progress */
    char unit[32];
    int64_t done; /* in that phase */
    double phase_seconds;
    rk_progress epoch; /* the latest of training; .epoch 0 = none yet, or printed already */
    char metric[64];   /* what epoch.metric points to */
} cli_display;

void cli_display_init(cli_display *d, const cli *c);
rk_hooks cli_display_hooks(cli_display *d);
/* Clears the progress line; where lines are plain, prints the last epoch. */
void cli_display_end(cli_display *d);

/* Whether a stream may have colours: it is a terminal, NO_COLOR is unset, TERM is not dumb. */
bool cli_colour(FILE *stream);
/* Escape sequences, "" without colour. */
const char *cli_bold(bool colour);
const char *cli_dim(bool colour);
const char *cli_green(bool colour);
const char *cli_yellow(bool colour);
const char *cli_plain(bool colour);

/* ---- signals (signals.c) ---- */

/* The first SIGINT or SIGTERM asks the library to stop, the second ends the program with 130.
 * said_first: the message to the user at the first one; a constant text. */
void cli_signals_install(const char *said_first);
bool cli_signals_stop(void);

/* ---- reports for people (tables.c) ---- */

void cli_print_stats(FILE *out, const rk_dataset *dataset);
/* The model beside popularity, with the ratio. */
typedef struct cli_metric_row {
    const char *name;
    double model, popularity; /* NaN = not known */
    double trace;             /* by traces; NaN = not known: no column where nobody knows it */
} cli_metric_row;
void cli_print_metrics(FILE *out, const char *title, const cli_metric_row *rows, int64_t n);
/* The errors of predicted ratings, RK_RATING_ERRORS rows in their order. */
typedef struct cli_rating_row {
    double model, global_mean, item_mean, biases;
} cli_rating_row;
void cli_print_ratings(FILE *out, const char *title, const cli_rating_row *rows);
/* Prints the report of a finished run. */
void cli_print_report(FILE *out, const rk_report *report);
/* Prints the report of several seeds, which has "seeds.count". */
void cli_print_seeds(FILE *out, const rk_report *report);

/* ---- what a split says of itself (audit.c) ---- */

void cli_print_audit(FILE *out, const char *part, const rk_audit *audit);
/* That of a report, of test or else of valid. */
void cli_print_report_audit(FILE *out, const rk_report *report);
/* Why a run's metrics are not to be held against others, if they are not. */
void cli_print_cautions(FILE *out, const rk_report *report);
/* The member "audit" of an open object. */
void cli_json_audit(cli_json *j, const rk_audit *audit);

/* ---- facts, most of them as JSON (facts.c) ---- */

/* An object; its names are those of report.json. */
void cli_json_dataset(cli_json *j, const rk_dataset *dataset);
/* The report.json of a run or of several seeds; null where there is none. Returns an exit code,
 * after printing the error if any. */
int cli_json_report(cli_json *j, const char *run_dir);

/* ---- pages (cmd_report.c) ---- */

/* Makes the page of runs and writes it into a file. option: that named it, for messages. Returns an
 * exit code, after printing the error if any. */
int cli_write_page(const cli *c, const char *const *runs, int64_t n, const rk_page_options *how,
                   const char *option, const char *path, bool force);

/* ---- configs and runs (common.c) ---- */

/* Loads a config file with --data, --device and --set on top (NULL = not given). Returns an exit
 * code, after printing the error if any. */
int cli_load_config(const cli *c, const char *path, const char *data, const char *device,
                    const cli_list *set, rk_config **out);
/* The same of a config that may be RecBole's. set: may be NULL. */
int cli_load_any_config(const cli *c, const char *path, bool is_recbole, const char *data,
                        const char *device, const cli_list *set, rk_config **out);

/* Opens the run c->positional; device, data: NULL = as the run's config says. Returns an exit code,
 * after printing the error if any. */
int cli_open_model(const cli *c, const char *device, const char *data, const rk_hooks *hooks,
                   rk_model **out);
/* The part that --part valid|test names. */
rk_part cli_part(const char *name);
bool cli_integer_ids(const rk_model *model);

#endif
