/* Owns what `edgewise meter run` says of memory: the program's own, the graphics processor's, and what happened to the
 * machine's meanwhile. docs/meters.md, "Memory", explains every line. */
#include "base/text_parts.h"
#include "cli/meter_run_view.h"
#include "insight/words.h"
#include "report/text_table.h"
#include "study/memory_record.h"

#include <math.h>
#include <string.h>

enum { INDENT = 10, TEXT_SIZE = 1536, MOST_TOLD = 5 };

static void say_own(FILE *out, const struct ew_text_style *style, const struct ew_command_once *once) {
    const struct ew_command_window *w = &once->window;
    char text[TEXT_SIZE] = "", size[EW_NUMBER_SIZE], other[EW_NUMBER_SIZE];
    ew_words_size(size, w->peak_pss_bytes);
    ew_words_size(other, w->peak_rss_bytes);
    if (!isnan(w->peak_pss_bytes) && !isnan(w->peak_rss_bytes))
        ew_text_add_part(text, TEXT_SIZE, " · ", "peak %s PSS, %s RSS", size, other);
    else if (!isnan(w->peak_rss_bytes))
        ew_text_add_part(text, TEXT_SIZE, " · ", "peak %s RSS", other);
    ew_words_size(size, w->peak_file_bytes);
    ew_words_size(other, w->peak_anon_bytes);
    if (!isnan(w->peak_file_bytes))
        ew_text_add_part(text, TEXT_SIZE, " · ", "mapped files at most %s, anonymous %s", size, other);
    if (once->most_processes > 1) {
        ew_words_size(size, once->largest_bytes);
        ew_text_add_part(text, TEXT_SIZE, " · ", "%u processes at once, the largest %s", once->most_processes, size);
    }
    ew_words_size(size, w->peak_swap_bytes);
    if (w->peak_swap_bytes > 0) ew_text_add_part(text, TEXT_SIZE, " · ", "%s of it swapped out", size);
    ew_text_add_part(text, TEXT_SIZE, " · ", "%lld page faults, %lld of them read from disk",
                     (long long)(once->minor_faults + once->major_faults), (long long)once->major_faults);
    if (once->left_running > 0)
        ew_text_add_part(text, TEXT_SIZE, " · ", "%u processes that it started may still run", once->left_running);
    ew_text_paragraph(out, style, INDENT, "memory", text);
}

static void say_gpu(FILE *out, const struct ew_text_style *style, const struct ew_meter_run *run,
                    const struct ew_command_once *once) {
    char text[TEXT_SIZE] = "", size[EW_NUMBER_SIZE];
    ew_words_size(size, once->window.peak_gpu_bytes);
    if (!isnan(once->window.peak_gpu_bytes)) ew_text_add_part(text, TEXT_SIZE, " · ", "peak %s on NVIDIA cards", size);
    if (run->gpu_shares_memory)
        ew_text_add_part(
            text, TEXT_SIZE, " · ",
            "shares this memory: what it takes is gone from the available memory, but not always counted in "
            "PSS and RSS");
    if (*text) ew_text_paragraph(out, style, INDENT, "GPU", text);
}

/* Only what is known to be none. */
static void say_quiet(char text[TEXT_SIZE], const struct ew_memory_activity *a) {
    if (a->swapped_in_pages == 0 && a->swapped_out_pages == 0)
        ew_text_add_part(text, TEXT_SIZE, " · ", "nothing was swapped");
    if (a->stalled_us == 0) ew_text_add_part(text, TEXT_SIZE, " · ", "no task waited for memory");
    if (a->limit_bytes >= 0 && a->limit_hits == 0)
        ew_text_add_part(text, TEXT_SIZE, " · ", "the cgroup's limit was not hit");
}

static void say_pressure(FILE *out, const struct ew_text_style *style, const struct ew_memory_activity *a) {
    char text[TEXT_SIZE] = "", words[EW_MEMORY_WORDS_BYTES], size[EW_NUMBER_SIZE], other[EW_NUMBER_SIZE];
    if (ew_memory_activity_words(a, words, sizeof words))
        ew_text_add_part(text, TEXT_SIZE, " · ", "%s", words);
    else
        say_quiet(text, a);
    ew_words_size(size, (double)a->available_before_bytes);
    ew_words_size(other, (double)a->available_after_bytes);
    if (a->available_before_bytes >= 0 && a->available_after_bytes >= 0)
        ew_text_add_part(text, TEXT_SIZE, " · ", "available %s → %s", size, other);
    ew_words_size(size, (double)a->used_after_bytes);
    ew_words_size(other, (double)a->limit_bytes);
    if (a->limit_bytes >= 0 && a->used_after_bytes >= 0)
        ew_text_add_part(text, TEXT_SIZE, " · ", "the cgroup holds %s of %s, cached files included", size, other);
    ew_memory_activity_unknown_words(a, words, sizeof words);
    if (*words) ew_text_add_part(text, TEXT_SIZE, " · ", "not known: %s", words);
    ew_text_paragraph(out, style, INDENT, "pressure", text);
}

void ew_meter_run_print_memory(FILE *out, const struct ew_text_style *style, const struct ew_meter_run *run,
                               const struct ew_command_once *once) {
    say_own(out, style, once);
    say_gpu(out, style, run, once);
    say_pressure(out, style, &once->memory);
}

void ew_meter_run_print_repeats_memory(FILE *out, const struct ew_text_style *style,
                                       const struct ew_command_result *result) {
    size_t counted = 0, told = 0;
    for (size_t i = 0; i < result->n_runs; i++) {
        const struct ew_command_once *once = &result->runs[i];
        char text[TEXT_SIZE], words[EW_MEMORY_WORDS_BYTES];
        counted += !once->warm_up;
        if (ew_memory_activity_flags(&once->memory) == 0 || told == MOST_TOLD) continue;
        ew_memory_activity_words(&once->memory, words, sizeof words);
        if (once->warm_up)
            snprintf(text, sizeof text, "warm-up: %s", words);
        else
            snprintf(text, sizeof text, "run %zu: %s", counted, words);
        ew_text_paragraph(out, style, INDENT, told++ == 0 ? "pressure" : "", text);
    }
}

json_t *ew_meter_run_memory_json(const struct ew_command_once *once) { return ew_memory_record_json(&once->memory); }
