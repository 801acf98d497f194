/* How plugs are asked, as the meter knows it (plug_meter.c). The library has no HTTP of its own: the program hands over
 * plug_http.c's ew_plugs_over_http, tests a script. */
#ifndef EW_METER_PLUG_CLIENT_H
#define EW_METER_PLUG_CLIENT_H

#include "edgewise/meter.h"

enum ew_plug_maker { EW_PLUG_SHELLY = 0, EW_PLUG_TASMOTA };

enum { EW_PLUG_HOST_SIZE = 128, EW_PLUG_LOGIN_SIZE = 128, EW_PLUG_NO_CHANNEL = -1, EW_PLUG_MAX_CHANNEL = 31 };

struct ew_plug_address {
    enum ew_plug_maker maker;
    char host[EW_PLUG_HOST_SIZE];                                /* name or address, perhaps with :port */
    char user[EW_PLUG_LOGIN_SIZE], password[EW_PLUG_LOGIN_SIZE]; /* "" = none; in no message and no description */
    int channel; /* Shelly counts from 0, Tasmota from 1; EW_PLUG_NO_CHANNEL = not said */
};

struct ew_plug_reading {
    double power_w;
    double resolution_w; /* the smallest step that the answer's decimals can show */
};

/* Why there is no reading, in words for people. */
struct ew_plug_refusal {
    char text[EW_METER_TEXT_SIZE];
    char remedy[EW_METER_TEXT_SIZE];
};

struct ew_plug_interface {
    /* The address is copied. NULL when out of memory. */
    void *(*open)(const struct ew_plug_address *address);
    /* Blocks for the answer, some seconds at most. EW_METER_USABLE, or the reason why there is none. */
    enum ew_meter_reason (*ask)(void *client, struct ew_plug_reading *out, struct ew_plug_refusal *why);
    void (*cancel)(void *client); /* from another thread: the ask in progress and all later ones end soon */
    void (*resume)(void *client); /* takes cancel back */
    void (*close)(void *client);
};

/* "[user[:password]@]host[:port][/channel]". Errors: ARGUMENT, with the rule; the message has no password. */
enum ew_status ew_plug_address_parse(enum ew_plug_maker maker, const char *text, struct ew_plug_address *out,
                                     struct ew_error *err);

#endif
