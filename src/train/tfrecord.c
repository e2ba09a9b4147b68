#include "train/tfrecord.h"

#include <string.h>

/* Kinds of fields on the wire. */
enum { VARINT = 0, FIXED_64 = 1, BYTES = 2, FIXED_32 = 5 };

/* ---- framing ---- */

uint32_t rk__crc32c(const void *bytes, int64_t length)
{
    const unsigned char *at = bytes;
    uint32_t crc = UINT32_MAX;
    for (int64_t i = 0; i < length; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) { /* some hundred bytes an epoch need no table */
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0);
        }
    }
    return ~crc;
}

/* A checksum of bytes that hold checksums: rotated and shifted, as TFRecord has it. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

static void add_fixed(rk_buffer *out, uint64_t value, int bytes)
{
    char text[8];
    for (int i = 0; i < bytes; i++) {
        text[i] = (char)(value >> (8 * i) & 0xff);
    }
    rk__buffer_add_bytes(out, text, bytes);
}

void rk__tfrecord_add(rk_buffer *out, const rk_buffer *message)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)((uint64_t)message->length >> (8 * i) & 0xff);
    }
    if (message->status != RK_OK) {
        out->status = message->status;
        return;
    }
    rk__buffer_add_bytes(out, (const char *)length, 8);
    add_fixed(out, masked(rk__crc32c(length, 8)), 4);
    rk__buffer_add_bytes(out, message->at, message->length);
    add_fixed(out, masked(rk__crc32c(message->at, message->length)), 4);
}

/* ---- fields ---- */

static void add_varint(rk_buffer *out, uint64_t value)
{
    char text[10];
    int n = 0;
    do {
        text[n++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    rk__buffer_add_bytes(out, text, n);
}

static void add_tag(rk_buffer *out, int field, int kind)
{
    add_varint(out, (uint64_t)field << 3 | (uint64_t)kind);
}

void rk__proto_int(rk_buffer *out, int field, int64_t value)
{
    add_tag(out, field, VARINT);
    add_varint(out, (uint64_t)value);
}

void rk__proto_double(rk_buffer *out, int field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    add_tag(out, field, FIXED_64);
    add_fixed(out, bits, 8);
}

void rk__proto_float(rk_buffer *out, int field, float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    add_tag(out, field, FIXED_32);
    add_fixed(out, bits, 4);
}

void rk__proto_text(rk_buffer *out, int field, const char *text)
{
    const size_t length = strlen(text);
    add_tag(out, field, BYTES);
    add_varint(out, length);
    rk__buffer_add_bytes(out, text, (int64_t)length);
}

void rk__proto_message(rk_buffer *out, int field, rk_buffer *inner)
{
    if (inner->status != RK_OK) {
        out->status = inner->status;
    }
    add_tag(out, field, BYTES);
    add_varint(out, (uint64_t)inner->length);
    rk__buffer_add_bytes(out, inner->at ? inner->at : "", inner->length);
    rk__buffer_free(inner);
}
