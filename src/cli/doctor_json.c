/* Owns the JSON form of `edgewise doctor`; docs/doctor.md lists its members. Unknown is null, and shapes never change
 * with what was found. */
#include "cli/doctor_view.h"
#include "cli/meter_json.h"
#include "machine/cpu_features.h"

#include <math.h>
#include <string.h>

static json_t *number(double value) { return ew_meter_json_number(value); }
static json_t *text(const char *value) { return value[0] ? ew_meter_json_text(value) : json_null(); }
static json_t *count(int64_t value) { return value >= 0 ? json_integer(value) : json_null(); }
static json_t *per_s(double value) { return value > 0 ? number(value) : json_null(); }

static json_t *features(uint64_t mask) {
    char names[200];
    ew_cpu_features_text(mask, names, sizeof names);
    json_t *list = json_array();
    for (char *word = strtok(names, " "); word; word = strtok(NULL, " "))
        json_array_append_new(list, json_string(word));
    return list;
}

static json_t *machine_json(const struct ew_doctor_visit *v) {
    const struct ew_machine *m = v->machine;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:b}", "board",
                     text(m->board), "processor", text(m->cpu_model), "architecture", text(m->architecture), "features",
                     features(v->facts.features), "kernel", text(m->kernel), "os", text(m->os), "firmware",
                     text(m->firmware), "hypervisor", text(m->hypervisor), "sockets", m->packages, "cores", m->cores,
                     "cpus", m->threads, "kinds", m->kinds, "usable_cpus", m->usable, "quota_cpus", number(m->quota),
                     "power_mode", text(m->power_mode), "recorded", (int)v->facts.recorded);
}

static json_t *cpus_json(const struct ew_machine *m) {
    json_t *list = json_array();
    for (size_t i = 0; i < m->n_cpus; i++) {
        const struct ew_machine_cpu *c = &m->cpus[i];
        json_array_append_new(
            list, json_pack("{s:i, s:i, s:i, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", c->id, "core",
                            c->core, "thread_of_core", c->smt, "kind", c->kind, "usable", (int)c->usable, "model",
                            text(c->model[0] ? c->model : m->cpu_model), "governor", text(c->governor), "preference",
                            text(c->preference), "min_mhz", number(c->min_mhz), "max_mhz", number(c->max_mhz),
                            "hardware_max_mhz", number(c->hardware_max_mhz), "now_mhz", number(c->now_mhz)));
    }
    return list;
}

static json_t *memory_json(const struct ew_machine_memory *m) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "total_bytes", count(m->total_bytes), "available_bytes",
                     count(m->available_bytes), "swap_total_bytes", count(m->swap_total_bytes), "swap_free_bytes",
                     count(m->swap_free_bytes), "zram_bytes", count(m->zram_bytes), "cgroup_limit_bytes",
                     count(m->cgroup_limit_bytes), "cgroup_used_bytes", count(m->cgroup_used_bytes));
}

static json_t *state_json(const struct ew_doctor_visit *v) {
    const struct ew_doctor_facts *f = &v->facts;
    const struct ew_machine_throttle *t = &v->machine->throttle;
    char flags[256];
    ew_machine_pi_flags_text(t->pi_flags, flags, sizeof flags);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "driver",
                     text(v->tuning.driver), "boost", v->tuning.boost < 0 ? json_null() : json_boolean(v->tuning.boost),
                     "on_battery", v->tuning.on_battery < 0 ? json_null() : json_boolean(v->tuning.on_battery),
                     "temperature_c", number(ew_machine_cpu_temperature_c(v->machine)), "slows_at_c",
                     number(v->tuning.slows_at_c), "core_throttle_events", count(t->core_events),
                     "package_throttle_events", count(t->package_events), "throttled_while_measuring",
                     count(f->throttled_by), "pi_flags", count(t->pi_flags), "pi_flags_text", text(flags),
                     "load_average_1min", number(f->load_1min), "other_processes_cpus", number(f->others_cpus),
                     "steal_share", number(f->steal));
}

