/*
 * One value of an option: from what the parser found to the field of the struct and back to text.
 */
#ifndef RK_CONFIG_VALUE_H
#define RK_CONFIG_VALUE_H

#include "config/schema.h"

/* A scalar as it was written; lent, not zero-terminated. */
typedef struct rk_scalar {
    const char *at;
    size_t length;
    bool quoted;
} rk_scalar;

typedef enum rk_raw_kind { RK_RAW_NOTHING, RK_RAW_SCALAR, RK_RAW_LIST, RK_RAW_MAP } rk_raw_kind;

/* What stands where a value is wanted. */
typedef struct rk_raw {
    rk_raw_kind kind;
    rk_scalar one;    /* RK_RAW_SCALAR */
    rk_scalar *items; /* RK_RAW_LIST of scalars: n of them, lent */
    int64_t n;
} rk_raw;

typedef struct rk_option_value {
    union {
        bool boolean;
        int64_t integer;
        double real;
        char *string; /* STRING and PATH */
        int choice;
        rk_ints ints; /* INTS and CHOICES */
        rk_reals reals;
        rk_texts texts; /* PATHS */
    } as;
    char *text; /* in YAML's notation; numbers as the user wrote them */
} rk_option_value;

enum {
    RK_LONGEST_VALUE = 4096, /* bytes of a scalar */
    RK_LONGEST_LIST = 1024,  /* elements */
};

/* Checks type and range. place ("exp.yaml:12") and name ("train.epochs") go into the message.
 * folder: where the relative ones of a list of paths start. On failure nothing is owned. */
rk_status rk__value_parse(rk_option_value *out, const rk_option *row, const rk_raw *raw,
                          const char *place, const char *name, const char *folder);

/* The default of an option whose text needs nothing resolved. out->text stays NULL where the
 * default text is the value's text in YAML's notation already. */
rk_status rk__value_default(rk_option_value *out, const rk_option *row);

/* Moves the value (not its text) into its member of rk_options or rk_source_options, whose old
 * contents are freed. */
void rk__value_store(const rk_option *row, void *options, rk_option_value *value);

/* Frees what the member of an option owns. */
void rk__value_free(const rk_option *row, void *options);

/* A text in YAML's notation: plain where that is safe for every YAML reader, else in double
 * quotes.*/
void rk__print_string(rk_buffer *out, const char *text, size_t length);

#endif
