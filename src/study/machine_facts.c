/* Owns how src/machine's facts are written down. The fingerprint leaves out whatever an update or a reboot changes. */
#include "study/machine_facts.h"
#include "base/error.h"
#include "machine/cpu_features.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }
static json_t *text(const char *value) { return *value ? json_string(value) : json_null(); }
static json_t *count(int64_t value) { return value < 0 ? json_null() : json_integer(value); }

static json_t *cpus_json(const struct ew_machine *m) {
    json_t *list = json_array();
    for (size_t i = 0; i < m->n_cpus; i++) {
        const struct ew_machine_cpu *c = &m->cpus[i];
        json_array_append_new(list, json_pack("{s:i, s:o, s:o, s:i, s:i, s:o, s:o, s:o}", "id", c->id, "package",
                                              count(c->package), "core", count(c->core), "smt", c->smt, "kind", c->kind,
                                              "speed", number(c->speed), "model", text(c->model), "hardware_max_mhz",
                                              number(c->hardware_max_mhz)));
    }
    return list;
}

static json_t *caches_json(const struct ew_machine *m) {
    json_t *list = json_array();
    for (size_t i = 0; i < m->n_caches; i++) {
        const struct ew_machine_cache *c = &m->caches[i];
        json_array_append_new(list,
                              json_pack("{s:i, s:s, s:o, s:i, s:i}", "level", c->level, "type", c->type, "size_bytes",
                                        count(c->size_bytes), "instances", c->instances, "shared_by", c->shared_by));
    }
    return list;
}

static char *dump(json_t *root) {
    char *out = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return out;
}

static json_t *gpu_json(const struct ew_machine_gpu *gpu) {
    json_t *shares = gpu->shares_memory < 0 ? json_null() : json_boolean(gpu->shares_memory);
    return json_pack("{s:o, s:o}", "name", text(gpu->name), "shares_memory", shares);
}

static char *facts_json(const struct ew_machine *m) {
    return dump(json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "board",
        text(m->board), "vendor", text(m->vendor), "cpu_model", text(m->cpu_model), "kernel", text(m->kernel), "os",
        text(m->os), "architecture", text(m->architecture), "hypervisor", text(m->hypervisor), "firmware",
        text(m->firmware), "gpu", gpu_json(&m->gpu), "packages", m->packages, "cores", m->cores, "threads", m->threads,
        "kinds", m->kinds, "usable", m->usable, "quota", number(m->quota), "memory_bytes", count(m->memory.total_bytes),
        "swap_bytes", count(m->memory.swap_total_bytes), "cpus", cpus_json(m), "caches", caches_json(m)));
}

static void fingerprint(const struct ew_machine *m, char out[17]) {
    char features[256], all[1024];
    ew_cpu_features_text(ew_cpu_features(), features, sizeof features);
    /* Total memory moves by some MiB with kernels: whole GiB are enough to tell machines apart. */
    snprintf(all, sizeof all, "%s|%s|%s|%s|%d|%d|%d|%lld|%s", m->architecture, m->board, m->vendor, m->cpu_model,
             m->packages, m->cores, m->threads, (long long)(m->memory.total_bytes >> 30), features);
    snprintf(out, 17, "%016llx", (unsigned long long)XXH64(all, strlen(all), 0));
}

enum ew_status ew_machine_facts_make(const struct ew_machine *m, struct ew_machine_record *out, struct ew_error *err) {
    char print[17], os[2 * EW_MACHINE_TEXT + 8], features[256];
    fingerprint(m, print);
    ew_cpu_features_text(ew_cpu_features(), features, sizeof features);
    snprintf(os, sizeof os, "%s%s%s", m->os, *m->os && *m->kernel ? " · " : "", m->kernel);
    const char *name = *m->board ? m->board : *m->cpu_model ? m->cpu_model : "unknown machine";
    /* A virtual machine's board says nothing; its processor does. */
    if (*m->hypervisor && *m->cpu_model) name = m->cpu_model;
    struct ew_machine_record r = {.fingerprint = strdup(print),
                                  .name = strdup(name),
                                  .arch = strdup(m->architecture),
                                  .n_cores = m->usable,
                                  .memory_bytes = m->memory.total_bytes < 0 ? EW_MISSING : m->memory.total_bytes,
                                  .cpu_features = strdup(features),
                                  .os = strdup(os),
                                  .facts_json = facts_json(m)};
    if (!r.fingerprint || !r.name || !r.arch || !r.cpu_features || !r.os || !r.facts_json) {
        ew_machine_facts_free(&r);
        return ew_error_set(err, EW_ERR_MEMORY, "machine: out of memory");
    }
    *out = r;
    return EW_OK;
}

void ew_machine_facts_free(struct ew_machine_record *r) {
    const char *const texts[] = {r->fingerprint, r->name, r->arch, r->cpu_features, r->os, r->facts_json};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free((char *)texts[i]);
    *r = (struct ew_machine_record){0};
}

char *ew_machine_state_json(const struct ew_machine *m) {
    json_t *cpus = json_array(), *temperatures = json_array();
    for (size_t i = 0; i < m->n_cpus; i++)
        json_array_append_new(cpus, json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "id", m->cpus[i].id, "governor",
                                              text(m->cpus[i].governor), "preference", text(m->cpus[i].preference),
                                              "min_mhz", number(m->cpus[i].min_mhz), "max_mhz",
                                              number(m->cpus[i].max_mhz), "now_mhz", number(m->cpus[i].now_mhz)));
    for (size_t i = 0; i < m->n_temperatures; i++)
        json_array_append_new(temperatures,
                              json_pack("{s:s, s:o, s:b}", "name", m->temperatures[i].name, "degrees_c",
                                        number(m->temperatures[i].degrees_c), "is_cpu", m->temperatures[i].is_cpu));
    return dump(json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "power_mode", text(m->power_mode), "cpus",
                          cpus, "temperatures", temperatures, "memory_available_bytes",
                          count(m->memory.available_bytes), "swap_free_bytes", count(m->memory.swap_free_bytes),
                          "cgroup_limit_bytes", count(m->memory.cgroup_limit_bytes), "throttle_core_events",
                          count(m->throttle.core_events), "throttle_package_events", count(m->throttle.package_events),
                          "throttle_pi_flags", count(m->throttle.pi_flags)));
}
