/*
 * Shared by the commands that answer: recommend, similar and score. Who and what is asked for
 * (lists.c), and where the answers go (sink.c).
 */
#ifndef RK_CLI_ANSWERS_H
#define RK_CLI_ANSWERS_H

#include "cli.h"

/* ---- ids of the command line and of files (lists.c) ---- */

/* One that is asked for. */
typedef struct cli_asked {
    const char *id; /* as it was written; NULL = not written, by --all */
    int64_t index;  /* dense; -1 = not in the data set */
    bool in_file;   /* not a word of the command line itself */
} cli_asked;

typedef struct cli_asking {
    cli_asked *v; /* owned */
    int64_t n, capacity;
    int64_t unknown;
    char **blocks; /* texts that ids are in; owned */
    int n_blocks;
} cli_asking;

typedef enum cli_what { CLI_USERS, CLI_ITEMS } cli_what;

/* Adds what words name: an id, several ids with commas between them, or @FILE, a file with one id a
 * line. A word that is itself an id counts as one. Returns an exit code, after a message. */
int cli_ask(cli_asking *a, const rk_model *model, cli_what what, const cli_list *words);
/* Adds the ids of a file, one a line; "-" is the standard input. A first line with the name of the
 * column says where they are in the others, and is none itself; nor are blank lines. What the
 * export has escaped is understood. */
int cli_ask_file(cli_asking *a, const rk_model *model, cli_what what, const char *path);
/* Adds everybody or everything. */
void cli_ask_all(cli_asking *a, const rk_dataset *dataset, cli_what what);
/* Adds the items whose labels have the words of each text; a few at most, else it is an error. */
int cli_ask_labels(cli_asking *a, const rk_dataset *dataset, const cli_list *texts);
void cli_asking_free(cli_asking *a);

/* For lists in which every id must be one: an error for an unknown word, a note (option: who says
 * it) for unknown ids of a file, an error if the file has no other. */
int cli_must_know(const cli *c, const cli_asking *a, const rk_dataset *dataset, cli_what what,
                  const char *option);
/* For rows: an error if nobody is known, else nothing. */
int cli_must_know_one(const cli *c, const cli_asking *a, const rk_dataset *dataset, cli_what what);
/* Why an id is unknown; lives until the library is called. */
const char *cli_why_unknown(const rk_dataset *dataset, cli_what what, const char *id);

/* The items as dense indices; free with cli_free. */
int32_t *cli_indices(const cli_asking *a);

/* A file of pairs: user and item in two columns with a comma, a semicolon or a tab between them,
 * found by name if the first line has names. */
typedef struct cli_pair {
    const char *user_id, *item_id;
    int64_t user;
    int64_t item;
} cli_pair;
typedef struct cli_pairs {
    cli_pair *v; /* owned */
    int64_t n, capacity;
    char *text; /* owned */
} cli_pairs;
int cli_read_pairs(cli_pairs *out, const rk_model *model, const char *path);
void cli_pairs_free(cli_pairs *pairs);

/* ---- the context of answers (context.c) ---- */

typedef struct cli_context {
    cli_list words; /* of --context; the array is owned */
    const rk_model *model;
    const rk_dataset *dataset;
    int64_t n;       /* fields that the model reads */
    int32_t *values; /* [n]; owned */
} cli_context;

#define CLI_CONTEXT_OPTION(context)                                                                \
    {                                                                                              \
        "--context", CLI_MANY, &(context).words, "NAME=VALUE...",                                  \
            "the circumstances of the answers, a value of each field of data.fields\n"             \
            "that the model reads: --context previous=17 hour=23; previous= where it\n"            \
            "is empty",                                                                            \
            0, 0                                                                                   \
    }

/* All of them empty, whatever the words say. */
void cli_context_empty(cli_context *x, const rk_model *model);
/* Finds the values of the words: one for each field that the model reads, and no others. Returns an
 * exit code, after a message. */
int cli_context_find(const cli *c, cli_context *x, const char *command, const rk_model *model);
/* A query with it; user -1: of nobody known. */
rk_query cli_context_query(const cli_context *x, int64_t user);
/* "context": {...}, where there is one. */
void cli_context_json(cli_json *j, const cli_context *x);
/* A line for people, where there is one. */
void cli_context_print(const cli_context *x);
/* Says on the standard error if the model has learnt nothing of a value. */
void cli_context_note(const cli_context *x);
void cli_context_free(cli_context *x);

/* ---- where answers go (sink.c) ---- */

typedef enum cli_form { CLI_FORM_PEOPLE, CLI_FORM_JSON, CLI_FORM_JSONL, CLI_FORM_TSV } cli_form;

typedef struct cli_sink {
    bool quiet; /* no sentence about the file that was written */
    FILE *out;
    cli_form form;
    cli_json j;
    cli_result file; /* zeroed = the standard output */
} cli_sink;

