/* Decoders and encoders against files that llama.cpp quantized from a source we also have: what a decoder gives must
 * lie as far from the source as ../shared/conformance/quantization-error.json says, and an encoder of ours must come at
 * least as near. Skipped without the shared folder. */
#include "edgewise/quantize.h"
#include "gguf/gguf_read.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_ROW = 4096 };

static struct ew_gguf *open_shared(const char *name) {
    const char *dir = getenv("EW_SHARED_DIR");
    char path[4096];
    struct ew_gguf *gguf = NULL;
    struct ew_error err;
    snprintf(path, sizeof path, "%s/%s", dir ? dir : ".", name);
    enum ew_status status = ew_gguf_open(path, &gguf, &err);
    if (status == EW_ERR_NOT_FOUND) {
        printf("skipped: %s is not there\n", path);
        skip();
    }
    if (status != EW_OK) fail_msg("%s", err.message);
    return gguf;
}

struct error_sum {
    double error, reference;
};

static void add_errors(struct error_sum *sum, const float *x, const float *reference, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)reference[i];
        sum->error += d * d;
        sum->reference += (double)reference[i] * (double)reference[i];
    }
}

/* Root of the squared error over the squared values, of all matrices of `type` in the quantized file against the
 * source; re-encoded with our encoder when `encode`. */
static double relative_rmse(const char *file, enum ew_type type, bool encode) {
    struct ew_gguf *source = open_shared("conformance/llama-256-f32.gguf");
    struct ew_gguf *quantized = open_shared(file);
    static float x[MAX_ROW], reference[MAX_ROW];
    static uint8_t bytes[MAX_ROW * 4];
    struct error_sum sum = {0};
    for (size_t i = 0; i < ew_gguf_n_tensors(quantized); i++) {
        const struct ew_gguf_tensor *tensor = ew_gguf_tensor_at(quantized, i);
        if (tensor->type != (uint32_t)type || tensor->n_dims < 2) continue;
        char name[80];
        const struct ew_gguf_tensor *twin =
            ew_gguf_find_tensor(source, ew_gguf_print_string(tensor->name, name, sizeof name));
        assert_non_null(twin);
        size_t n = (size_t)tensor->ne[0], row_bytes = ew_type_row_bytes(tensor->type, n);
        assert_true(n <= MAX_ROW);
        for (size_t row = 0; row < tensor->ne[1]; row++) {
            const uint8_t *data = tensor->data + row * row_bytes;
            memcpy(reference, twin->data + row * n * sizeof *reference, n * sizeof *reference);
            if (encode) {
                assert_int_equal(ew_quantize_row(type, reference, n, bytes, NULL), EW_OK);
                data = bytes;
            }
            assert_int_equal(ew_dequantize_row(type, data, n, x, NULL), EW_OK);
            add_errors(&sum, x, reference, n);
        }
    }
    ew_gguf_close(&source);
    ew_gguf_close(&quantized);
    assert_true(sum.reference > 0);
    return sqrt(sum.error / sum.reference);
}

/* Figures of quantization-error.json, file by file. */
static const struct {
    const char *file;
    enum ew_type type;
    double published;
} cases[] = {
    {"conformance/llama-256-q8_0.gguf", EW_TYPE_Q8_0, 0.005352574750571834},
    {"conformance/llama-256-q4_0.gguf", EW_TYPE_Q4_0, 0.08572636258697307},
    {"conformance/llama-256-q4_0.gguf", EW_TYPE_Q6_K, 0.017763603367985586},
    {"conformance/llama-256-q4_k_m.gguf", EW_TYPE_Q4_K, 0.0713523450984186},
    {"conformance/llama-256-q4_k_m.gguf", EW_TYPE_Q6_K, 0.01774864714038634},
    {"conformance/llama-256-q5_k_m.gguf", EW_TYPE_Q6_K, 0.01774864714038634},
    {"conformance/llama-256-q5_k_m.gguf", EW_TYPE_Q5_K, 0.0361193741079274},
    {"conformance/llama-256-q6_k.gguf", EW_TYPE_Q6_K, 0.017723854484941574},
    {"conformance/llama-256-q4_1.gguf", EW_TYPE_Q4_1, 0.07806443503219661},
    {"conformance/llama-256-q5_0.gguf", EW_TYPE_Q5_0, 0.04261988507215145},
    {"conformance/llama-256-q5_1.gguf", EW_TYPE_Q5_1, 0.037779511154229665},
    {"conformance/llama-256-q2_k.gguf", EW_TYPE_Q2_K, 0.2959016508063348},
    {"conformance/llama-256-q2_k.gguf", EW_TYPE_Q3_K, 0.15052250334654507},
    {"conformance/llama-256-q3_k_m.gguf", EW_TYPE_Q3_K, 0.15088625004809653},
    {"conformance/llama-256-q3_k_m.gguf", EW_TYPE_Q4_K, 0.07121435542847476},
    {"conformance/llama-256-q3_k_m.gguf", EW_TYPE_Q5_K, 0.03603740241792904},
    {"conformance/llama-256-iq4_nl.gguf", EW_TYPE_IQ4_NL, 0.07614821247615206},
    {"conformance/llama-256-iq4_xs.gguf", EW_TYPE_IQ4_XS, 0.07674092814179555},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void decoded_files_are_as_far_from_their_source_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        double got = relative_rmse(cases[i].file, cases[i].type, false);
        printf("%-36s %-5s decoded %.6f published %.6f\n", cases[i].file, ew_type_traits(cases[i].type)->name, got,
               cases[i].published);
        assert_true(fabs(got / cases[i].published - 1) < 1e-4);
    }
}

