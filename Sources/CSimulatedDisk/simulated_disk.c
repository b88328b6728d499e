// SPDX-License-Identifier: Apache-2.0
#include "simulated_disk.h"
