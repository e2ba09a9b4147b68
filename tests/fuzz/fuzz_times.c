/* Dates, times and numbers: each is read twice, and what is a time is finite. */
#include <math.h>

#include "base/moment.h"
#include "base/parse.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = fuzz_text(data, size);
    double seconds = 0, number = 0, day = 0;
    int64_t integer = 0;
    if (rk__parse_moment(text, size, &seconds) == RK_PARSE_OK) {
        fuzz_check(isfinite(seconds), "a moment is finite");
    }
    if (rk__parse_real(text, size, &number) == RK_PARSE_OK) {
        fuzz_check(isfinite(number), "a number is finite");
        fuzz_check(rk__moment_divisor(number) >= 1, "a unit has a length");
        (void)rk__compact_moment(number, &day);
        fuzz_check(isfinite(day), "a day is finite");
        char printed[32];
        double again = 0;
        rk__print_real(printed, number);
        fuzz_check(rk__parse_real(printed, __builtin_strlen(printed), &again) == RK_PARSE_OK &&
                       again == number,
                   "a printed number is that number");
    }
    if (rk__parse_int(text, size, &integer) == RK_PARSE_OK) {
        fuzz_check(size > 0, "an integer has a digit");
    }
    (void)rk__looks_like_day_first(text, size);
    return 0;
}
