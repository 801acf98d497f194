/* Owns the words and the JSON of edgewise eval. */
#include "cli/eval_view.h"
#include "report/run_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>

void ew_eval_show_progress(size_t done, size_t total, const struct ew_perplexity_sum *sum) {
    fprintf(stderr, "\r%zu of %zu windows · perplexity %.4f ", done, total, ew_perplexity_of(sum).perplexity);
}

void ew_eval_end_progress(void) { fputs("\r\033[K", stderr); }

static void print_error(double error) {
    if (!isnan(error)) printf(" ± %.4f", error);
}

static void print_divergence(const char *reference, const struct ew_divergence *d) {
    printf("against %s:\n", reference);
    printf("  KL divergence     %.5f ± %.5f nats · median %.5f · 90 %% %.5f · 99 %% %.4f · most %.3f\n", d->kl.value,
           d->kl.error, d->kl_median, d->kl_p90, d->kl_p99, d->kl_max);
    printf("  same top token    %.2f ± %.2f %%\n", 100 * d->same_top.value, 100 * d->same_top.error);
    printf("  Δp                %+.3f ± %.3f points · RMS %.3f\n", d->delta_p.value, d->delta_p.error, d->delta_p_rms);
    double ratio = exp(d->log_ratio.value);
    printf("  perplexity        %.4f there · ratio %.4f ± %.4f\n", d->reference_perplexity, ratio,
           ratio * d->log_ratio.error);
}

void ew_eval_print(const struct ew_eval_result *r) {
    const struct ew_perplexity *p = &r->perplexity;
    printf("perplexity %.4f", p->perplexity);
    print_error(p->error);
    if (!isnan(p->error_windows)) printf(" (by windows ± %.4f)", p->error_windows);
    printf(" · %.4f nats a token", p->mean_nll);
    if (!isnan(p->bits_per_byte)) printf(" · %.4f bits a byte", p->bits_per_byte);
    printf("\n%s · %zu tokens · %" PRIu64 " windows of %" PRIu32, r->text, r->n_ids, p->n_windows, r->windows.n_ctx);
    if (r->windows.stride)
        printf(", one every %" PRIu32 " tokens", r->windows.stride);
    else
        fputs(" side by side, second halves", stdout);
    printf(" · %" PRIu64 " tokens scored\n", p->n_tokens);
    if (r->synthetic) puts("synthetic weights: these figures say nothing about a model");
    if (r->reference) print_divergence(r->reference, &r->divergence);
    if (r->saved) printf("reference run kept in %s\n", r->saved);
}

static json_t *mean_json(struct ew_divergence_mean mean) {
    return json_pack("{s:o, s:o}", "value", ew_json_number(mean.value), "error", ew_json_number(mean.error));
}

static json_t *divergence_json(const char *reference, const struct ew_divergence *d) {
    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "model", reference, "tokens",
                     (json_int_t)d->n, "kl", mean_json(d->kl), "kl_median", ew_json_number(d->kl_median), "kl_p90",
                     ew_json_number(d->kl_p90), "kl_p99", ew_json_number(d->kl_p99), "kl_max",
                     ew_json_number(d->kl_max), "same_top", mean_json(d->same_top), "delta_p", mean_json(d->delta_p),
                     "delta_p_rms", ew_json_number(d->delta_p_rms), "perplexity",
                     ew_json_number(d->reference_perplexity), "log_ratio", mean_json(d->log_ratio));
}

static json_t *result_json(const struct ew_eval_result *r) {
    const struct ew_perplexity *p = &r->perplexity;
    json_t *object = json_pack(
        "{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "model", r->model, "text", r->text,
        "synthetic", (int)r->synthetic, "context", (json_int_t)r->windows.n_ctx, "stride",
        (json_int_t)r->windows.stride, "text_tokens", (json_int_t)r->n_ids, "windows", (json_int_t)p->n_windows,
        "tokens", (json_int_t)p->n_tokens, "bytes", (json_int_t)p->n_bytes, "mean_nll", ew_json_number(p->mean_nll),
        "perplexity", ew_json_number(p->perplexity), "error", ew_json_number(p->error), "error_windows",
        ew_json_number(p->error_windows), "bits_per_byte", ew_json_number(p->bits_per_byte));
    if (r->reference) json_object_set_new(object, "reference", divergence_json(r->reference, &r->divergence));
    if (r->saved) json_object_set_new(object, "saved", json_string(r->saved));
    return object;
}

void ew_eval_print_json(const struct ew_eval_result *r) {
    json_t *object = result_json(r);
    json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}

char *ew_eval_json(const struct ew_eval_result *r) {
    json_t *object = result_json(r);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    return text;
}
