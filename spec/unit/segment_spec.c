/* v5 segments (v5 section 2.2). The golden ones are from Cassandra 5.0. */
#include "protocol/segment.h"

#include <zlib.h>

#include "base/random.h"
#include "support/bytes.h"

/* RESULT of kind SET_KEYSPACE "cap5" on stream 5. */
#define SET_KEYSPACE_FRAME "85 00 0005 08 0000000A  00000003 0004'cap5'"
#define SET_KEYSPACE_SEGMENT "130002 EEABA7 " SET_KEYSPACE_FRAME " BD2AAFFD"
/* A request with a keyspace and a time, as it was sent and answered. */
#define QUERY_SEGMENT \
    "2F0002 ACF306  05 00 000B 07 00000026  00000012 'SELECT id FROM alt' 0001 00000180 0004'cap5' 6553F100  E857CACC"

static int decode(struct cqlua_slice segment, struct segment_header *header)
{
    const uint8_t *at = segment.base;
    int error = segment_header_decode(at, false, header);
    if (error != 0) return error;
    if (header->payload + SEGMENT_HEADER + SEGMENT_TRAILER != segment.len) return CQLUA_EPROTOCOL;
    return segment_trailer_check(at + SEGMENT_HEADER + header->payload, at + SEGMENT_HEADER, header->payload);
}

static void C3_v5_segments_of_a_server_are_accepted(void **state)
{
    (void)state;
    static const char *const segments[] = {SET_KEYSPACE_SEGMENT, QUERY_SEGMENT};
    for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
        struct cqlua_slice segment = hex(segments[i]);
        struct segment_header header;
        assert_int_equal(decode(segment, &header), 0);
        assert_true(header.is_self_contained);
    }
}

static void C3_v5_segments_are_written_as_a_server_writes_them(void **state)
{
    (void)state;
    struct cqlua_slice frame = hex(SET_KEYSPACE_FRAME);
    uint8_t segment[SEGMENT_HEADER + 19 + SEGMENT_TRAILER];
    assert_int_equal(frame.len, 19);
    segment_header_encode(segment, false, &(struct segment_header){19, true, 0});
    memcpy(segment + SEGMENT_HEADER, frame.base, frame.len);
    segment_trailer_encode(segment + SEGMENT_HEADER + 19, frame.base, frame.len);
    assert_hex(slice(segment, sizeof segment), SET_KEYSPACE_SEGMENT);
}

/* 17 bits of length, one of "self-contained", little-endian. */
static void C3_v5_headers_come_back_as_they_were(void **state)
{
    (void)state;
    for (uint32_t payload = 0; payload <= SEGMENT_PAYLOAD_MAX; payload++)
        for (int self_contained = 0; self_contained < 2; self_contained++) {
            uint8_t bytes[SEGMENT_HEADER];
            struct segment_header header;
            segment_header_encode(bytes, false, &(struct segment_header){payload, self_contained, 0});
            assert_int_equal(segment_header_decode(bytes, false, &header), 0);
            assert_int_equal(header.payload, payload);
            assert_int_equal(header.is_self_contained, self_contained);
        }
}

/* The definition: bit by bit, with the start value and the polynomial of the specification. */
static uint32_t crc24_by_bits(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0x875060;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 16;
        for (int bit = 0; bit < 8; bit++) {
            crc <<= 1;
            if (crc & 0x1000000) crc ^= 0x1974F0B;
        }
    }
    return crc;
}

static void C3_v5_crc24_is_that_of_the_specification(void **state)
{
    (void)state;
    uint8_t bytes[8];
    struct random random = {1};
    for (int i = 0; i < 20000; i++) {
        size_t len = random_below(&random, sizeof bytes + 1);
        for (size_t j = 0; j < len; j++) bytes[j] = (uint8_t)random_next(&random);
        assert_int_equal(crc24(bytes, len), crc24_by_bits(bytes, len));
    }
}

static void C3_v5_crc32_is_seeded_as_the_specification_says(void **state)
{
    (void)state;
    struct random random = {2};
    uint8_t bytes[4 + 300] = {0xFA, 0x2D, 0x55, 0xCA};
    for (size_t len = 0; len <= 300; len++) {
        if (len > 0) bytes[3 + len] = (uint8_t)random_next(&random);
        assert_int_equal(crc32_of_payload(bytes + 4, len), crc32(0, bytes, (unsigned)(4 + len)));
    }
    assert_int_equal(crc32_of_payload(NULL, 0), crc32(0, bytes, 4));
}

static void C3_v5_every_flipped_bit_of_a_segment_is_found(void **state)
{
    (void)state;
    struct cqlua_slice good = hex(QUERY_SEGMENT);
    for (size_t bit = 0; bit < good.len * 8; bit++) {
        struct cqlua_slice bad = copy_of(good);
        struct segment_header header;
        ((uint8_t *)(uintptr_t)bad.base)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(decode(bad, &header), CQLUA_EPROTOCOL);
    }
}

/* With a right CRC24, which a header of garbage has one time in 16 million. */
static void C3_v5_reserved_bits_of_a_header_are_refused(void **state)
{
    (void)state;
    for (int bit = 18; bit < 24; bit++) {
        uint32_t bits = 100 | 1u << 17 | 1u << bit;
        uint8_t bytes[SEGMENT_HEADER] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16)};
        uint32_t crc = crc24(bytes, 3);
        for (int i = 0; i < 3; i++) bytes[3 + i] = (uint8_t)(crc >> 8 * i);
        struct segment_header header;
        assert_int_equal(segment_header_decode(bytes, false, &header), CQLUA_EPROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(C3_v5_segments_of_a_server_are_accepted),
        cmocka_unit_test(C3_v5_segments_are_written_as_a_server_writes_them),
        cmocka_unit_test(C3_v5_headers_come_back_as_they_were),
        cmocka_unit_test(C3_v5_crc24_is_that_of_the_specification),
        cmocka_unit_test(C3_v5_crc32_is_seeded_as_the_specification_says),
        cmocka_unit_test(C3_v5_every_flipped_bit_of_a_segment_is_found),
        cmocka_unit_test(C3_v5_reserved_bits_of_a_header_are_refused),
    };
    return cmocka_run_group_tests_name("segment", tests, NULL, bytes_free_all);
}