/* The options that choose it. */
typedef struct cli_sink_args {
    bool json, jsonl, tsv, force;
    const char *out; /* FILE, or NULL */
    bool quiet;      /* cli_sink.quiet */
} cli_sink_args;

/* --approximate and what is read with it. */
typedef struct cli_approximate {
    bool wanted;
    int64_t planes, probes; /* 0 = the usual numbers */
} cli_approximate;

#define CLI_APPROXIMATE_OPTIONS(a)                                                                 \
    {"--approximate",                                                                              \
     CLI_FLAG,                                                                                     \
     &(a).wanted,                                                                                  \
     NULL,                                                                                         \
     "look only at items that hashing with random hyperplanes finds, on the\n"                     \
     "host: scores are true, but an item may be missed. For single questions\n"                    \
     "about 100,000 items and more",                                                               \
     0,                                                                                            \
     0},                                                                                           \
        {"--planes",                                                                               \
         CLI_INT,                                                                                  \
         &(a).planes,                                                                              \
         "P",                                                                                      \
         "with it: hyperplanes; default by the number of items",                                   \
         1,                                                                                        \
         RK_MOST_PLANES},                                                                          \
    {                                                                                              \
        "--probes", CLI_INT, &(a).probes, "N",                                                     \
            "with it: buckets to look into; default 1 in 20, more find more", 1, INT32_MAX         \
    }

/* Those about the file, which all commands that answer have: rows of their tables. */
#define CLI_FILE_OPTIONS(sink)                                                                     \
    {"--out", CLI_TEXT, &(sink).out, "FILE", "into a file, which ends in .tsv, .jsonl or .json",   \
     0,       0},                                                                                  \
        {"--force",                                                                                \
         CLI_FLAG,                                                                                 \
         &(sink).force,                                                                            \
         NULL,                                                                                     \
         "replace a file that is there, when the new one is whole",                                \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "--quiet", CLI_FLAG, &(sink).quiet, NULL, "no sentence about the file", 0, 0               \
    }

/* path: a file, which is written aside and takes its name when it is whole; lent until the sink is
 * closed. NULL = the standard output. Returns an exit code, after a message. */
int cli_sink_open(cli_sink *s, const char *command, const cli_sink_args *args, const char *path);
/* Whether it can still be written to. */
bool cli_sink_fine(const cli_sink *s);
/* Ends it: code 0 makes the file, another one removes what there is of it. Returns the code, or
 * that of a failure to write. */
int cli_sink_close(cli_sink *s, int code);

/* An id as JSON: a number where ids are integers and this is one. */
void cli_json_asked(cli_json *j, const char *id, bool integer);

/* ---- rows of recommend (recommend_rows.c) ---- */

enum { CLI_REASONS = 3 };

/* What the answers are to. */
typedef struct cli_request {
    const rk_model *model;
    const rk_dataset *dataset;
    const cli_context *context;
    const int32_t *items; /* of somebody who is known by them, or by the context alone */
    int64_t n_items;
    const rk_selection *selection; /* what may be answered */
    bool explains, integer_ids;
} cli_request;

/* The answers to one query, and why. */
typedef struct cli_answer {
    const cli_asked *user; /* NULL = somebody with the items of the request */
    rk_query query;
    rk_grounds grounds;
    const rk_recommendation *best; /* [n] */
    int64_t n;
    const rk_reason *reasons; /* [n, CLI_REASONS]; NULL = nobody asked for them */
    const rk_explanation *explanations;
} cli_answer;

/* The first n of the answers, or that there are none. */
void cli_show_answer(cli_sink *s, const cli_request *request, const cli_answer *answer, int64_t n);

/* ---- what may be answered ---- */

typedef struct cli_limits {
    cli_list exclude, among;
    const char *min_score;
    cli_asking excluded, allowed;
    int32_t *exclude_items, *among_items; /* owned */
} cli_limits;

/* Finds the lists' items and sets the limits of the selection, which lends them. */
int cli_limits_find(const cli *c, cli_limits *l, const char *command, const rk_model *model,
                    rk_selection *selection);
void cli_limits_free(cli_limits *l);
/* Why there is no answer: that nothing is within the limits; without any (or NULL) `why`. */
void cli_print_nothing(const rk_selection *selection, const char *why);

/* The lengths of --top, "5" or "5,20", each cut to the catalogue with a note. No words: 10. */
enum { CLI_MOST_TOPS = 16 };
typedef struct cli_tops {
    int64_t v[CLI_MOST_TOPS], longest;
    int n;
    bool is_default; /* nobody asked for it */
} cli_tops;
int cli_tops_parse(cli_tops *t, const char *command, const cli_list *words);
/* tells: a note about what is cut. */
void cli_tops_clip(cli_tops *t, int64_t catalogue, bool tells);

/* "5,10,20", "5 10 20": the cut-offs of --k, each once; free *out with cli_free, also after a
 * failure. *out_n: 0 before. */
int cli_cutoffs(const cli_list *words, const char *command, int64_t **out, int64_t *out_n);

#endif
