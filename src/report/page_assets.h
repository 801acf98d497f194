/* The files of web/dist, byte for byte, each with a 0 after its end. Made from them by tools/embed_bytes.py. */
#ifndef EW_REPORT_PAGE_ASSETS_H
#define EW_REPORT_PAGE_ASSETS_H

#include <stddef.h>

extern const char ew_page_frame[];
extern const size_t ew_page_frame_size;
extern const char ew_page_css[];
extern const size_t ew_page_css_size;
extern const char ew_page_js[];
extern const size_t ew_page_js_size;
extern const char ew_page_licences[];
extern const size_t ew_page_licences_size;

#endif