/* Prints the rows of the table in docs/quantize.md. A millionth is for the sums of another program; Q8_0 is theirs to
 * the byte. */
static void encoders_come_at_least_as_near_as_the_published_ones(void **state) {
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        double got = relative_rmse(cases[i].file, cases[i].type, true);
        printf("| %s | %s | %.5f | %.5f | %+.2f %% |\n", cases[i].file + strlen("conformance/llama-256-"),
               ew_type_traits(cases[i].type)->name, cases[i].published, got, 100 * (got / cases[i].published - 1));
        assert_true(got <= cases[i].published * 1.000001);
    }
}

/* A trained model that its publisher offers in F16 and in Q8_0. Rounding to steps of peak / 127 errs by at most half a
 * step and the F16 rounding of the scale (2^-11 of the value). Our encoder gives the publisher's bytes: halves go away
 * from zero there, too. */
static void a_published_q8_0_model_is_its_f16_twin_encoded(void **state) {
    (void)state;
    struct ew_gguf *f16 = open_shared("data/models/TinyStories-656K/TinyStories-656K.f16.gguf");
    struct ew_gguf *q8 = open_shared("data/models/TinyStories-656K/TinyStories-656K-Q8_0.gguf");
    static float x[MAX_ROW], reference[MAX_ROW];
    static uint8_t encoded[MAX_ROW / 32 * 34];
    size_t n_compared = 0;
    for (size_t i = 0; i < ew_gguf_n_tensors(q8); i++) {
        const struct ew_gguf_tensor *b = ew_gguf_tensor_at(q8, i);
        char name[80];
        const struct ew_gguf_tensor *a = ew_gguf_find_tensor(f16, ew_gguf_print_string(b->name, name, sizeof name));
        if (!a || a->type != EW_TYPE_F16 || b->type != EW_TYPE_Q8_0) continue;
        size_t n = (size_t)a->ne[0];
        assert_true(n <= MAX_ROW && b->ne[0] == a->ne[0] && b->ne[1] == a->ne[1]);
        for (size_t row = 0; row < a->ne[1]; row++) {
            ew_dequantize_row(EW_TYPE_F16, a->data + row * ew_type_row_bytes(a->type, n), n, reference, NULL);
            ew_dequantize_row(EW_TYPE_Q8_0, b->data + row * ew_type_row_bytes(b->type, n), n, x, NULL);
            ew_quantize_row(EW_TYPE_Q8_0, reference, n, encoded, NULL);
            assert_memory_equal(encoded, b->data + row * ew_type_row_bytes(b->type, n), n / 32 * 34);
            for (size_t block = 0; block < n; block += 32) {
                float peak = 0;
                for (size_t k = block; k < block + 32; k++) peak = fmaxf(peak, fabsf(reference[k]));
                for (size_t k = block; k < block + 32; k++)
                    assert_true(fabsf(x[k] - reference[k]) <= peak * (0.5f / 127 + 0x1p-10f));
            }
        }
        n_compared++;
    }
    ew_gguf_close(&f16);
    ew_gguf_close(&q8);
    assert_true(n_compared > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoded_files_are_as_far_from_their_source_as_published),
        cmocka_unit_test(encoders_come_at_least_as_near_as_the_published_ones),
        cmocka_unit_test(a_published_q8_0_model_is_its_f16_twin_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
