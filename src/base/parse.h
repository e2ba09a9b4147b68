/*
 * Strict number parsing: the whole text must be the number. No locale, no leading blanks, no
 * silent overflow. strtol and atoi are banned elsewhere (tools/check_style).
 */
#ifndef RK_BASE_PARSE_H
#define RK_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum rk_parse {
    RK_PARSE_OK,
    RK_PARSE_NOT_A_NUMBER, /* empty, or with a character that does not belong */
    RK_PARSE_OUT_OF_RANGE,
} rk_parse;

/* Decimal integer with optional sign. */
rk_parse rk__parse_int(const char *text, size_t length, int64_t *out);

/* Decimal number with optional fraction and exponent; nan and inf are not numbers. */
rk_parse rk__parse_real(const char *text, size_t length, double *out);

/* The same with a comma in place of the point ("4,5"); "4.5" is no number then. */
rk_parse rk__parse_real_comma(const char *text, size_t length, double *out);

/* A size in bytes: a number of 0 or more and B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB,
 * TiB (of 1024), with or without a blank between; a number alone is of bytes. */
rk_parse rk__parse_size(const char *text, size_t length, int64_t *out);

/* The next of names with commas between, without the blanks around it, and *inout_at behind it;
 * empty ones are passed over. False: there is none left. */
bool rk__next_name(const char **inout_at, const char **out_name, size_t *out_length);

/* Decimal digits; for texts of many numbers, so without printf. Returns how many bytes, without the
 * final zero byte. */
int rk__print_int(char out[24], int64_t value);

/* The reverse: the shortest decimal text that parses to the same number, with a point in every
 * locale. The value must be finite. */
void rk__print_real(char out[32], double value);
/* The same for a float. */
void rk__print_float(char out[32], float value);
/* With a fixed number of digits after the point, for people; "-" if not finite. */
void rk__print_fixed(char out[32], double value, int digits);
/* A size for people: "1.5 GiB", "96 MiB", "12 bytes". */
void rk__print_size(char out[32], int64_t bytes);
/* With a space between groups of three digits, for people: "1 027 370". */
void rk__print_count(char out[32], int64_t value);

#endif
