/* Owns the HTTP of plugs: one connection that is kept open, time-outs, and which of the known requests this plug
 * understands. Follows no redirects, uses no proxy (a plug is on the local network), and takes no long answers. What
 * the answers mean: plug_answer.c. When a plug is asked: plug_meter.c. */
#include "meter/plug_http.h"
#include "meter/driver.h"
#include "meter/plug_answer.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ANSWER = 1 << 16, URL_SIZE = 1024, CONNECT_MS = 2000, ANSWER_MS = 3000 };

struct client {
    CURL *curl;
    struct ew_plug_address address;
    int form; /* -1 until one was understood */
    atomic_bool cancelled;
    char *answer; /* [MAX_ANSWER] */
    size_t n;
    char error[CURL_ERROR_SIZE];
};

static void begin_curl(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct client *c = context;
    size_t n = size * count;
    if (n > MAX_ANSWER - c->n) return 0; /* fails the transfer */
    memcpy(c->answer + c->n, bytes, n);
    c->n += n;
    return n;
}

static int may_go_on(void *context, curl_off_t a, curl_off_t b, curl_off_t u, curl_off_t v) {
    (void)a, (void)b, (void)u, (void)v;
    struct client *c = context;
    return atomic_load(&c->cancelled);
}

static void close_client(void *client) {
    struct client *c = client;
    if (!c) return;
    if (c->curl) curl_easy_cleanup(c->curl);
    free(c->answer);
    free(c);
}

static void *open_client(const struct ew_plug_address *address) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin_curl);
    struct client *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->address = *address;
    c->form = -1;
    c->curl = curl_easy_init();
    c->answer = malloc(MAX_ANSWER);
    if (!c->curl || !c->answer) {
        close_client(c);
        return NULL;
    }
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, may_go_on);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "edgewise");
    if (address->user[0] && address->maker == EW_PLUG_SHELLY) {
        curl_easy_setopt(c->curl, CURLOPT_USERNAME, c->address.user);
        curl_easy_setopt(c->curl, CURLOPT_PASSWORD, c->address.password);
        curl_easy_setopt(c->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_ANY); /* Gen1 basic, later ones digest */
    }
    return c;
}

/* Tasmota takes the password as part of the question. */
static bool make_url(const struct client *c, enum ew_plug_form form, char url[URL_SIZE]) {
    char path[128];
    ew_plug_path(form, c->address.channel, path, sizeof path);
    int n = snprintf(url, URL_SIZE, "http://%s%s", c->address.host, path);
    if (c->address.maker != EW_PLUG_TASMOTA || !c->address.user[0]) return n < URL_SIZE;
    char *user = curl_easy_escape(c->curl, c->address.user, 0), *password = NULL;
    if (user) password = curl_easy_escape(c->curl, c->address.password, 0);
    if (password) n += snprintf(url + n, (size_t)(URL_SIZE - n), "&user=%s&password=%s", user, password);
    curl_free(user);
    curl_free(password);
    return password && n < URL_SIZE;
}

static enum ew_meter_reason refuse(struct ew_plug_refusal *why, enum ew_meter_reason reason, const char *remedy) {
    snprintf(why->remedy, sizeof why->remedy, "%s", remedy);
    return reason;
}

