// SPDX-License-Identifier: Apache-2.0
// The setters that one blocking request needs, typed, because Swift cannot call variadics.
#pragma once
#include <curl/curl.h>

static inline CURLcode ccurl_request_text(CURL *request, CURLoption option, const char *value) {
    return curl_easy_setopt(request, option, value);
}
static inline CURLcode ccurl_request_number(CURL *request, CURLoption option, long value) {
    return curl_easy_setopt(request, option, value);
}
static inline CURLcode ccurl_request_size(CURL *request, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(request, option, value);
}
static inline CURLcode ccurl_request_pointer(CURL *request, CURLoption option, void *value) {
    return curl_easy_setopt(request, option, value);
}
static inline CURLcode ccurl_request_headers(CURL *request, struct curl_slist *headers) {
    return curl_easy_setopt(request, CURLOPT_HTTPHEADER, headers);
}
typedef size_t (*ccurl_request_taker)(char *bytes, size_t size, size_t count, void *context);
static inline CURLcode ccurl_request_on_data(CURL *request, CURLoption option, ccurl_request_taker taker) {
    return curl_easy_setopt(request, option, taker);
}
typedef int (*ccurl_request_watcher)(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d);
static inline CURLcode ccurl_request_on_progress(CURL *request, ccurl_request_watcher watcher) {
    return curl_easy_setopt(request, CURLOPT_XFERINFOFUNCTION, watcher);
}
static inline CURLcode ccurl_request_status(CURL *request, long *status) {
    return curl_easy_getinfo(request, CURLINFO_RESPONSE_CODE, status);
}
