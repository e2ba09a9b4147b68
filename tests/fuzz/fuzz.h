/* What the targets share: the input as a file, and texts of it. */
#ifndef RK_TESTS_FUZZ_H
#define RK_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a file with these bytes, in memory; the same path each time. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* The bytes as a text that ends with a zero byte; valid until the next call. */
const char *fuzz_text(const uint8_t *data, size_t size);

/* Ends the program if the condition does not hold. */
void fuzz_check(int condition, const char *what);

#endif
