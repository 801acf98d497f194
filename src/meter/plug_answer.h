/* What plugs with a meter answer, as text. Apart from how they are asked (plug_http.c), so that it is tested on texts.
 */
#ifndef EW_METER_PLUG_ANSWER_H
#define EW_METER_PLUG_ANSWER_H

#include "meter/plug_client.h"

/* The requests that are known, in the order in which they are tried. */
enum ew_plug_form {
    EW_PLUG_FORM_SWITCH = 0, /* Shelly, second generation and later: a relay with a meter */
    EW_PLUG_FORM_PM1,        /* the same: a meter alone */
    EW_PLUG_FORM_EM1,        /* the same: a meter with clamps */
    EW_PLUG_FORM_STATUS,     /* Shelly, first generation */
    EW_PLUG_FORM_TASMOTA
};

/* Path and query of the request, "/rpc/Switch.GetStatus?id=0". */
void ew_plug_path(enum ew_plug_form form, int channel, char *buf, size_t capacity);

/* The answer text [n]; it need not end with a NUL. EW_METER_USABLE; UNSUPPORTED: it has no meter; ABSENT: not this
 * channel; NOT_NOW: its relay is off; IMPLAUSIBLE: the value cannot be; IO_ERROR: not understood. */
enum ew_meter_reason ew_plug_parse(enum ew_plug_form form, int channel, const char *text, size_t n,
                                   struct ew_plug_reading *out, struct ew_plug_refusal *why);

#endif
