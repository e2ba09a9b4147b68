/*
 * Records as TensorBoard reads them: TFRecord framing (length and masked CRC-32C of each record) of
 * protocol buffers, whose wire format (https://protobuf.dev/programming-guides/encoding) is written
 * by hand, since a handful of fields is all there is.
 *
 * A message is built in an rk_buffer of bytes; a failure stays in the buffer's status.
 */
#ifndef RK_TRAIN_TFRECORD_H
#define RK_TRAIN_TFRECORD_H

#include "base/buffer.h"

/* CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected), as of RFC 3720. */
uint32_t rk__crc32c(const void *bytes, int64_t length);

/* Appends one record: u64 length, its masked CRC, the bytes, theirs; little-endian. */
void rk__tfrecord_add(rk_buffer *out, const rk_buffer *message);

/* Fields of a message by their numbers. */
void rk__proto_int(rk_buffer *out, int field, int64_t value); /* int32, int64, enum, bool */
void rk__proto_double(rk_buffer *out, int field, double value);
void rk__proto_float(rk_buffer *out, int field, float value);
void rk__proto_text(rk_buffer *out, int field, const char *text);
/* A message in a message; `inner` is emptied, and its failure is the outer one's. */
void rk__proto_message(rk_buffer *out, int field, rk_buffer *inner);

#endif
