/* Prints as one JSON object what this machine can do at most, and what work a model asks for: what side_by_side.py and
 * engine_bench.py hold speeds against. Threads are those of the CPUs that it may run on (taskset).
 *
 *   bench_limits [--seconds S] [MODEL [TOKENS@DEPTH…]]
 *
 * --seconds 0 measures nothing. TOKENS@DEPTH: so many tokens at once after so many positions, KV cache in F16. */
#include "base/error.h"
#include "engine/machine_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void) {
    fprintf(stderr, "usage: bench_limits [--seconds S] [MODEL [TOKENS@DEPTH…]]\n");
    return 2;
}

static void print_limits(const struct ew_machine_limits *l) {
    printf("\"threads\": %u, \"read_bytes_per_s\": %.0f, \"int8_ops_per_s\": %.0f, \"f32_ops_per_s\": %.0f, "
           "\"int8_with\": \"%s\", \"f32_with\": \"%s\", \"buffer_bytes\": %zu, \"buffer_is_small\": %s, \"reads\": [",
           l->threads, l->read_bytes_per_s, l->int8_ops_per_s, l->f32_ops_per_s, l->int8_with, l->f32_with,
           l->buffer_bytes, l->buffer_is_small ? "true" : "false");
    for (size_t i = 0; i < l->n_reads; i++)
        printf("%s{\"threads\": %u, \"bytes_per_s\": %.0f}", i ? ", " : "", l->reads[i].threads,
               l->reads[i].bytes_per_s);
    printf("]");
}

static enum ew_status measure(double seconds, struct ew_machine_limits *out, struct ew_error *err) {
    const struct ew_limits_request request = {.budget_s = seconds, .all_in_all_only = true};
    struct ew_machine *machine = NULL;
    enum ew_status status = ew_machine_open("", &machine, err);
    if (status == EW_OK) status = ew_machine_limits_measure(machine, &request, out, err);
    ew_machine_close(&machine);
    return status;
}

static enum ew_status read_work(const char *text, struct ew_work_request *out, struct ew_error *err) {
    int end = 0;
    *out = (struct ew_work_request){.n_tokens = 0};
    if (sscanf(text, "%u@%u%n", &out->n_tokens, &out->depth, &end) != 2 || text[end] || out->n_tokens == 0)
        return ew_error_set(err, EW_ERR_ARGUMENT, "`%s` is not TOKENS@DEPTH", text);
    return EW_OK;
}

static enum ew_status print_work(const char *path, char **list, int n, struct ew_error *err) {
    struct ew_model *model = NULL;
    struct ew_work_request request;
    for (int i = 0; i < n; i++) {
        enum ew_status status = read_work(list[i], &request, err);
        if (status != EW_OK) return status;
    }
    enum ew_status status = ew_model_open(path, &model, err);
    if (status != EW_OK) return status;
    printf("\"weights_bytes\": %llu, \"work\": [", (unsigned long long)ew_model_info(model).weights_bytes);
    for (int i = 0; i < n; i++) {
        read_work(list[i], &request, NULL);
        struct ew_model_work work = ew_model_work_of(model, &request);
        printf("%s{\"tokens\": %u, \"depth\": %u, \"bytes\": %.0f, \"int8_ops\": %.0f, \"float_ops\": %.0f}",
               i ? ", " : "", request.n_tokens, request.depth, work.bytes, work.int8_ops, work.float_ops);
    }
    printf("]");
    ew_model_close(&model);
    return EW_OK;
}

int main(int argc, char **argv) {
    double seconds = 1;
    int at = 1;
    char *end = NULL;
    if (argc > 1 && strcmp(argv[1], "--seconds") == 0) {
        seconds = argc > 2 ? strtod(argv[2], &end) : -1;
        if (!end || end == argv[2] || *end || !(seconds >= 0 && seconds <= 3600)) return usage();
        at = 3;
    }
    if (at < argc && argv[at][0] == '-') return usage();
    struct ew_error err = {0};
    struct ew_machine_limits limits;
    enum ew_status status = seconds > 0 ? measure(seconds, &limits, &err) : EW_OK;
    printf("{");
    if (status == EW_OK && seconds > 0) print_limits(&limits);
    if (status == EW_OK && seconds > 0 && at < argc) printf(", ");
    if (status == EW_OK && at < argc) status = print_work(argv[at], argv + at + 1, argc - at - 1, &err);
    printf("}\n");
    if (status == EW_OK) return EXIT_SUCCESS;
    fprintf(stderr, "bench_limits: %s\n", err.message);
    return EXIT_FAILURE;
}
