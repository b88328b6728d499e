// SPDX-License-Identifier: Apache-2.0
// libcurl's variadic setters of a multi handle and getters of a request, one typed inline function for each kind of
// argument, because Swift cannot call variadics. The setters of a request are in request.h.
#pragma once
#include <curl/curl.h>

static inline CURLMcode ccurl_multi_on_socket(CURLM *multi, curl_socket_callback callback, void *context) {
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, context);
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, callback);
}
static inline CURLMcode ccurl_multi_on_timer(CURLM *multi, curl_multi_timer_callback callback, void *context) {
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, context);
    return curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, callback);
}
static inline CURLMcode ccurl_multi_number(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
static inline long ccurl_info_number(CURL *request, CURLINFO info) {
    long value = 0;
    curl_easy_getinfo(request, info, &value);
    return value;
}
static inline curl_off_t ccurl_info_size(CURL *request, CURLINFO info) {
    curl_off_t value = 0;
    curl_easy_getinfo(request, info, &value);
    return value;
}
static inline const char *ccurl_info_text(CURL *request, CURLINFO info) {
    const char *value = 0;
    curl_easy_getinfo(request, info, &value);
    return value;
}
/// The result of a finished request, out of the union in a message.
static inline CURLcode ccurl_message_result(const CURLMsg *message) { return message->data.result; }
/// The certificates that the server has shown, where they were asked for.
static inline struct curl_certinfo *ccurl_info_certificates(CURL *request) {
    struct curl_certinfo *chain = 0;
    curl_easy_getinfo(request, CURLINFO_CERTINFO, &chain);
    return chain;
}