static json_t *meters_json(const struct ew_doctor_visit *v) {
    json_t *list = json_array();
    for (size_t i = 0; i < v->facts.n_meters; i++) {
        json_t *o = ew_meter_json_info(v->meters[i].info);
        json_object_set_new(o, "auto", json_boolean(v->meters[i].is_auto));
        json_object_set_new(o, "now", number(v->meters[i].now));
        json_object_set_new(o, "calibration_kept", text(v->meters[i].calibration));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *limits_json(const struct ew_doctor_visit *v) {
    const struct ew_machine_limits *l = v->facts.limits;
    if (!l) return json_null();
    const char *source = "";
    double theory = ew_doctor_memory_theory(v->machine->board, &source);
    json_t *reads = json_array(), *kinds = json_array();
    for (size_t i = 0; i < l->n_reads; i++)
        json_array_append_new(reads, json_pack("{s:i, s:o}", "threads", (int)l->reads[i].threads, "bytes_per_s",
                                               per_s(l->reads[i].bytes_per_s)));
    for (size_t i = 0; i < l->n_kinds; i++)
        json_array_append_new(kinds, json_pack("{s:i, s:i, s:o, s:o, s:o}", "kind", l->kinds[i].kind, "cpu",
                                               l->kinds[i].cpu, "read_bytes_per_s", per_s(l->kinds[i].read_bytes_per_s),
                                               "int8_ops_per_s", per_s(l->kinds[i].int8_ops_per_s), "f32_ops_per_s",
                                               per_s(l->kinds[i].f32_ops_per_s)));
    return json_pack("{s:o, s:i, s:o, s:o, s:o, s:i, s:s, s:s, s:o, s:o, s:I, s:b, s:f}", "read_bytes_per_s",
                     per_s(l->read_bytes_per_s), "read_threads", (int)l->read_threads, "theory_bytes_per_s",
                     number(theory), "int8_ops_per_s", per_s(l->int8_ops_per_s), "f32_ops_per_s",
                     per_s(l->f32_ops_per_s), "threads", (int)l->threads, "int8_with", l->int8_with, "f32_with",
                     l->f32_with, "reads", reads, "kinds", kinds, "buffer_bytes", (json_int_t)l->buffer_bytes,
                     "buffer_is_small", (int)l->buffer_is_small, "seconds", l->seconds);
}

static json_t *speed_json(const struct ew_doctor_model *m, const struct ew_doctor_speed *s) {
    return json_pack("{s:i, s:b, s:i, s:{s:f, s:f, s:f, s:o}, s:{s:f, s:f, s:f, s:o}}", "threads", (int)s->threads,
                     "is_default", (int)(s->threads == m->default_threads), "runs", (int)s->n, "prefill",
                     "median_per_s", s->prefill_per_s, "low", s->prefill_low, "high", s->prefill_high, "of_limit",
                     number(s->prefill_per_s / m->prefill_limit_per_s), "decode", "median_per_s", s->decode_per_s,
                     "low", s->decode_low, "high", s->decode_high, "of_limit",
                     number(s->decode_per_s / m->decode_limit_per_s));
}

static json_t *model_json(const struct ew_doctor_visit *v) {
    const struct ew_doctor_model *m = v->facts.model;
    if (!m) return json_null();
    json_t *speeds = json_array();
    for (size_t i = 0; i < m->n_speeds; i++) json_array_append_new(speeds, speed_json(m, &m->speeds[i]));
    return json_pack("{s:o, s:o, s:b, s:I, s:I, s:i, s:i, s:o, s:o, s:o, s:o}", "name", text(m->name), "type",
                     text(m->type), "synthetic", (int)m->synthetic, "weights_bytes", (json_int_t)m->weights_bytes,
                     "needed_bytes", (json_int_t)m->needed_bytes, "prompt_tokens", (int)m->prompt_tokens,
                     "generate_tokens", (int)m->generate_tokens, "prefill_limit_per_s", number(m->prefill_limit_per_s),
                     "decode_limit_per_s", number(m->decode_limit_per_s), "kernels", text(m->kernels), "speeds",
                     speeds);
}

static json_t *findings_json(const struct ew_doctor_findings *findings) {
    json_t *list = json_array();
    for (size_t i = 0; i < findings->n; i++) {
        const struct ew_doctor_finding *f = &findings->at[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:s, s:o}", "id", f->id, "topic", f->topic,
                                              "severity", ew_doctor_severity_name(f->severity), "found",
                                              ew_meter_json_text(f->found), "why", f->why, "remedy", text(f->remedy)));
    }
    return list;
}

bool ew_doctor_print_json(const struct ew_doctor_visit *v, FILE *out) {
    json_t *root =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f}", "format", "edgewise-doctor-1",
                  "machine", machine_json(v), "cpus", cpus_json(v->machine), "memory", memory_json(&v->machine->memory),
                  "state", state_json(v), "meters", meters_json(v), "energy_none",
                  v->facts.energy_none ? ew_meter_json_text(v->facts.energy_none) : json_null(), "limits",
                  limits_json(v), "model", model_json(v), "model_none", text(v->model_none), "findings",
                  findings_json(&v->findings), "seconds", v->seconds);
    return ew_meter_json_print(root, true, out);
}
