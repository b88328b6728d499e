// SPDX-License-Identifier: Apache-2.0
#ifndef PERCH_SIMULATED_DISK_H
#define PERCH_SIMULATED_DISK_H
#endif
