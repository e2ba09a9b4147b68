/*
 * The table of options at run time: one row an option, and the search in it.
 */
#ifndef RK_CONFIG_SCHEMA_H
#define RK_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "config/options.h"
#include "config/utf8.h"

typedef enum rk_option_type {
    RK_TYPE_BOOL,
    RK_TYPE_INT,
    RK_TYPE_REAL,
    RK_TYPE_SIZE,
    RK_TYPE_STRING,
    RK_TYPE_PATH,
    RK_TYPE_PATHS,
    RK_TYPE_CHOICE,
    RK_TYPE_INTS,
    RK_TYPE_REALS,
    RK_TYPE_CHOICES,
} rk_option_type;

typedef struct rk_option {
    const char *section, *key;
    rk_option_type type;
    const char *default_text;
    const char *minimum; /* of numbers; of choices the words, each ended by a zero byte, "" ends */
    const char *maximum;
    const char *only_with; /* what the others must be for it to be read; "" = it always is */
    const char *help;
    size_t offset; /* in rk_options; of a row of a list in an element, e.g. rk_source_options */
} rk_option;

/* A list of maps: data.sources, and data.features[].columns, which each element of another has. */
typedef struct rk_option_list rk_option_list;
struct rk_option_list {
    const char *name;            /* the section of its rows: "source" */
    const char *key;             /* in YAML: "sources" */
    const char *parent;          /* the list whose elements have it; "" = the section data */
    const char *title, *example; /* an element as one would write it */
    const rk_option *rows;       /* of an element */
    int64_t n_rows;
    size_t size;            /* of an element, bytes */
    size_t origin, said;    /* offsets in an element */
    size_t elements, count; /* offsets in rk_options or an element of the parent */
};

typedef struct rk_option_section {
    const char *name, *title;
} rk_option_section;

/* The scalar sections in the order of print, the rows of all of them in the same order, and all
 * lists, those of an element before the list that has it. */
const rk_option_section *rk__option_sections(int64_t *out_n);
const rk_option *rk__option_rows(int64_t *out_n);
const rk_option_list *rk__option_lists(int64_t *out_n);

/* NULL when there is none. Texts need no final zero byte. The section of an option may be the name
 * of a list, too. */
const rk_option_section *rk__section_find(const char *name, size_t length);
const rk_option *rk__option_find(const char *section, const char *key, size_t length);

/* The list whose rows are in this section; NULL: none, it is a section of its own. */
const rk_option_list *rk__list_of(const char *section);
/* The list that is this key of the section "data" or of an element of another list; NULL: none. */
const rk_option_list *rk__list_find(const char *section, const char *key, size_t length);
/* 1 for data.sources, 2 for the list of an element. */
int rk__list_depth(const rk_option_list *list);
/* "data.features[].columns", with `index` in the brackets and behind the last one: "[]", "[N]". */
void rk__list_describe(rk_buffer *out, const rk_option_list *list, const char *index);

/* Position among the rows of its table (rk__option_rows or those of its list). */
int64_t rk__option_index(const rk_option *row);

static inline bool rk__option_is_list(const rk_option *row)
{
    return row->type == RK_TYPE_INTS || row->type == RK_TYPE_REALS ||
           row->type == RK_TYPE_CHOICES || row->type == RK_TYPE_PATHS;
}

/* The choices after the first one; NULL at the end. Begin with row->minimum. */
const char *rk__choice_next(const char *choice);

/* "an integer in [0, 10]", "one of lightgcn, mf", ... */
void rk__option_describe(rk_buffer *out, const rk_option *row);

/* What another option must be for this one to be read. */
typedef struct rk_condition {
    const rk_option *row;
    const char *words; /* the choices that it may be, divided by '|', `length` bytes of them; NULL =
                        * a number above 0 */
    size_t length;
} rk_condition;

/* The first condition of a text that begins as rk_option.only_with; *rest goes on behind it. false
 * at the end. All of them must hold. */
bool rk__condition_next(const char **rest, rk_condition *out);

/* Whether somebody reads the option under the values that a config has of the others. */
bool rk__config_reads(const rk_config *config, const rk_option *row);

/* Whether it holds when the other option has this value. */
bool rk__condition_holds(const rk_condition *condition, const char *value);

/* "loss.kind hinge or ccl", "loss.neighbours above 0"; the key in quotes of this kind. */
void rk__condition_describe(rk_buffer *out, const rk_condition *condition, const char *quote);

enum {
    RK_MOST_KEYS = 128, /* of a section or an element */
    RK_MOST_LISTS = 16, /* in all */
};

/* The rows of a section as people look for them: those that are always read, then the others, with
 * those together that are read under the same conditions. Returns how many. */
int rk__section_rows(const char *section, const rk_option *out[RK_MOST_KEYS]);

/* The word among the choices of a row that is most like text[0, length), whose case does not count;
 * NULL when none is near. */
const char *rk__choice_nearest(const rk_option *row, const char *text, size_t length);

/* Appends "; did you mean 'train.epochs'?", or the list of what there is when nothing is near.
 * section "": an unknown section called `name`; else an unknown key `name` of that section. */
void rk__suggest(rk_buffer *out, const char *section, const char *name, size_t length);

#endif
