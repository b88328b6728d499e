// SPDX-License-Identifier: Apache-2.0
// libcurl's variadic setters, one typed inline function for each kind of argument, because Swift cannot call variadics.
#pragma once
#include <curl/curl.h>
