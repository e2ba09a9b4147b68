#include "base/parse.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rk_parse rk__parse_int(const char *text, size_t length, int64_t *out)
{
    size_t i = 0;
    bool negative = false;
    if (length > 0 && (text[0] == '-' || text[0] == '+')) {
        negative = text[0] == '-';
        i = 1;
    }
    if (i == length) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    uint64_t value = 0;
    bool overflow = false;
    const uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1u : 0u);
    for (; i < length; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9) {
            return RK_PARSE_NOT_A_NUMBER;
        }
        if (value > (limit - digit) / 10) {
            overflow = true; /* keep scanning: "99999999999999999999x" is not a number at all */
        } else {
            value = value * 10 + digit;
        }
    }
    if (overflow) {
        return RK_PARSE_OUT_OF_RANGE;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return RK_PARSE_OK;
}

/* [+-]digits[.digits] of at most 15 digits: digits and power of ten are exact in a double and one
 * division rounds correctly, so the result is that of strtod (Clinger 1990) in a tenth of the time.
 * Ratings and time stamps are such numbers. False: not this simple, or not a number at all. */
static bool parse_short_decimal(const char *text, size_t length, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    enum { EXACT_DIGITS = 15 };
    size_t i = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    size_t point = length, digits = 0;
    int64_t value = 0;
    if (length - i > EXACT_DIGITS + 1) {
        return false;
    }
    for (size_t k = i; k < length; k++) {
        unsigned digit = (unsigned)(unsigned char)text[k] - '0';
        if (digit <= 9) {
            value = value * 10 + (int64_t)digit;
            digits++;
        } else if (text[k] == '.' && point == length) {
            point = k;
        } else {
            return false;
        }
    }
    if (digits == 0 || digits > EXACT_DIGITS) {
        return false;
    }
    size_t fraction = point < length ? length - point - 1 : 0;
    double magnitude = (double)value / powers[fraction];
    *out = text[0] == '-' ? -magnitude : magnitude;
    return true;
}

/* Only [+-]digits[.digits][e[+-]digits]: excludes strtod's hex, nan, inf and blanks. */
static bool is_decimal(const char *text, size_t length)
{
    size_t i = 0, digits = 0;
    if (i < length && (text[i] == '-' || text[i] == '+')) {
        i++;
    }
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
        digits++;
    }
    if (i < length && text[i] == '.') {
        for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
            digits++;
        }
    }
    if (digits == 0) {
        return false;
    }
    if (i < length && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < length && (text[i] == '-' || text[i] == '+')) {
            i++;
        }
        size_t start = i;
        for (; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
        }
        if (i == start) {
            return false;
        }
    }
    return i == length;
}

rk_parse rk__parse_real(const char *text, size_t length, double *out)
{
    if (parse_short_decimal(text, length, out)) {
        return RK_PARSE_OK;
    }
    if (!is_decimal(text, length)) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    char buffer[128];
    if (length >= sizeof buffer) {
        return RK_PARSE_OUT_OF_RANGE;
    }
    memcpy(buffer, text, length);
    buffer[length] = '\0';
    /* strtod follows the program's locale; ours must not, so the point is translated. */
    const char *point = localeconv()->decimal_point;
    char *dot = strchr(buffer, '.');
    if (dot && point[0] != '.' && point[1] == '\0') {
        *dot = point[0];
    }
    char *end = NULL;
    double value = strtod(buffer, &end);
    if (end != buffer + length) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    if (!isfinite(value)) {
        return RK_PARSE_OUT_OF_RANGE;
    }
    *out = value;
    return RK_PARSE_OK;
}

rk_parse rk__parse_real_comma(const char *text, size_t length, double *out)
{
    char buffer[128];
    if (length >= sizeof buffer || memchr(text, '.', length)) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    for (size_t i = 0; i < length; i++) {
        buffer[i] = text[i] == ',' ? '.' : text[i];
    }
    return rk__parse_real(buffer, length, out);
}

int rk__print_int(char out[24], int64_t value)
{
    char digits[20];
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int n = 0, length = 0;
    do {
        digits[n++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        out[length++] = '-';
    }
    while (n > 0) {
        out[length++] = digits[--n];
    }
    out[length] = '\0';
    return length;
}

static void print_digits(char out[32], double value, int digits)
{
    snprintf(out, 32, "%.*g", digits, value);
    char *point = strpbrk(out, ",.");
    if (point) {
        *point = '.';
    }
}

void rk__print_real(char out[32], double value)
{
    for (int digits = 15; digits <= 17; digits++) {
        double back = 0;
        print_digits(out, value, digits);
        if (rk__parse_real(out, strlen(out), &back) == RK_PARSE_OK && back == value) {
            return;
        }
    }
}

void rk__print_float(char out[32], float value)
{
    for (int digits = 6; digits <= 9; digits++) {
        double back = 0;
        print_digits(out, (double)value, digits);
        if (rk__parse_real(out, strlen(out), &back) == RK_PARSE_OK && (float)back == value) {
            return;
        }
    }
}

/* The factor of a unit; 0 = there is no such unit. */
static double unit_of(const char *text, size_t length)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {{"", 1},         {"B", 1},        {"kB", 1e3},    {"MB", 1e6},
                 {"GB", 1e9},     {"TB", 1e12},    {"KB", 1e3},    {"KiB", 0x1p10},
                 {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0) {
            return units[i].factor;
        }
    }
    return 0;
}

rk_parse rk__parse_size(const char *text, size_t length, int64_t *out)
{
    size_t digits = 0;
    double value = 0;
    while (digits < length &&
           ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.')) {
        digits++;
    }
    size_t unit = digits + (digits + 1 < length && text[digits] == ' ');
    const double factor = unit_of(text + unit, length - unit);
    if (factor == 0 || rk__parse_real(text, digits, &value) != RK_PARSE_OK) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    if (value * factor >= 0x1p63) {
        return RK_PARSE_OUT_OF_RANGE;
    }
    *out = (int64_t)(value * factor);
    return RK_PARSE_OK;
}

void rk__print_size(char out[32], int64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    char number[32];
    rk__print_fixed(number, value, value == floor(value) || value >= 100 ? 0 : 1);
    snprintf(out, 32, "%.20s %s", number, units[unit]);
}

bool rk__next_name(const char **inout_at, const char **out_name, size_t *out_length)
{
    const char *at = *inout_at + strspn(*inout_at, " ,");
    size_t length = strcspn(at, ",");
    *inout_at = at + length;
    while (length > 0 && at[length - 1] == ' ') {
        length--;
    }
    *out_name = at;
    *out_length = length;
    return length > 0;
}

void rk__print_fixed(char out[32], double value, int digits)
{
    if (!isfinite(value)) {
        memcpy(out, "-", 2);
        return;
    }
    bool is_huge = fabs(value) >= 1e15;
    snprintf(out, 32, is_huge ? "%.*e" : "%.*f", digits, value);
    char *point = strchr(out, ',');
    if (point) {
        *point = '.';
    }
}

void rk__print_count(char out[32], int64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
    int sign = digits[0] == '-';
    for (int i = 0; i < length; i++) {
        if (i > sign && (length - i) % 3 == 0) {
            out[at++] = ' ';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}
