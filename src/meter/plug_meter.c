/* Owns a plug with a meter as a meter: the grammar of its address, a thread that asks it once a second, and what is
 * kept between two reads. The thread is why: an answer takes as long as the network likes, and the sampler must not
 * wait for it. Who asks, and what the answers look like: plug_client.h. */
#include "base/error.h"
#include "meter/driver.h"
#include "meter/plug_client.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEPT = 64 };
static const double period_s = 1, gone_after_s = 10, first_answer_s = 4, late_s = 3;

struct plug {
    const struct ew_plug_interface *interface;
    void *client;
    struct ew_plug_address address;
    struct ew_meter_clock clock; /* the thread has this and not the meter, whose state a calibration may wrap */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t change;
    bool stopping, asked;
    int64_t times_ns[KEPT]; /* not yet read, oldest first; the oldest are dropped when nobody reads */
    double watts[KEPT];
    size_t n;
    int64_t last_good_ns;
    double round_trip_s, resolution_w; /* longest, finest so far */
    struct ew_plug_refusal refusal;    /* of the last request that failed */
};

/* ---- the address ---- */

static bool take_host(const char *text, size_t n, char out[EW_PLUG_HOST_SIZE]) {
    if (n == 0 || n >= EW_PLUG_HOST_SIZE) return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-._:[]", text[i])) return false;
    memcpy(out, text, n);
    out[n] = 0;
    return true;
}

/* "/0" … "/31", or nothing. */
static bool take_channel(const char *text, int *out) {
    *out = EW_PLUG_NO_CHANNEL;
    if (!*text) return true;
    size_t digits = strspn(text + 1, "0123456789");
    if (digits == 0 || digits > 2 || text[1 + digits]) return false;
    *out = atoi(text + 1);
    return *out <= EW_PLUG_MAX_CHANNEL;
}

/* user[:password] */
static bool take_login(const char *text, size_t n, struct ew_plug_address *out) {
    const char *colon = memchr(text, ':', n);
    size_t user = colon ? (size_t)(colon - text) : n, password = colon ? n - user - 1 : 0;
    if (user == 0 || user >= EW_PLUG_LOGIN_SIZE || password >= EW_PLUG_LOGIN_SIZE) return false;
    memcpy(out->user, text, user);
    if (password) memcpy(out->password, colon + 1, password);
    return true;
}

static const char *maker_name(enum ew_plug_maker maker) { return maker == EW_PLUG_SHELLY ? "shelly" : "tasmota"; }

enum ew_status ew_plug_address_parse(enum ew_plug_maker maker, const char *text, struct ew_plug_address *out,
                                     struct ew_error *err) {
    struct ew_plug_address a = {.maker = maker};
    const char *at = strrchr(text, '@'), *host = at ? at + 1 : text;
    size_t n = strcspn(host, "/");
    const char *rule = NULL;
    if (at && !take_login(text, (size_t)(at - text), &a))
        rule = "before the @ must stand USER or USER:PASSWORD";
    else if (!take_host(host, n, a.host))
        rule = "the host must be a name or an address, perhaps with :PORT";
    else if (!take_channel(host + n, &a.channel))
        rule = "after the host may stand /CHANNEL, from 0 to 31";
    if (rule)
        return ew_error_set(err, EW_ERR_ARGUMENT, "meter source `%s:%s%.60s`: %s", maker_name(maker), at ? "…@" : "",
                            host, rule);
    *out = a;
    return EW_OK;
}

/* ---- the thread ---- */

