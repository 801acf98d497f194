/* Owns what counts as throttled in a trial and in a command's run. The counts and their words:
 * machine/throttle_facts.c; a graphics card on a bus does not count, as nothing here runs on it. */
#include "study/throttle_span.h"
#include "base/text_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SINCE_BOOT = 0xf0000 }; /* bits of a Raspberry Pi's flags */

struct seen {
    size_t n, active;
    double most;
};

static struct seen look(const struct ew_meter_trace *trace, size_t channel, int64_t begin_ns, int64_t end_ns) {
    struct seen s = {0};
    for (size_t i = 0; i < trace->n; i++) {
        double value = trace->values[i * trace->n_channels + channel];
        if (isnan(value) || trace->times_ns[i] < begin_ns || trace->times_ns[i] > end_ns) continue;
        s.n++;
        s.active += value > 0;
        s.most = fmax(s.most, value);
    }
    return s;
}

static void say_cooling(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns, char *buf,
                        size_t capacity) {
    for (size_t c = 0; c < trace->n_channels; c++) {
        struct seen s = look(trace, c, begin_ns, end_ns);
        if (s.active > 0)
            ew_text_add_part(buf, capacity, "; ", "%s in %zu of %zu readings, at %.0f %% of its most",
                             trace->info->channels[c].name, s.active, s.n, 100 * s.most);
    }
}

/* The flags of this moment; those since boot are old news, or found by the readings before and after. */
static void say_flags(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns, char *buf,
                      size_t capacity) {
    static const char tail[] = " now";
    for (size_t c = 0; c < trace->n_channels; c++) {
        const char *name = trace->info->channels[c].name;
        size_t length = strlen(name);
        if (length < sizeof tail || strcmp(name + length - (sizeof tail - 1), tail) != 0) continue;
        struct seen s = look(trace, c, begin_ns, end_ns);
        if (s.active > 0)
            ew_text_add_part(buf, capacity, "; ", "%.*s in %zu of %zu readings", (int)(length - (sizeof tail - 1)),
                             name, s.active, s.n);
    }
}

bool ew_throttle_seen(const struct ew_metering *metering, int64_t begin_ns, int64_t end_ns, char *buf,
                      size_t capacity) {
    const struct ew_meter_trace *cooling = ew_metering_trace(metering, "cooling");
    const struct ew_meter_trace *flags = ew_metering_trace(metering, "pi-throttle");
    buf[0] = 0;
    if (cooling) say_cooling(cooling, begin_ns, end_ns, buf, capacity);
    if (flags) say_flags(flags, begin_ns, end_ns, buf, capacity);
    return buf[0] != 0;
}

struct ew_throttle_span ew_throttle_span_of(const struct ew_machine_throttle *before,
                                            const struct ew_machine_throttle *after) {
    struct ew_throttle_span span = {.known =
                                        ew_machine_throttle_is_known(before) && ew_machine_throttle_is_known(after)};
    int64_t events = ew_machine_throttle_events(before, after);
    span.events = events < 0 ? EW_MISSING : events;
    span.throttled = ew_machine_throttle_words(before, after, span.words, sizeof span.words);
    if (before->pi_flags >= 0)
        ew_machine_pi_flags_text(before->pi_flags & SINCE_BOOT, span.earlier, sizeof span.earlier);
    return span;
}

void ew_throttle_span_add(struct ew_throttle_span *span, const struct ew_metering *metering, int64_t begin_ns,
                          int64_t end_ns) {
    char words[EW_THROTTLE_WORDS];
    if (!ew_throttle_seen(metering, begin_ns, end_ns, words, sizeof words)) return;
    span->throttled = true;
    ew_text_add_part(span->words, sizeof span->words, "; ", "while it ran: %s", words);
}