static enum ew_meter_reason judge_transfer(struct client *c, CURLcode code, long http, struct ew_plug_refusal *why) {
    const char *host = c->address.host;
    if (code != CURLE_OK) {
        bool quiet = code == CURLE_OPERATION_TIMEDOUT;
        ew_meter_text(why->text, sizeof why->text, "%s does not answer: %s", host,
                      code == CURLE_WRITE_ERROR ? "more than 64 KiB came, which no plug says"
                      : c->error[0]             ? c->error
                                                : curl_easy_strerror(code));
        return refuse(why, quiet || code != CURLE_WRITE_ERROR ? EW_METER_ABSENT : EW_METER_IO_ERROR,
                      code == CURLE_WRITE_ERROR
                          ? ""
                          : "is it switched on, in this network, and is the address right? Try it in a browser");
    }
    if (http == 401 || http == 403) {
        ew_meter_text(why->text, sizeof why->text, "%s %s (HTTP %ld)", host,
                      c->address.user[0] ? "refuses this user and password" : "asks for a password", http);
        return refuse(why, EW_METER_PERMISSION,
                      c->address.maker == EW_PLUG_SHELLY ? "name them: shelly:admin:PASSWORD@HOST"
                                                         : "name them: tasmota:admin:PASSWORD@HOST");
    }
    if (http == 200) return EW_METER_USABLE;
    ew_meter_text(why->text, sizeof why->text,
                  "%s does not know what it is asked (HTTP %ld): has it a meter, and this channel?", host, http);
    return refuse(why, http >= 500 && http != 501 ? EW_METER_IO_ERROR : EW_METER_UNSUPPORTED, "");
}

static enum ew_meter_reason ask_form(struct client *c, enum ew_plug_form form, struct ew_plug_reading *out,
                                     struct ew_plug_refusal *why) {
    char url[URL_SIZE];
    long http = 0;
    *why = (struct ew_plug_refusal){.text = ""};
    if (!make_url(c, form, url)) {
        ew_meter_text(why->text, sizeof why->text, "user and password are too long");
        return EW_METER_UNSUPPORTED;
    }
    c->n = 0;
    c->error[0] = 0;
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    CURLcode code = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
    enum ew_meter_reason reason = judge_transfer(c, code, http, why);
    if (reason != EW_METER_USABLE) return reason;
    reason = ew_plug_parse(form, c->address.channel, c->answer, c->n, out, why);
    if (reason == EW_METER_PERMISSION) refuse(why, reason, "name it: tasmota:admin:PASSWORD@HOST");
    if (reason == EW_METER_USABLE) return reason;
    char text[EW_METER_TEXT_SIZE];
    snprintf(text, sizeof text, "%s", why->text);
    ew_meter_text(why->text, sizeof why->text, "%s: %s", c->address.host, text);
    return reason;
}

/* Whether another request may find what this one did not. */
static bool goes_on(enum ew_meter_reason reason, const struct client *c) {
    long http = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
    if (reason == EW_METER_ABSENT) return http != 0; /* an answer, but not this channel */
    return reason == EW_METER_UNSUPPORTED || (reason == EW_METER_IO_ERROR && http != 200 && http != 0);
}

static enum ew_meter_reason ask_client(void *client, struct ew_plug_reading *out, struct ew_plug_refusal *why) {
    struct client *c = client;
    if (c->form >= 0) return ask_form(c, (enum ew_plug_form)c->form, out, why);
    bool tasmota = c->address.maker == EW_PLUG_TASMOTA;
    int first = tasmota ? EW_PLUG_FORM_TASMOTA : EW_PLUG_FORM_SWITCH;
    int last = tasmota ? EW_PLUG_FORM_TASMOTA : EW_PLUG_FORM_STATUS;
    enum ew_meter_reason told = EW_METER_UNSUPPORTED;
    struct ew_plug_refusal one;
    bool any = false;
    for (int form = first; form <= last; form++) {
        enum ew_meter_reason reason = ask_form(c, (enum ew_plug_form)form, out, &one);
        if (reason == EW_METER_USABLE || reason == EW_METER_NOT_NOW) c->form = form;
        long http = 0;
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
        bool on = goes_on(reason, c);
        /* What an understood answer says is more to the point than that another question is unknown. */
        if (!any || !on || (http == 200 && told == EW_METER_UNSUPPORTED)) {
            told = reason;
            *why = one;
        }
        any |= http == 200;
        if (!on) break;
    }
    return told;
}

static void cancel_client(void *client) { atomic_store(&((struct client *)client)->cancelled, true); }
static void resume_client(void *client) { atomic_store(&((struct client *)client)->cancelled, false); }

const struct ew_plug_interface ew_plugs_over_http = {
    .open = open_client, .ask = ask_client, .cancel = cancel_client, .resume = resume_client, .close = close_client};