static struct timespec after(double seconds) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + (int64_t)(seconds * 1e9);
    return (struct timespec){.tv_sec = t.tv_sec + ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* A request that failed leaves a missing sample. Under the lock. */
static void keep(struct plug *p, int64_t before_ns, int64_t after_ns, double watts) {
    if (p->n == KEPT) {
        memmove(p->times_ns, p->times_ns + 1, (KEPT - 1) * sizeof *p->times_ns);
        memmove(p->watts, p->watts + 1, (KEPT - 1) * sizeof *p->watts);
        p->n--;
    }
    p->times_ns[p->n] = before_ns + (after_ns - before_ns) / 2;
    p->watts[p->n++] = watts;
    p->asked = true;
    pthread_cond_broadcast(&p->change);
}

static int64_t now_ns(const struct plug *p) { return p->clock.now_ns(p->clock.context); }

static void ask_once(struct plug *p) {
    struct ew_plug_reading reading;
    struct ew_plug_refusal refusal = {.text = ""};
    int64_t before = now_ns(p);
    bool good = p->interface->ask(p->client, &reading, &refusal) == EW_METER_USABLE;
    int64_t end = now_ns(p);
    pthread_mutex_lock(&p->lock);
    if (good) {
        p->last_good_ns = end;
        p->round_trip_s = fmax(p->round_trip_s, (double)(end - before) * 1e-9);
        p->resolution_w = fmin(p->resolution_w, reading.resolution_w);
    } else {
        p->refusal = refusal;
    }
    if (!p->stopping || good) keep(p, before, end, good ? reading.power_w : NAN);
    pthread_mutex_unlock(&p->lock);
}

static void *ask_on(void *argument) {
    struct plug *p = argument;
    bool stopping = false;
    while (!stopping) {
        struct timespec next = after(period_s);
        ask_once(p);
        pthread_mutex_lock(&p->lock);
        while (!p->stopping)
            if (pthread_cond_timedwait(&p->change, &p->lock, &next) != 0) break;
        stopping = p->stopping;
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* Waits for the first answer, so that there is a reading before the window begins that is measured. */
static enum ew_status start_plug(struct ew_meter *meter, struct ew_error *err) {
    struct plug *p = meter->state;
    p->stopping = p->asked = false;
    p->n = 0;
    p->last_good_ns = ew_meter_now_ns(meter);
    p->interface->resume(p->client);
    int e = pthread_create(&p->thread, NULL, ask_on, p);
    if (e) return ew_error_errno(err, EW_ERR_MEMORY, e, "meter %s: cannot start its thread", meter->info.name);
    struct timespec until = after(first_answer_s);
    pthread_mutex_lock(&p->lock);
    while (!p->asked)
        if (pthread_cond_timedwait(&p->change, &p->lock, &until) != 0) break;
    pthread_mutex_unlock(&p->lock);
    return EW_OK;
}

static void stop_plug(struct ew_meter *meter) {
    struct plug *p = meter->state;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->change);
    pthread_mutex_unlock(&p->lock);
    p->interface->cancel(p->client);
    pthread_join(p->thread, NULL);
}

static void close_plug(struct ew_meter *meter) {
    struct plug *p = meter->state;
    if (p->client) p->interface->close(p->client);
    pthread_cond_destroy(&p->change);
    pthread_mutex_destroy(&p->lock);
}

/* An answer tells of the middle of its asking: the end of a run is known some askings later. */
static double late_plug(struct ew_meter *meter) {
    (void)meter;
    return late_s;
}

static enum ew_status read_plug(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct plug *p = meter->state;
    size_t taken = 0;
    pthread_mutex_lock(&p->lock);
    for (; taken < p->n && batch->n < batch->capacity; taken++) {
        batch->values[batch->n] = p->watts[taken];
        batch->times_ns[batch->n++] = p->times_ns[taken];
    }
    p->n -= taken;
    memmove(p->times_ns, p->times_ns + taken, p->n * sizeof *p->times_ns);
    memmove(p->watts, p->watts + taken, p->n * sizeof *p->watts);
    meter->info.resolution = p->resolution_w;
    meter->info.stamp_error_s = p->round_trip_s / 2;
    double silent_s = (double)(ew_meter_now_ns(meter) - p->last_good_ns) * 1e-9;
    char why[EW_METER_TEXT_SIZE];
    ew_meter_text(why, sizeof why, "no reading for %.0f s: %.200s", silent_s,
                  p->refusal.text[0] ? p->refusal.text : "it does not answer");
    pthread_mutex_unlock(&p->lock);
    if (taken > 0 || silent_s < gone_after_s) return EW_OK;
    ew_meter_flag(meter, EW_METER_GONE, why);
    return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: %s", meter->info.name, why);
}

/* ---- the meter ---- */

static void describe(struct ew_meter *m, const struct ew_plug_address *a) {
    struct ew_meter_info *info = &m->info;
    char channel[8] = "";
    if (a->channel != EW_PLUG_NO_CHANNEL) ew_meter_text(channel, sizeof channel, "/%d", a->channel);
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_POWER;
    info->boundary = EW_BOUNDARY_WALL;
    info->grade_ceiling = EW_GRADE_C;
    info->period_s = period_s;
    info->documented = a->maker == EW_PLUG_SHELLY
                           ? "Shelly API documentation; error and averaging of its power are not documented there"
                           : "Tasmota documentation, Status 10; its error depends on the owner's calibration";
    ew_meter_text(info->name, sizeof info->name, "%s:%s%s", maker_name(a->maker), a->host, channel);
    ew_meter_text(info->source, sizeof info->source, "http://%s%s", a->host, channel);
    ew_meter_text(info->covers, sizeof info->covers,
                  "everything behind this plug, power supplies and their loss included");
    ew_meter_text(m->channels[0].name, sizeof m->channels[0].name, "plug");
    m->channels[0].in_total = true;
}

/* One question at once: what it is, and whether it will do. */
static void probe(struct ew_meter *m, struct plug *p) {
    struct ew_plug_reading reading = {0};
    struct ew_plug_refusal why = {.text = ""};
    int64_t before = ew_meter_now_ns(m);
    enum ew_meter_reason reason = p->interface->ask(p->client, &reading, &why);
    p->round_trip_s = (double)(ew_meter_now_ns(m) - before) * 1e-9;
    p->resolution_w = reason == EW_METER_USABLE ? reading.resolution_w : 1;
    m->info.resolution = reason == EW_METER_USABLE ? p->resolution_w : 0;
    m->info.stamp_error_s = p->round_trip_s / 2;
    if (reason != EW_METER_USABLE) {
        ew_meter_refuse(m, reason, why.text, why.remedy);
    } else if (reading.power_w == 0) {
        ew_meter_text(why.text, sizeof why.text,
                      "%s says 0 W: it is off, this computer is not behind it, or draws less than it can see",
                      p->address.host);
        ew_meter_refuse(m, EW_METER_NOT_NOW, why.text, "plug this computer in there, and switch the plug on");
    }
    p->round_trip_s = 0; /* the first request also opened the connection */
}

static enum ew_status add_plug(struct ew_meter_list *list, const struct ew_meter_config *config,
                               enum ew_plug_maker maker, const char *text, struct ew_error *err) {
    static const struct ew_meter_driver driver = {
        .start = start_plug, .read = read_plug, .stop = stop_plug, .close = close_plug, .late_s = late_plug};
    struct ew_plug_address address;
    enum ew_status status = ew_plug_address_parse(maker, text, &address, err);
    if (status != EW_OK) return status;
    struct ew_meter *m = ew_meter_new(&driver, config, 1, sizeof(struct plug));
    if (!m) return ew_meter_list_add(list, NULL, err);
    struct plug *p = m->state;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&p->lock, NULL);
    p->address = address;
    p->clock = m->clock;
    describe(m, &address);
    p->interface = config->plugs;
    if (!p->interface) {
        ew_meter_refuse(m, EW_METER_UNSUPPORTED, "this build of Edgewise has no HTTP (it is the library alone)",
                        "use the program edgewise");
        return ew_meter_list_add(list, m, err);
    }
    p->client = p->interface->open(&address);
    if (!p->client) {
        ew_meter_close(&m);
        return ew_meter_list_add(list, NULL, err);
    }
    probe(m, p);
    return ew_meter_list_add(list, m, err);
}

enum ew_status ew_meter_source_shelly(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      const char *address, struct ew_error *err) {
    return add_plug(list, config, EW_PLUG_SHELLY, address, err);
}

enum ew_status ew_meter_source_tasmota(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       const char *address, struct ew_error *err) {
    return add_plug(list, config, EW_PLUG_TASMOTA, address, err);
}
