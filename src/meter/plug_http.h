/* Plugs asked over HTTP by libcurl: what the program puts into ew_meter_config.plugs. */
#ifndef EW_METER_PLUG_HTTP_H
#define EW_METER_PLUG_HTTP_H

#include "meter/plug_client.h"

extern const struct ew_plug_interface ew_plugs_over_http;

#endif
