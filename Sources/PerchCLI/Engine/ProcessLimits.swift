// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What the system grants a process of Perch.
enum ProcessLimits {
    /// Waits on HTTP and files need descriptors: as many as the system grants.
    static func allowManyDescriptors() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
