#include "data/power_law.h"

#include "base/alloc.h"

__extension__ typedef unsigned __int128 wide;

uint64_t rk__fixed_log2(uint64_t n)
{
    RK_ASSERT(n > 0);
    int whole = 63 - __builtin_clzll(n);
    uint64_t x = n << (63 - whole), result = (uint64_t)whole << RK_FIXED_BITS; /* x: 1/2^63, 1..2 */
    /* Squaring doubles the logarithm; its bits come out one by one. */
    for (int bit = RK_FIXED_BITS - 1; bit >= 0; bit--) {
        wide square = (wide)x * x >> 63;
        if (square >> 64) {
            square >>= 1;
            result |= (uint64_t)1 << bit;
        }
        x = (uint64_t)square;
    }
    return result;
}

uint64_t rk__fixed_exp2_minus(uint64_t y)
{
    /* 2^-(2^-k) in 1/2^64 for k = 1..32 */
    static const uint64_t roots[RK_FIXED_BITS] = {
        0xb504f333f9de6484, 0xd744fccad69d6af4, 0xeac0c6e7dd24392e, 0xf5257d152486cc2c,
        0xfa83b2db722a033a, 0xfd3e0c0cf486c174, 0xfe9e115c7b8f884b, 0xff4ecb59511ec8a5,
        0xffa756521c8daed1, 0xffd3a751c0f7e10b, 0xffe9d2b2f7db2755, 0xfff4e91bff1b8c3d,
        0xfffa747ea0040664, 0xfffd3a3b7814eb53, 0xfffe9d1cc60ddab1, 0xffff4e8e25879bfa,
        0xffffa7470363f451, 0xffffd3a37dda0313, 0xffffe9d1bdf703ae, 0xfffff4e8debe025e,
        0xfffffa746f4fa150, 0xfffffd3a37a3f8b0, 0xfffffe9d1bd1065a, 0xffffff4e8de845ad,
        0xffffffa746f41376, 0xffffffd3a37a05e3, 0xffffffe9d1bd01fb, 0xfffffff4e8de80c0,
        0xfffffffa746f4050, 0xfffffffd3a37a024, 0xfffffffe9d1bd011, 0xffffffff4e8de808,
    };
    uint64_t whole = y >> RK_FIXED_BITS, x = (uint64_t)1 << 63;
    for (int k = 0; k < RK_FIXED_BITS; k++) {
        if (y >> (RK_FIXED_BITS - 1 - k) & 1) {
            x = (uint64_t)((wide)x * roots[k] >> 64);
        }
    }
    uint64_t result = whole < RK_FIXED_BITS ? x >> (63 - RK_FIXED_BITS) >> whole : 0;
    return result > 0 ? result : 1;
}

uint64_t rk__fixed_power(uint64_t rank, uint64_t exponent)
{
    wide y = (wide)rk__fixed_log2(rank) * exponent >> RK_FIXED_BITS;
    uint64_t most = (uint64_t)64 << RK_FIXED_BITS; /* 2^-64 is 1/2^32 already */
    return rk__fixed_exp2_minus(y < most ? (uint64_t)y : most);
}

rk_status rk__draw_table_create(rk_draw_table *table, const uint64_t *weights, int64_t n)
{
    rk_status status = RK_OK;
    *table = (rk_draw_table){.n = n};
    RK_ASSERT(n > 0 && n <= INT32_MAX);
    RK_TRY_GOTO(done, rk__alloc(&table->ends, n, sizeof(uint64_t), "running sums of weights"));
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        table->ends[i] = sum += weights[i];
    }
    while ((sum - 1) >> table->guide_shift >= 2 * (uint64_t)n) {
        table->guide_shift++;
    }
    int64_t cells = (int64_t)((sum - 1) >> table->guide_shift) + 1;
    RK_TRY_GOTO(done, rk__alloc(&table->guide, cells, sizeof(int32_t), "a guide table"));
    int32_t index = 0;
    for (int64_t c = 0; c < cells; c++) {
        while (table->ends[index] <= (uint64_t)c << table->guide_shift) {
            index++;
        }
        table->guide[c] = index;
    }
done:
    if (status != RK_OK) {
        rk__draw_table_free(table);
    }
    return status;
}

void rk__draw_table_free(rk_draw_table *table)
{
    rk__free(table->ends);
    rk__free(table->guide);
    *table = (rk_draw_table){0};
}
