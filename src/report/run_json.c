/* See run_json.h. */
#include "report/run_json.h"

#include "machine/memory_activity.h"
#include "report/text_table.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

json_t *ew_json_text(const char *text) {
    if (!text) return json_null();
    json_t *value = json_string(text);
    if (value) return value;
    char *clean = ew_text_clean(text); /* not UTF-8 */
    value = clean ? json_string(clean) : NULL;
    free(clean);
    return value;
}

json_t *ew_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

json_t *ew_json_integer(int64_t value) { return value == EW_MISSING ? json_null() : json_integer(value); }

json_t *ew_json_time(int64_t unix_ns) {
    if (unix_ns == EW_MISSING) return json_null();
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm parts;
    char text[64];
    if (!gmtime_r(&seconds, &parts) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)) return json_null();
    return json_string(text);
}

json_t *ew_run_json(const struct ew_insight *insight, size_t run_index) {
    const struct ew_insight_run *run = &insight->runs[run_index];
    const struct ew_insight_config *config = &insight->configs[run->config];
    const struct ew_trial_record *trial = run->trial;
    json_t *flags = json_array();
    if (run->swapped) json_array_append_new(flags, json_string("swapped"));
    if (run->memory_flags & EW_MEMORY_STALLED) json_array_append_new(flags, json_string("stalled for memory"));
    if (run->memory_flags & EW_MEMORY_LIMIT) json_array_append_new(flags, json_string("memory limit hit"));
    if (run->memory_flags & EW_MEMORY_REREAD) json_array_append_new(flags, json_string("files read again"));
    if (run->crowded) json_array_append_new(flags, json_string("crowded"));
    if (run->throttled) json_array_append_new(flags, json_string("throttled"));
    if (run->meter_lost) json_array_append_new(flags, json_string("meter lost"));
    if (run->begun_again) json_array_append_new(flags, json_string("begun again"));
    for (int m = 0; m < EW_MEASURES; m++)
        if (run->outlier & 1u << m)
            json_array_append_new(flags, json_sprintf("%s stands apart", ew_measure_info((enum ew_measure)m)->head));
    bool has_energy = run->energy && run->energy->grade != EW_GRADE_NONE;
    json_t *out =
        json_pack("{s:I, s:I, s:o, s:b, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)trial->id,
                  "configuration", (json_int_t)config->record->id, "label", ew_json_text(config->label), "synthetic",
                  config->model->synthetic, "repetition", (json_int_t)trial->repeat + 1, "order",
                  (json_int_t)trial->position, "outcome", ew_trial_status_name(trial->status), "reason",
                  ew_json_text(trial->reason), "started", ew_json_time(trial->started_unix_ns), "flags", flags,
                  "energy_grade", has_energy ? json_string(ew_trust_grade_name(run->energy->grade)) : json_null(),
                  "kernels", ew_json_text(trial->kernels));
    const struct ew_trial_conditions *k = &trial->conditions;
    json_t *around =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "page_cache",
                  ew_json_text(ew_cache_state_name(run->cache)), "gpu_peak_bytes",
                  ew_json_integer(trial->gpu_peak_bytes), "memory_pressure", ew_json_text(run->memory_words),
                  "others_share", ew_json_number(k->others_share), "stolen_share", ew_json_number(k->stolen_share),
                  "start_c", ew_json_number(k->start_c), "end_c", ew_json_number(k->end_c), "gate",
                  ew_json_text(k->gate), "gate_waited_s", ew_json_number(k->gate ? k->gate_waited_s : NAN), "notes",
                  ew_json_text(k->notes), "drafted", ew_json_integer(trial->drafts.drafted), "accepted",
                  ew_json_integer(trial->drafts.accepted), "draft_passes", ew_json_integer(trial->drafts.passes));
    if (out && around) json_object_update(out, around);
    json_decref(around);
    for (int m = 0; out && m < EW_MEASURES; m++)
        if (json_object_set_new(out, ew_measure_info((enum ew_measure)m)->key, ew_json_number(run->value[m])) != 0) {
            json_decref(out);
            out = NULL;
        }
    return out;
}
