/* XXH64 against what the xxHash library gives for the same bytes, at every path: short ends, whole stripes, both. */
#include "base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Bytes i · 167 + 13; values from libxxhash 0.8.1. */
static const struct {
    size_t size;
    uint64_t seed, expected;
} cases[] = {
    {0, 0, 0xef46db3751d8e999u},   {0, 0x9e3779b97f4a7c15u, 0xc4349fc93c010000u},
    {1, 0, 0x2078e1ad38ad738bu},   {1, 0x9e3779b97f4a7c15u, 0xa70e4906c54489b3u},
    {3, 0, 0x634d95fc01a189cdu},   {3, 0x9e3779b97f4a7c15u, 0xbf3ea50ff941639eu},
    {4, 0, 0xeed340908a1ac6c6u},   {4, 0x9e3779b97f4a7c15u, 0x8214ccf4f1ff646eu},
    {7, 0, 0x0da493621d6dc898u},   {7, 0x9e3779b97f4a7c15u, 0x97040f7d586ab641u},
    {8, 0, 0x76f916c7bb523126u},   {8, 0x9e3779b97f4a7c15u, 0x845c3715dc14d7a4u},
    {11, 0, 0x8beae4d88d350b4bu},  {11, 0x9e3779b97f4a7c15u, 0xf563d723b71085a8u},
    {15, 0, 0x4e1c333b057fb6a4u},  {15, 0x9e3779b97f4a7c15u, 0xb3f611e337708f13u},
    {16, 0, 0x7bbeff67699312f6u},  {16, 0x9e3779b97f4a7c15u, 0x83aa57f66088a857u},
    {31, 0, 0x65c5feb01da7464du},  {31, 0x9e3779b97f4a7c15u, 0xc30f7c92c87bbe00u},
    {32, 0, 0x7665c921c9bf2ec7u},  {32, 0x9e3779b97f4a7c15u, 0x8cd72221a4b73388u},
    {33, 0, 0xb5a9d9ef259ae821u},  {33, 0x9e3779b97f4a7c15u, 0x6100099110b4aa0fu},
    {36, 0, 0xde4c0f568d54d497u},  {36, 0x9e3779b97f4a7c15u, 0x0c9bc8453225c720u},
    {63, 0, 0xb0289cd9324034f0u},  {63, 0x9e3779b97f4a7c15u, 0x6f6335738aeca6ddu},
    {64, 0, 0xfff2525c99bf2005u},  {64, 0x9e3779b97f4a7c15u, 0x0ef4dc249a908911u},
    {100, 0, 0x74e502db362efd4cu}, {100, 0x9e3779b97f4a7c15u, 0xec82d18e901957ebu},
    {255, 0, 0xb75387e16b347906u}, {255, 0x9e3779b97f4a7c15u, 0x194c60d44d456aa4u},
    {256, 0, 0x177c0fa58a1b0ddbu}, {256, 0x9e3779b97f4a7c15u, 0x59cf236d36944842u},
};

static void equals_the_library(void **state) {
    (void)state;
    uint8_t bytes[256 + 1];
    for (int shift = 0; shift < 2; shift++) { /* alignment does not matter */
        for (int i = 0; i < 256; i++) bytes[i + shift] = (uint8_t)(i * 167 + 13);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            assert_true(ew_checksum(bytes + shift, cases[i].size, cases[i].seed) == cases[i].expected);
    }
    assert_true(ew_checksum(NULL, 0, 0) == 0xef46db3751d8e999u); /* of the specification */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_the_library)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
